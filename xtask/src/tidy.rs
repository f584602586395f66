//! Rules of the house that no linter knows, as tests.

use std::path::{Path, PathBuf};

use crate::workspace::{files, root};
use crate::{generate, tools};

fn read(path: &Path) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_default()
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<PathBuf> = files(&["crates/*.rs", "xtask/*.rs"])
        .into_iter()
        // The unit tests of a module, when they have a file of their own.
        .filter(|path| !path.ends_with("tests.rs"))
        .filter(|path| !read(path).starts_with("//!"))
        .collect();
    assert!(
        silent.is_empty(),
        "these start without a //! comment: {silent:?}"
    );
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut dead = Vec::new();
    for page in files(&["*.md"]) {
        for target in links(&read(&page)) {
            let file = target.split('#').next().unwrap_or_default();
            let external = target.contains("://") || target.starts_with("mailto:");
            if external || file.is_empty() {
                continue;
            }
            let dir = root().join(page.parent().unwrap_or(Path::new("")));
            if !dir.join(file).exists() {
                dead.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

#[test]
fn nothing_mentions_the_machine_it_was_written_on() {
    let mut found = Vec::new();
    let here = root().to_string_lossy().into_owned();
    // Split, so that this file does not find itself.
    let homes = [concat!("/root", "/."), concat!("/home", "/")];
    for path in files(&[
        "*.rs", "*.md", "*.toml", "*.sh", "docs", "crates", "xtask", ".ci",
    ]) {
        let text = read(&path);
        for needle in homes
            .into_iter()
            .chain([here.as_str()])
            .filter(|needle| needle.len() > 4)
        {
            if text.contains(needle) {
                found.push(format!("{}: {needle}", path.display()));
            }
        }
    }
    assert!(
        found.is_empty(),
        "paths of one machine:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_main_is_only_a_door() {
    for path in files(&["crates/*/src/main.rs"]) {
        let lines = read(&path).lines().count();
        assert!(
            lines <= 30,
            "{} has {lines} lines; move the work to the library",
            path.display()
        );
    }
}

#[test]
fn every_manual_page_has_the_sections_that_people_look_for() {
    for tool in tools::ALL {
        let page = format!("docs/man/{}.8.md", tool.binary);
        let text = read(Path::new(&page)).to_uppercase();
        for section in [
            "EXIT STATUS",
            "FILES",
            "ENVIRONMENT",
            "EXAMPLES",
            "SEE ALSO",
        ] {
            assert!(
                text.contains(&format!("# {section}\n")),
                "{page} lacks {section}"
            );
        }
    }
}

#[test]
fn every_tool_is_in_the_readme_and_has_a_history() {
    let (readme, history) = (
        read(Path::new("README.md")),
        read(Path::new("docs/history.md")),
    );
    for tool in tools::ALL {
        let name = tool.binary;
        assert!(
            readme.contains(&format!("| [{name}]")),
            "README.md: no row for {name}"
        );
        assert!(
            history.contains(&format!("## {}", tool.package)),
            "docs/history.md: no section {}",
            tool.package
        );
    }
}

#[test]
fn generated_files_belong_to_a_tool() {
    let wanted: Vec<PathBuf> = tools::ALL
        .iter()
        .flat_map(generate::pages)
        .map(|page| Path::new(generate::DIR).join(page.path))
        .collect();
    for path in files(&[generate::DIR]) {
        assert!(
            wanted.contains(&path),
            "{} belongs to no tool",
            path.display()
        );
    }
}

/// The targets of inline links, `[text](target)`, outside code.
fn links(markdown: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut code = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            code = !code;
        }
        if code {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect();
        for rest in prose.split("](").skip(1) {
            targets.extend(rest.split(')').next().map(str::to_owned));
        }
    }
    targets
}

#[test]
fn links_in_code_do_not_count() {
    let page = "[a](x.md) `[b](y)` [c](z.md#part)\n```\n[d](w)\n```\n";
    assert_eq!(links(page), ["x.md", "z.md#part"]);
}
