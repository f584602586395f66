//! `cargo xtask ci`: everything that must pass before a change is merged; what the server runs.
//!
//! Cheapest first, stopping at the first failure with the command that mends it. Every step
//! prints how long it took.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use tempfile::TempDir;

use crate::install;
use crate::setup::{self, Needs};
use crate::workspace::{self, Profile};
use crate::{generate, licences, shell, soak, test, tools};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only the steps whose name starts with one of these words
    #[arg(value_name = "STEP")]
    steps: Vec<String>,
}

impl Options {
    fn wants(&self, step: &Step) -> bool {
        self.steps.is_empty() || self.steps.iter().any(|word| step.name.starts_with(word))
    }
}

struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
    /// What to do when the step fails.
    mend: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        name: "format",
        run: format,
        mend: "cargo fmt --all",
    },
    Step {
        name: "typos",
        run: typos,
        mend: "correct the words, or list them in typos.toml with the reason",
    },
    Step {
        name: "licences",
        run: licences::check,
        mend: "choose another dependency, or add to deny.toml with the reason",
    },
    Step {
        name: "clippy",
        run: clippy,
        mend: "cargo clippy --workspace --all-targets",
    },
    Step {
        name: "rustdoc",
        run: rustdoc,
        mend: "cargo doc --workspace --no-deps",
    },
    Step {
        name: "test",
        run: test_all,
        mend: "cargo xtask test",
    },
    Step {
        name: "soak",
        run: soak_a_minute,
        mend: "cargo xtask soak blockfuse --minutes 1",
    },
    Step {
        name: "gen --check",
        run: generated,
        mend: "cargo xtask gen",
    },
    Step {
        name: "manual lint",
        run: manual_lint,
        mend: "mandoc -T lint FILE; the prose is in docs/man",
    },
    Step {
        name: "install, uninstall",
        run: install_round_trip,
        mend: "cargo xtask install --prefix /usr --destdir DIR, twice, and compare",
    },
];

pub(crate) fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    Needs::for_ci().meet()?;
    let mut times = Vec::new();
    for step in STEPS.iter().filter(|step| options.wants(step)) {
        println!("\nci: {} ...", step.name);
        let begun = Instant::now();
        (step.run)().with_context(|| {
            format!(
                "ci: {} failed after {:.1} s; to mend it: {}",
                step.name,
                begun.elapsed().as_secs_f64(),
                step.mend
            )
        })?;
        let seconds = begun.elapsed().as_secs_f64();
        println!("ci: {} ok ({seconds:.1} s)", step.name);
        times.push(format!("{} {seconds:.1}", step.name));
    }
    ensure!(!times.is_empty(), "no step is called that");
    println!(
        "\nci: ok in {:.0} s ({})",
        started.elapsed().as_secs_f64(),
        times.join(" · ")
    );
    Ok(())
}

fn format() -> Result<()> {
    shell::run(workspace::cargo("fmt").args(["--all", "--check"]))
}

fn typos() -> Result<()> {
    shell::run(Command::new(setup::python_tool("typos")?).current_dir(workspace::root()))
}

fn clippy() -> Result<()> {
    let args = [
        "--locked",
        "--workspace",
        "--all-targets",
        "--",
        "--deny",
        "warnings",
    ];
    shell::run(workspace::cargo("clippy").args(args))
}

fn rustdoc() -> Result<()> {
    let mut doc = workspace::cargo("doc");
    doc.args(["--locked", "--workspace", "--no-deps"]);
    shell::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
}

fn test_all() -> Result<()> {
    test::run(&test::Options::default())
}

fn soak_a_minute() -> Result<()> {
    soak::run(&soak::Options {
        tool: "blockfuse".into(),
        minutes: NonZeroU32::MIN,
        profile: Profile::Tested,
    })
}

fn generated() -> Result<()> {
    generate::run(&generate::Options {
        check: true,
        profile: Profile::Tested,
    })
}

fn manual_lint() -> Result<()> {
    let pages: Vec<PathBuf> = tools::ALL
        .iter()
        .flat_map(generate::pages)
        .filter(|page| page.what.starts_with("man"))
        .map(|page| Path::new(generate::DIR).join(page.path))
        .collect();
    let mut mandoc = Command::new("mandoc");
    // Level `warning` leaves out remarks on style, such as a page without a date.
    mandoc.args(["-T", "lint", "-W", "warning"]).args(&pages);
    // mandoc exits with the level of its worst remark, and the report is on stdout.
    let output = mandoc
        .current_dir(workspace::root())
        .output()
        .context("cannot run mandoc")?;
    let report = String::from_utf8_lossy(&output.stdout);
    // The pages name the version instead of a date, which would differ from build to build.
    let report: Vec<_> = report
        .lines()
        .filter(|line| !line.contains("missing date"))
        .collect();
    ensure!(report.is_empty(), "{}", report.join("\n"));
    Ok(())
}

/// Installing twice gives the same tree, and uninstalling leaves nothing.
fn install_round_trip() -> Result<()> {
    let trees = [TempDir::new()?, TempDir::new()?];
    let options = |tree: &TempDir| install::Options {
        prefix: "/usr".into(),
        destdir: Some(tree.path().to_owned()),
        profile: Profile::Tested,
        tools: Vec::new(),
    };
    for tree in &trees {
        install::install(&options(tree))?;
    }
    let [first, second] = [snapshot(trees[0].path())?, snapshot(trees[1].path())?];
    ensure!(!first.is_empty(), "install wrote nothing");
    let differing = first
        .iter()
        .find(|(path, entry)| second.get(*path) != Some(entry));
    ensure!(
        differing.is_none() && first.len() == second.len(),
        "two installations differ in {}",
        differing.map_or("the number of files".into(), |(path, _)| path
            .display()
            .to_string())
    );
    install::uninstall(&options(&trees[0]))?;
    let left = snapshot(trees[0].path())?;
    ensure!(
        left.is_empty(),
        "uninstall left {}",
        left.keys()
            .next()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    );
    Ok(())
}

/// Everything below `top`: directories and files with their modes and contents, link targets.
fn snapshot(top: &Path) -> Result<BTreeMap<PathBuf, (u32, Vec<u8>)>> {
    let mut found = BTreeMap::new();
    let mut queue = vec![top.to_owned()];
    while let Some(dir) = queue.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            let metadata = path.symlink_metadata()?;
            let content = if metadata.is_dir() {
                queue.push(path.clone());
                Vec::new()
            } else if metadata.is_symlink() {
                std::fs::read_link(&path)?
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                std::fs::read(&path)?
            };
            let name = path
                .strip_prefix(top)
                .map_err(|error| anyhow!(error))?
                .to_owned();
            found.insert(name, (metadata.permissions().mode(), content));
        }
    }
    Ok(found)
}
