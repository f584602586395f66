//! pppmon: multilink PPP that outlives its lines. Everything happens in the test machine.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Debian, Door, Extra, Tool};
use crate::bench::Report;
use crate::demo::{Demo, note};
use crate::{shell, vm, workspace};

const PACKAGES: &[&str] = &[
    "gcc",
    "iproute2",
    "kmod",
    "libc6-dev",
    "ppp",
    "pppoe",
    "systemd",
    "tdb-tools",
];
const MACHINE: &[&str] = &[
    "busybox-static",
    "gcc",
    "iproute2",
    "kmod",
    "libc6-dev",
    "ppp",
    "user-mode-linux",
];

pub(super) const TOOL: Tool = Tool {
    door: Door::Sbin,
    extras: &[
        Extra::Unit("pppmon.service"),
        Extra::Example("pppmon.toml.example"),
    ],
    debian: Debian {
        test: PACKAGES,
        demo: MACHINE,
        bench: MACHINE,
    },
    demo: Some(demo),
    bench: Some(bench),
    vm_tests: true,
    vm_machines: 2,
    vm_threads: 2,
    ..Tool::named("pppmon")
};

/// Two hosts, two lines; all are pulled out and plugged in again under a TCP stream.
fn demo(demo: &Demo) -> Result<()> {
    let program = demo.step("build the scenario", || compile("test", "it"))?;
    let output = demo.step("pull all lines of a bundle and plug them in", || {
        let test = "vm::demo::a_bundle_loses_all_its_lines_and_gets_them_back";
        in_machine(&program, &["--ignored", "--exact", "--nocapture", test])
    })?;
    let story = output
        .lines()
        .filter(|line| !line.starts_with("test result") && !line.starts_with("running"));
    note(&story.collect::<Vec<_>>().join("\n"));
    Ok(())
}

/// How long packets stop, beside the ways people run pppd without a supervisor.
fn bench(report: &mut Report) -> Result<()> {
    const ROUNDS: &str = "5";
    report.peer(shell::version("pppd", "--version")?);
    let program = compile("bench", "comparison")?;
    let output = in_machine(&program, &[ROUNDS])?;
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let (respawn, scenarios): (Vec<_>, Vec<_>) = output
        .lines()
        .filter(|line| line.contains(" | "))
        .partition(|line| line.starts_with("respawn | "));
    let rows: Vec<_> = scenarios.into_iter().map(cells).collect();
    let respawn: Vec<_> = respawn
        .into_iter()
        .map(|line| cells(line)[1..].to_vec())
        .collect();
    ensure!(
        !rows.is_empty() && !respawn.is_empty(),
        "no table in:\n{output}"
    );
    report.table(
        "Two hosts in the test machine, two lines (three where one of three is pulled), echo 1 s \
         x 2, a UDP probe every 10 ms, a TCP stream; medians of 5 runs of `Keeper`, of 3 of \
         `Hook`, one run of `Persist` and `Loop`. `Keeper`: pppmon; `Persist`: pppd with persist; \
         `Loop`: a shell loop; `Hook`: the loop with an ip-up script that adds the route.",
        &[
            "scenario",
            "leaf / hub",
            "longest gap s",
            "usable s after restore",
            "same interface",
            "nothing deleted",
            "TCP alive",
        ],
        &rows,
    );
    report.table(
        "First respawn of a lost link, in the same machine; 5 links, a small static program as \
         pppd. From its last step to the first of its successor, and how long a process of its \
         kind takes to start another: median (least to greatest).",
        &["respawn ms", "start of a process ms"],
        &respawn,
    );
    Ok(())
}

/// Compiles a program of the crate that is no door for users: its scenarios (`test`, without
/// optimisation) or its measurements (`bench`, with), and pppmon itself the same way.
fn compile(command: &str, target: &str) -> Result<PathBuf> {
    let mut cargo = workspace::cargo(command);
    cargo
        .args(["--locked", "--package", "pppmon"])
        .args([&format!("--{command}"), target, "--no-run", "--quiet"])
        .args(["--message-format", "json-render-diagnostics"])
        .stdout(Stdio::piped());
    let output = cargo
        .spawn()
        .context("cannot run cargo")?
        .wait_with_output()?;
    ensure!(output.status.success(), "{target} does not compile");
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).context("cargo's message is no JSON")?;
        if message["target"]["name"] == target
            && let Some(path) = message["executable"].as_str()
        {
            return Ok(path.into());
        }
    }
    bail!("cargo names no program {target}")
}

/// Runs a program in the test machine and returns what it prints.
fn in_machine(program: &Path, arguments: &[&str]) -> Result<String> {
    let options = vm::Options {
        timeout: Duration::from_hours(2),
        ..vm::Options::new(workspace::target_dir()?.join("vm"))
    };
    let args: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let outcome = vm::run(program, &args, &options)?;
    let output = String::from_utf8_lossy(&outcome.output).into_owned();
    ensure!(
        outcome.status == 0,
        "{} failed:\n{output}",
        program.display()
    );
    Ok(output)
}
