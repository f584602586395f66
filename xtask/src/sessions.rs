//! Runs the console blocks of the documentation, so that no page shows what is not so.
//!
//! A block is run when an HTML comment stands before it:
//!
//! ````text
//! <!-- run as root
//! truncate -s 1M disk        preparation that readers need not see
//! -->
//! ```console
//! # tool list disk
//! disk  1048576 ...
//! ```
//! ````
//!
//! `<!-- run -->` is for blocks that any user can run. Lines that start with `$ ` or `# ` are
//! commands, `> ` continues one; the lines below are its output, stderr included. In expected
//! output `...` stands for anything within a line, and alone on a line for any number of lines.
//! Each block runs in bash in a directory of its own, with the tools first in PATH.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nightshift_testkit::Sandbox;

use crate::workspace::{self, Profile};
use crate::{shell, tools};

/// A console block that is to be run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// Page and line, for messages.
    pub place: String,
    /// Whether it needs root.
    pub root: bool,
    preparation: String,
    steps: Vec<Step>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Step {
    command: String,
    expected: Vec<String>,
}

/// All sessions of the pages under version control.
pub(crate) fn collect() -> Result<Vec<Session>> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--", "*.md"])
        .current_dir(workspace::root());
    let mut sessions = Vec::new();
    for page in shell::capture(&mut git)?.split_terminator('\0') {
        let text = std::fs::read_to_string(workspace::root().join(page))
            .with_context(|| format!("cannot read {page}"))?;
        sessions.extend(parse(page, &text)?);
    }
    Ok(sessions)
}

/// The directory with the tools that sessions run: the ones the tests have built.
pub(crate) fn tools() -> Result<PathBuf> {
    workspace::build(&tools::select(&[])?, Profile::Tested)
}

/// Runs a session with the tools in `bin`; the error shows what differs.
pub(crate) fn run(session: &Session, bin: &Path) -> Result<()> {
    let sandbox = Sandbox::new();
    let mut script = format!("exec 2>&1\n{}\n", session.preparation);
    for step in &session.steps {
        script.push_str("printf '\\001'\n");
        script.push_str(&step.command);
        script.push('\n');
    }
    let path = format!(
        "{}:{}",
        bin.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-c", &script])
        .current_dir(sandbox.path());
    let output = shell::capture(
        bash.env("PATH", path)
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC"),
    )
    .with_context(|| session.place.clone())?;
    let mut outputs = output.split('\u{1}');
    let preparation = outputs.next().unwrap_or_default();
    ensure!(
        preparation.is_empty(),
        "{}: the preparation says: {preparation}",
        session.place
    );
    for step in &session.steps {
        let found: Vec<&str> = outputs.next().unwrap_or_default().lines().collect();
        ensure!(
            lines_match(&step.expected, &found),
            "{}: `{}` prints\n{}\nand the page says\n{}",
            session.place,
            step.command,
            found.join("\n"),
            step.expected.join("\n")
        );
    }
    println!("     Session {} ok", session.place);
    Ok(())
}

fn parse(page: &str, text: &str) -> Result<Vec<Session>> {
    let mut sessions = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let Some(rest) = line.strip_prefix("<!-- run") else {
            continue;
        };
        let mut session = Session {
            place: format!("{page}:{}", number + 1),
            root: rest.trim_start().starts_with("as root"),
            ..Session::default()
        };
        if !rest.ends_with("-->") {
            for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "-->") {
                session.preparation.push_str(line);
                session.preparation.push('\n');
            }
        }
        let fence = lines.next().map(|(_, line)| line);
        ensure!(
            fence == Some("```console"),
            "{}: no ```console block follows",
            session.place
        );
        for (_, line) in lines.by_ref().take_while(|(_, line)| *line != "```") {
            session.add(line)?;
        }
        sessions.push(session);
    }
    Ok(sessions)
}

impl Session {
    fn add(&mut self, line: &str) -> Result<()> {
        if let Some(command) = line.strip_prefix("$ ").or_else(|| line.strip_prefix("# ")) {
            self.steps.push(Step {
                command: command.to_owned(),
                expected: Vec::new(),
            });
            return Ok(());
        }
        let place = &self.place;
        let step = self
            .steps
            .last_mut()
            .with_context(|| format!("{place}: no command yet"))?;
        match line.strip_prefix("> ") {
            Some(more) if step.expected.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            _ => step.expected.push(line.to_owned()),
        }
        Ok(())
    }
}

fn lines_match(expected: &[String], found: &[&str]) -> bool {
    match (expected.split_first(), found.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "..." => {
            (0..=found.len()).any(|skipped| lines_match(rest, &found[skipped..]))
        }
        (Some((first, rest)), Some((line, found))) => {
            line_matches(first, line) && lines_match(rest, found)
        }
        _ => false,
    }
}

/// Whether `line` has the parts of `pattern` between its `...` in order, from start to end.
fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((start, rest)) = pattern.split_once("...") else {
        return pattern == line;
    };
    let Some(line) = line.strip_prefix(start) else {
        return false;
    };
    (0..=line.len())
        .filter(|&at| line.is_char_boundary(at))
        .any(|at| line_matches(rest, &line[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(text: &str) -> Session {
        parse("page.md", text).unwrap().remove(0)
    }

    #[test]
    fn a_true_session_passes_and_a_false_one_is_shown() {
        let text = "text\n<!-- run\necho hidden >file\n-->\n```console\n$ cat file\nhidden\n\
            $ for i in 1 2\n> do echo $i; done\n1\n2\n$ pwd\n/...\n```\n";
        run(&session(text), Path::new("/bin")).unwrap();
        let false_text = text.replace("\n2\n", "\n3\n");
        let error = run(&session(&false_text), Path::new("/bin"))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("page.md:2: `for i in 1 2"), "{error}");
    }

    #[test]
    fn only_marked_blocks_are_run() {
        let text = "```console\n# rm -rf /\n```\n<!-- run as root -->\n```console\n# true\n```\n";
        let sessions = parse("page.md", text).unwrap();
        assert_eq!(sessions.len(), 1);
        assert!(sessions[0].root);
        assert!(parse("page.md", "<!-- run -->\ntext\n").is_err());
    }

    #[test]
    fn dots_stand_for_anything() {
        let matches = |expected: &[&str], found: &[&str]| {
            let expected: Vec<_> = expected.iter().map(|&line| line.to_owned()).collect();
            lines_match(&expected, found)
        };
        assert!(matches(&["a ... c"], &["a bb c"]));
        assert!(!matches(&["a ... c"], &["a bb d"]));
        assert!(matches(&["a", "...", "z"], &["a", "b", "c", "z"]));
        assert!(matches(&["..."], &[]));
        assert!(!matches(&["a"], &["a", "b"]));
    }
}
