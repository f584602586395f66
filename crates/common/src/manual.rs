//! Manual pages and completions from the binary itself; used by every tool.
//!
//! Options come from the clap types, prose from `docs/man/<tool>.8.md`, which each tool embeds
//! with `include_str!`, so packagers need nothing but the binary. The prose is a small part of
//! Markdown: `# SECTION`, `## Subsection`, paragraphs, `- ` lists, fenced code, `**bold**`,
//! `*italic*`, `` `code` ``, and definition lists written as a `term` line followed by a line
//! `:   text`. Two comment lines are replaced by generated text: `<!-- options -->` and
//! `<!-- exit-status -->`.

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::Command;

use crate::exit;
use crate::flags::Generate;

/// The prose of a tool's pages.
#[derive(Clone, Copy, Debug)]
pub struct Manual {
    /// Section 8, the tool.
    pub tool: &'static str,
    /// Section 5, its configuration file; tools without one leave it out.
    pub config: Option<&'static str>,
}

/// Writes what `--generate` asks for.
pub fn generate(
    what: Generate,
    command: &mut Command,
    manual: &Manual,
    out: &mut impl Write,
) -> io::Result<()> {
    use clap_complete::{Shell, generate};
    let name = command.get_name().to_owned();
    // Completions go through a buffer: the generator panics when it cannot write.
    let mut text = Vec::new();
    match what {
        Generate::Bash => generate(Shell::Bash, command, name, &mut text),
        Generate::Zsh => generate(Shell::Zsh, command, name, &mut text),
        Generate::Fish => generate(Shell::Fish, command, name, &mut text),
        Generate::Man => text = page(command, 8, &name, manual.tool).into_bytes(),
        Generate::ManConfig => {
            let Some(prose) = manual.config else {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!("{name} has no configuration file"),
                ));
            };
            text = page(command, 5, &format!("{name}.toml"), prose).into_bytes();
        }
    }
    out.write_all(&text)?;
    out.flush()
}

fn page(command: &mut Command, section: u8, title: &str, prose: &str) -> String {
    command.build();
    let version = command.get_version().unwrap_or_default().to_owned();
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    let mut text = format!(
        ".TH {} {section} \"\" \"nightshift {version}\" \"nightshift manual\"\n",
        escape(title).to_uppercase()
    );
    if section == 8 {
        let _ = write!(text, ".SH NAME\n{} \\- {}\n", escape(title), escape(&about));
    }
    for line in split_prose(prose) {
        match line {
            Part::Options => text.push_str(&options(command)),
            Part::ExitStatus => {
                for (code, meaning) in exit::TABLE {
                    let _ = write!(text, ".TP\n\\fB{code}\\fR\n{}\n", escape(meaning));
                }
            }
            Part::Prose(prose) => render(&prose, &mut text),
        }
    }
    text
}

enum Part {
    Options,
    ExitStatus,
    Prose(String),
}

fn split_prose(prose: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut current = String::new();
    for line in prose.lines() {
        let marker = match line.trim() {
            "<!-- options -->" => Some(Part::Options),
            "<!-- exit-status -->" => Some(Part::ExitStatus),
            _ => None,
        };
        if let Some(part) = marker {
            parts.push(Part::Prose(std::mem::take(&mut current)));
            parts.push(part);
        } else {
            current.push_str(line);
            current.push('\n');
        }
    }
    parts.push(Part::Prose(current));
    parts
}

/// The options of the tool and of each subcommand, as subsections.
fn options(root: &Command) -> String {
    fn descend(command: &Command, root: &Command, text: &mut String) {
        let shown = |sub: &&Command| !sub.is_hide_set() && sub.get_name() != "help";
        for sub in command.get_subcommands().filter(shown) {
            let _ = writeln!(text, ".SS {}", escape(&usage(sub)));
            if let Some(about) = sub.get_long_about().or_else(|| sub.get_about()) {
                push_paragraphs(&about.to_string(), text);
            }
            option_list(sub, Some(root), text);
            descend(sub, root, text);
        }
    }
    let mut text = String::new();
    option_list(root, None, &mut text);
    descend(root, root, &mut text);
    text
}

fn usage(command: &Command) -> String {
    // render_usage needs a mutable command; a clone of one subcommand is cheap.
    let usage = command.clone().render_usage().to_string();
    usage
        .trim_start_matches("Usage: ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

fn option_list(command: &Command, parent: Option<&Command>, text: &mut String) {
    // Global flags are listed once, at the top.
    let inherited = |id: &clap::Id| {
        parent.is_some_and(|parent| {
            parent
                .get_arguments()
                .any(|arg| arg.get_id() == id && arg.is_global_set())
        })
    };
    for arg in command.get_arguments() {
        if arg.is_hide_set() || inherited(arg.get_id()) {
            continue;
        }
        let names: Vec<String> = [
            arg.get_short().map(|short| format!("-{short}")),
            arg.get_long().map(|long| format!("--{long}")),
        ]
        .into_iter()
        .flatten()
        .map(|name| format!("\\fB{}\\fR", escape(&name)))
        .collect();
        let takes_value = arg.get_action().takes_values();
        let value = arg
            .get_value_names()
            .unwrap_or_default()
            .iter()
            .map(|name| format!("\\fI{}\\fR", escape(name)))
            .collect::<Vec<_>>()
            .join(" ");
        let head = match (names.is_empty(), takes_value) {
            (true, _) => value,
            (false, true) => format!("{} {value}", names.join(", ")),
            (false, false) => names.join(", "),
        };
        let _ = write!(text, ".TP\n{head}\n");
        let help = arg.get_long_help().or_else(|| arg.get_help());
        push_paragraphs(&help.map(ToString::to_string).unwrap_or_default(), text);
        let values: Vec<_> = arg
            .get_possible_values()
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| format!("\\fB{}\\fR", escape(value.get_name())))
            .collect();
        if takes_value && !values.is_empty() {
            let _ = write!(
                text,
                ".RS\n.PP\nPossible values: {}.\n.RE\n",
                values.join(", ")
            );
        }
        let defaults: Vec<_> = arg
            .get_default_values()
            .iter()
            .map(|value| value.to_string_lossy())
            .collect();
        if takes_value && !defaults.is_empty() {
            let _ = write!(
                text,
                ".RS\n.PP\nDefault: {}.\n.RE\n",
                escape(&defaults.join(", "))
            );
        }
        if let Some(variable) = arg.get_env() {
            let variable = variable.to_string_lossy();
            let _ = write!(
                text,
                ".RS\n.PP\nEnvironment: \\fB{}\\fR.\n.RE\n",
                escape(&variable)
            );
        }
    }
}

/// The first paragraph follows the tag directly, the others are indented with it.
fn push_paragraphs(help: &str, text: &mut String) {
    for (index, paragraph) in help.split("\n\n").enumerate() {
        let paragraph = inline(&paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
        if index == 0 {
            let _ = writeln!(text, "{}", guard(&paragraph));
        } else {
            let _ = write!(text, ".RS\n.PP\n{}\n.RE\n", guard(&paragraph));
        }
    }
}

/// Markdown to roff, block by block; emphasis may go over line ends.
fn render(prose: &str, text: &mut String) {
    let lines: Vec<&str> = prose.lines().collect();
    let mut rest = lines.as_slice();
    let mut after_heading = false; // where a paragraph macro would be superfluous
    while let [line, following @ ..] = rest {
        rest = following;
        if line.trim().is_empty() {
            continue;
        }
        let mut is_heading = false;
        let paragraph = if after_heading { "" } else { ".PP\n" };
        if line.starts_with("```") {
            let end = following.iter().position(|line| line.starts_with("```"));
            let (code, after) = following.split_at(end.unwrap_or(following.len()));
            let _ = write!(text, "{paragraph}.nf\n.RS\n");
            for code in code {
                let _ = writeln!(text, "{}", guard(&escape(code)));
            }
            text.push_str(".RE\n.fi\n");
            rest = after.get(1..).unwrap_or_default();
        } else if let Some(title) = line.strip_prefix("## ") {
            let _ = writeln!(text, ".SS {}", inline(title));
            is_heading = true;
        } else if let Some(title) = line.strip_prefix("# ") {
            let _ = writeln!(text, ".SH {}", inline(&title.to_uppercase()));
            is_heading = true;
        } else if is_term(rest) {
            let _ = write!(text, ".TP\n{}\n", guard(&inline(line)));
        } else if let Some(definition) = line.strip_prefix(":   ") {
            text.push_str(&block(definition, &mut rest));
        } else if let Some(item) = line.strip_prefix("- ") {
            let _ = write!(text, ".IP \\(bu 2\n{}", block(item, &mut rest));
        } else {
            let _ = write!(text, "{paragraph}{}", block(line, &mut rest));
        }
        after_heading = is_heading;
    }
}

/// Whether the line before `following` is a term, which is when a definition comes next.
fn is_term(following: &[&str]) -> bool {
    following
        .first()
        .is_some_and(|next| next.starts_with(":   "))
}

/// The text of the block that starts with `first`; takes its other lines off `rest`.
fn block(first: &str, rest: &mut &[&str]) -> String {
    let mut markdown = first.trim().to_owned();
    while let [line, following @ ..] = *rest {
        let starts_another = ["```", "#", "- ", ":   "]
            .iter()
            .any(|mark| line.starts_with(mark));
        if line.trim().is_empty() || starts_another || is_term(following) {
            break;
        }
        markdown.push('\n');
        markdown.push_str(line.trim());
        *rest = following;
    }
    inline(&markdown)
        .lines()
        .map(|line| guard(line) + "\n")
        .collect()
}

/// `**bold**`, `*italic*` and `` `code` `` (set in bold).
fn inline(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['*', '`']) {
        text.push_str(&escape(&rest[..at]));
        rest = &rest[at..];
        let (mark, font) = if rest.starts_with("**") {
            ("**", 'B')
        } else if rest.starts_with('`') {
            ("`", 'B')
        } else {
            ("*", 'I')
        };
        let inner = &rest[mark.len()..];
        match inner.find(mark) {
            // `*` before a space is a literal star, as in a glob or a product.
            Some(end) if end > 0 && !inner.starts_with(' ') => {
                let _ = write!(text, "\\f{font}{}\\fR", escape(&inner[..end]));
                rest = &inner[end + mark.len()..];
            }
            _ => {
                text.push_str(mark);
                rest = inner;
            }
        }
    }
    text.push_str(&escape(rest));
    text
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
}

/// A line that starts with a dot or an apostrophe would be taken as a request.
fn guard(line: &str) -> String {
    if line.starts_with(['.', '\'']) {
        format!("\\&{line}")
    } else {
        line.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction};

    fn command() -> Command {
        Command::new("tool")
            .version("1.2.3")
            .about("does one thing")
            .arg(
                Arg::new("dry-run")
                    .short('n')
                    .long("dry-run")
                    .action(ArgAction::SetTrue)
                    .help("Say what would be done"),
            )
    }

    #[test]
    fn prose_and_generated_options_are_joined() {
        let manual = Manual {
            tool: "# SYNOPSIS\n\n`tool` [*options*]\n\n# OPTIONS\n\n<!-- options -->\n\n# EXIT STATUS\n\n<!-- exit-status -->\n",
            config: None,
        };
        let mut out = Vec::new();
        generate(Generate::Man, &mut command(), &manual, &mut out).unwrap();
        let page = String::from_utf8(out).unwrap();
        assert!(page.starts_with(".TH TOOL 8 "), "{page}");
        assert!(page.contains("tool \\- does one thing"), "{page}");
        assert!(
            page.contains("\\fB\\-n\\fR, \\fB\\-\\-dry\\-run\\fR\nSay what would be done"),
            "{page}"
        );
        assert!(page.contains("\\fB75\\fR\nanother instance"), "{page}");
    }

    #[test]
    fn markdown_becomes_roff() {
        let mut text = String::new();
        render(
            "# Files\nA *word*, **two**, `--x`, 2 * 3.\n\n- one\n- two\n\nterm\n:   meaning\n\n```\n.dot\n```\n",
            &mut text,
        );
        assert_eq!(
            text,
            ".SH FILES\nA \\fIword\\fR, \\fBtwo\\fR, \\fB\\-\\-x\\fR, 2 * 3.\n\
             .IP \\(bu 2\none\n.IP \\(bu 2\ntwo\n.TP\nterm\nmeaning\n.PP\n.nf\n.RS\n\\&.dot\n.RE\n.fi\n"
        );
    }

    #[test]
    fn blocks_go_over_line_ends() {
        let mut text = String::new();
        render(
            "# A\n\nOne **bold\nword** here.\n\nx\n:   first\n    second\ny\n:   third\n\n- a\n  b\n\n# B\n\n```\ncode\n```\n",
            &mut text,
        );
        assert_eq!(
            text,
            ".SH A\nOne \\fBbold\nword\\fR here.\n.TP\nx\nfirst\nsecond\n.TP\ny\nthird\n\
             .IP \\(bu 2\na\nb\n.SH B\n.nf\n.RS\ncode\n.RE\n.fi\n"
        );
    }

    #[test]
    fn a_tool_without_a_configuration_says_so() {
        let manual = Manual {
            tool: "",
            config: None,
        };
        let error = generate(
            Generate::ManConfig,
            &mut command(),
            &manual,
            &mut Vec::new(),
        )
        .unwrap_err();
        assert!(error.to_string().contains("no configuration"));
    }
}
