//! `cargo xtask bench`: the numbers that the documentation quotes, beside those of the programs
//! that people use today. Prints Markdown, ready for docs/benchmarks.md.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nightshift_testkit::Sandbox;

use crate::setup::{self, Needs};
use crate::shell;
use crate::tools;
use crate::workspace::{self, Profile};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these tools
    #[arg(value_name = "TOOL")]
    tools: Vec<String>,
}

/// Collects a tool's tables while it is measured.
#[derive(Debug)]
pub(crate) struct Report {
    machine: String,
    binary: PathBuf,
    sandbox: Sandbox,
    peers: Vec<String>,
    tables: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tools: Vec<_> = tools::select(&options.tools)?
        .into_iter()
        .filter(|tool| tool.bench.is_some())
        .collect();
    ensure!(!tools.is_empty(), "none of these tools has measurements");
    ensure!(
        setup::is_root(),
        "bench: caches are dropped and devices made: run it as root"
    );
    Needs::for_bench(&tools).meet()?;
    let dir = workspace::build(&tools, Profile::Release)?;
    for tool in tools {
        let Some(bench) = tool.bench else { continue };
        let mut report = Report::new(dir.join(tool.binary))?;
        let measured = bench(&mut report).with_context(|| format!("bench: {}", tool.package));
        // Minutes of measuring are not lost to a failure or an interruption in the last table.
        println!("## {}\n\n{}", tool.package, report.markdown());
        measured?;
    }
    Ok(())
}

impl Report {
    fn new(binary: PathBuf) -> Result<Self> {
        Ok(Self {
            machine: machine()?,
            binary,
            sandbox: Sandbox::new(),
            peers: Vec::new(),
            tables: String::new(),
        })
    }

    /// The tool's release binary.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// A directory that goes when the measurement ends.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Names a program that is compared with, such as `rdiff (librsync 2.3.2)`.
    pub(crate) fn peer(&mut self, version: impl Into<String>) {
        self.peers.push(version.into());
    }

    /// Adds a table with a sentence that says what was done.
    pub(crate) fn table(&mut self, caption: &str, head: &[&str], rows: &[Vec<String>]) {
        self.tables.push_str(&table(caption, head, rows));
    }

    fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.machine);
        if !self.peers.is_empty() {
            let _ = writeln!(text, "Compared with: {}.", self.peers.join("; "));
        }
        text.push_str(&self.tables);
        text
    }
}

fn table(caption: &str, head: &[&str], rows: &[Vec<String>]) -> String {
    let mut text = format!(
        "\n{caption}\n\n| {} |\n|---{}|\n",
        head.join(" | "),
        "|--:".repeat(head.len().saturating_sub(1))
    );
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

/// Date, processor, memory and kernel, in one sentence.
fn machine() -> Result<String> {
    let date = shell::capture(Command::new("date").args(["--utc", "+%Y-%m-%d"]))?;
    let kernel = shell::capture(Command::new("uname").args(["--kernel-release"]))?;
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = field(&cpu, "model name").unwrap_or("unknown processor");
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kib: u64 = field(&memory, "MemTotal")
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .context("/proc/meminfo without MemTotal")?;
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "Measured {} on {cores} cores ({model}), {} GiB of memory, Linux {}.",
        date.trim(),
        (kib + (1 << 19)) >> 20,
        kernel.trim()
    ))
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_markdown() {
        let mut report = Report::new("/bin/true".into()).unwrap();
        report.peer("cp (coreutils) 9.1");
        report.table(
            "Copying.",
            &["variant", "s"],
            &[vec!["cp".into(), "1.5".into()]],
        );
        let text = report.markdown();
        assert!(text.starts_with("Measured 20"), "{text}");
        assert!(
            text.contains("Compared with: cp (coreutils) 9.1."),
            "{text}"
        );
        assert!(
            text.ends_with("Copying.\n\n| variant | s |\n|---|--:|\n| cp | 1.5 |\n"),
            "{text}"
        );
    }
}
