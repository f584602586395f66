//! `cargo xtask gen`: what the binaries say about themselves, as files under docs/generated.
//!
//! The pages and completions are committed, so that they can be read without building, and
//! `--check` (part of `cargo xtask ci`) finds any that went stale.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell;
use crate::tools::{self, Tool};
use crate::workspace::{self, Profile};

/// Where the files go, relative to the workspace.
pub(crate) const DIR: &str = "docs/generated";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Compare only; fail when a file is stale, missing or no longer generated
    #[arg(long)]
    pub check: bool,
    /// How the tools are built; what they print does not depend on it
    #[arg(long, value_enum, default_value_t = Profile::Dev)]
    pub profile: Profile,
}

/// A file that a binary prints.
#[derive(Debug)]
pub(crate) struct Page {
    /// What `--generate` is asked for.
    pub what: &'static str,
    /// The path below [`DIR`].
    pub path: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tools = tools::select(&[])?;
    let dir = workspace::build(&tools, options.profile)?;
    let top = workspace::root().join(DIR);
    let mut stale = Vec::new();
    let mut wanted = Vec::new();
    for tool in &tools {
        for page in pages(tool) {
            let text = print(&dir.join(tool.binary), &page)?;
            let path = top.join(&page.path);
            let current = std::fs::read_to_string(&path).unwrap_or_default();
            if current != text {
                stale.push(page.path.clone());
                if !options.check {
                    write(&path, &text)?;
                }
            }
            wanted.push(path);
        }
    }
    for path in present(&top)? {
        if !wanted.contains(&path) {
            stale.push(path.strip_prefix(&top)?.to_owned());
            if !options.check {
                std::fs::remove_file(&path)?;
            }
        }
    }
    for path in &stale {
        println!(
            "gen: {} {DIR}/{}",
            if options.check { "stale:" } else { "updated" },
            path.display()
        );
    }
    ensure!(
        !options.check || stale.is_empty(),
        "{DIR} is out of date: run `cargo xtask gen`"
    );
    println!("gen: {} files are current", wanted.len());
    Ok(())
}

/// The files that belong to a tool.
pub(crate) fn pages(tool: &Tool) -> Vec<Page> {
    let name = tool.binary;
    let mut pages = vec![
        Page {
            what: "man",
            path: format!("man/{name}.8").into(),
        },
        Page {
            what: "bash",
            path: format!("completions/bash/{name}").into(),
        },
        Page {
            what: "fish",
            path: format!("completions/fish/{name}.fish").into(),
        },
        Page {
            what: "zsh",
            path: format!("completions/zsh/_{name}").into(),
        },
    ];
    if tool.config_manual {
        pages.push(Page {
            what: "man-config",
            path: format!("man/{name}.toml.5").into(),
        });
    }
    pages
}

/// Asks a binary for a page.
pub(crate) fn print(binary: &Path, page: &Page) -> Result<String> {
    shell::capture(Command::new(binary).args(["--generate", page.what]))
}

fn write(path: &Path, text: &str) -> Result<()> {
    let parent = path
        .parent()
        .context("a generated file lies in a directory")?;
    std::fs::create_dir_all(parent)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "a generated file can be generated again"
    )]
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// All files below `dir`.
fn present(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Ok(files);
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(present(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_page_and_three_completions() {
        for tool in tools::ALL {
            let pages = pages(tool);
            assert_eq!(pages.len(), 4 + usize::from(tool.config_manual));
        }
    }
}
