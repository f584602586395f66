//! `cargo xtask test`: every test of the workspace, each where it can run.
//!
//! The console blocks of the documentation run too: see [`mod@sessions`].
//!
//! Ordinary tests run by `cargo test`. A test that needs more is `#[ignore]`d and lies in a
//! module that says what it needs: `privileged` (root, on this kernel), `vm` (a kernel of its
//! own), `hardware` (the same on an emulated computer, which only `--vm=qemu` starts) or `emulated`
//! (an emulated ARM machine, which takes minutes and runs only when `--farm` asks for it). An
//! ignored test anywhere else is an error, so that nothing is left out in silence.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::setup::{self, Needs};
use crate::tools::{self, Tool};
use crate::{sessions, shell, vm, workspace};

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    part: Choice,
    /// Only the tests of these tools (or of `nightshift-common`, `nightshift-testkit`, `xtask`)
    #[arg(short, long, value_name = "TOOL")]
    package: Vec<String>,
    /// One test at a time, for finding out which ones disturb each other
    #[arg(long)]
    serial: bool,
    /// Only tests whose path contains this text
    filter: Option<String>,
}

/// At most one of them.
#[derive(Debug, Default, clap::Args)]
#[group(multiple = false)]
struct Choice {
    /// Only the tests that need root
    #[arg(long)]
    privileged: bool,
    /// Only the tests that need the test machine; on qemu also those that need its hardware
    #[arg(
        long,
        value_name = "KERNEL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "uml"
    )]
    vm: Option<vm::Backend>,
    /// Only the tests that an ordinary user can run
    #[arg(long)]
    no_privileged: bool,
    /// Only the tests that build on an emulated ARM machine; its first use installs Debian there
    #[arg(long)]
    farm: bool,
}

/// How often a test on emulated hardware may restart the computer.
const RESTARTS: u32 = 4;
/// For a program's tests on an emulated computer, where computing takes twenty times as long.
const EMULATED: Duration = Duration::from_hours(1);

/// Where a test can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Ordinary,
    Privileged,
    Vm,
    Hardware,
    Emulated,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let parts = options.parts();
    let tools = options.tools()?;
    let machine = parts.contains(&Part::Vm) && tools.iter().any(|tool| tool.vm_tests);
    let backend = options.part.vm.unwrap_or_default();
    let mut needs = Needs::for_tests(&tools, machine.then_some(backend));
    if parts.contains(&Part::Emulated) {
        // The measurements run on the same machine.
        needs = needs.union(Needs::for_bench(&tools));
    }
    needs.meet()?;

    let binaries = build(options)?;
    let mut summary = Summary::default();
    if parts.contains(&Part::Ordinary) {
        summary.add(Part::Ordinary, None, || ordinary(options))?;
    }
    for (part, run) in [
        (
            Part::Privileged,
            privileged as fn(&Binary, &Options) -> Result<()>,
        ),
        (Part::Vm, in_machine),
        (Part::Hardware, on_hardware),
        (Part::Emulated, privileged),
    ] {
        for binary in &binaries {
            let mut binary = binary.clone();
            binary
                .ignored
                .retain(|test| category(test) == Some(part) && options.wants(test));
            let count = binary.ignored.len();
            if count == 0 {
                continue;
            }
            if parts.contains(&part) {
                summary.add(part, Some(count), || run(&binary, options))?;
            } else {
                summary.leave_out(part, count);
            }
        }
    }
    // The pages belong to no package.
    if options.package.is_empty() {
        sessions(options, &parts, &mut summary)?;
    }
    summary.finish(options)
}

fn sessions(options: &Options, parts: &[Part], summary: &mut Summary) -> Result<()> {
    let sessions = sessions::collect()?;
    let bin = sessions::tools()?;
    for session in sessions
        .iter()
        .filter(|session| options.wants(&session.place))
    {
        let part = if session.root {
            Part::Privileged
        } else {
            Part::Ordinary
        };
        if parts.contains(&part) {
            summary.add(part, session.root.then_some(1), || {
                sessions::run(session, &bin)
            })?;
        } else if session.root {
            summary.leave_out(part, 1);
        }
    }
    Ok(())
}

impl Options {
    fn parts(&self) -> Vec<Part> {
        if self.part.farm {
            return vec![Part::Emulated];
        }
        match (self.part.privileged, self.part.vm, self.part.no_privileged) {
            (true, ..) => vec![Part::Privileged],
            (_, Some(vm::Backend::Qemu), _) => vec![Part::Vm, Part::Hardware],
            (_, Some(vm::Backend::Uml), _) => vec![Part::Vm],
            (.., true) => vec![Part::Ordinary],
            _ if setup::is_root() => vec![Part::Ordinary, Part::Privileged, Part::Vm],
            _ => vec![Part::Ordinary],
        }
    }

    /// The tools whose packages must be there. The workspace's own crates need none.
    fn tools(&self) -> Result<Vec<&'static Tool>> {
        let is_own = |name: &&String| {
            matches!(
                name.as_str(),
                "nightshift-common" | "nightshift-testkit" | "xtask"
            )
        };
        if self.package.is_empty() {
            return tools::select(&[]);
        }
        self.package
            .iter()
            .filter(|name| !is_own(name))
            .map(|name| tools::find(name))
            .collect()
    }

    fn wants(&self, test: &str) -> bool {
        self.filter
            .as_deref()
            .is_none_or(|filter| test.contains(filter))
    }

    /// `cargo test` for the chosen packages.
    fn cargo(&self) -> Command {
        let mut cargo = workspace::cargo("test");
        cargo.args(["--locked", "--no-fail-fast"]);
        if self.package.is_empty() {
            cargo.arg("--workspace");
        }
        for name in &self.package {
            // The user may have given the name of the binary.
            cargo.args([
                "--package",
                tools::find(name).map_or(name, |tool| tool.package),
            ]);
        }
        cargo
    }
}

/// A compiled test program and its ignored tests.
#[derive(Clone, Debug)]
struct Binary {
    path: PathBuf,
    /// The directory cargo would run it in.
    package_dir: PathBuf,
    ignored: BTreeSet<String>,
}

impl Binary {
    fn package(&self) -> String {
        let name = self.package_dir.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// Compiles all test programs and lists what they hold.
fn build(options: &Options) -> Result<Vec<Binary>> {
    let mut cargo = options.cargo();
    cargo.args(["--no-run", "--message-format", "json-render-diagnostics"]);
    cargo.stdout(Stdio::piped());
    let child = cargo.spawn().context("cannot run cargo")?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "the tests do not compile");
    let mut binaries = Vec::new();
    let mut strays = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).context("cargo's message is no JSON")?;
        let (Some(path), Some(manifest), Some(true)) = (
            message["executable"].as_str(),
            message["manifest_path"].as_str(),
            message["profile"]["test"].as_bool(),
        ) else {
            continue;
        };
        let package_dir = Path::new(manifest)
            .parent()
            .unwrap_or(Path::new("/"))
            .to_owned();
        let ignored = ignored_tests(Path::new(path))?;
        strays.extend(
            ignored
                .iter()
                .filter(|test| category(test).is_none())
                .cloned(),
        );
        binaries.push(Binary {
            path: path.into(),
            package_dir,
            ignored,
        });
    }
    ensure!(
        strays.is_empty(),
        "ignored tests must lie in a module `privileged`, `vm`, `hardware` or `emulated`; these do not: {}",
        strays.join(", ")
    );
    Ok(binaries)
}

fn ignored_tests(binary: &Path) -> Result<BTreeSet<String>> {
    let args = ["--list", "--ignored", "--format", "terse"];
    let list = shell::capture(Command::new(binary).args(args))?;
    Ok(list
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .map(str::to_owned)
        .collect())
}

/// Which part an ignored test belongs to, by the modules in its path.
fn category(test: &str) -> Option<Part> {
    let modules: Vec<_> = test.split("::").collect();
    let mut parts = [
        ("privileged", Part::Privileged),
        ("vm", Part::Vm),
        ("hardware", Part::Hardware),
        ("emulated", Part::Emulated),
    ]
    .into_iter()
    .filter(|(module, _)| modules.contains(module));
    // In two at once is as wrong as in none.
    match (parts.next(), parts.next()) {
        (Some((_, part)), None) => Some(part),
        _ => None,
    }
}

fn ordinary(options: &Options) -> Result<()> {
    let mut cargo = options.cargo();
    cargo
        .args(&options.filter)
        .arg("--")
        .args(options.serial.then_some("--test-threads=1"));
    shell::run(&mut cargo)
}

fn privileged(binary: &Binary, options: &Options) -> Result<()> {
    ensure!(
        setup::is_root(),
        "the privileged tests need root: run `sudo -E cargo xtask test`"
    );
    println!(
        "     Running privileged tests of {}",
        binary.package_dir.display()
    );
    let mut command = Command::new(&binary.path);
    command
        .args(harness_args(binary, options.serial.then_some(1)))
        .current_dir(&binary.package_dir)
        .env("CARGO_MANIFEST_DIR", &binary.package_dir);
    shell::run(&mut command)
}

fn in_machine(binary: &Binary, options: &Options) -> Result<()> {
    println!(
        "     Running tests of {} in the test machine",
        binary.package()
    );
    let mut machine = vm::Options {
        current_dir: Some(binary.package_dir.clone()),
        live: true,
        backend: options.part.vm.unwrap_or_default(),
        env: settings(&binary.package()),
        ..vm::Options::new(workspace::target_dir()?.join("vm"))
    };
    if machine.backend == vm::Backend::Qemu {
        machine.timeout = EMULATED;
    }
    let (machines, threads) = match tools::find(&binary.package()) {
        // Two emulated processors keep two of the host's busy.
        _ if machine.backend == vm::Backend::Qemu => (1, 1),
        Ok(tool) if !options.serial => (tool.vm_machines, tool.vm_threads),
        _ => (1, 1),
    };
    let processors = std::thread::available_parallelism()?.get();
    let shares = deal(binary, usize::from(machines).min(processors));
    let results: Vec<Result<()>> = std::thread::scope(|scope| {
        let running: Vec<_> = shares
            .iter()
            .map(|share| scope.spawn(|| in_one_machine(share, threads, &machine)))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<()>>| {
            thread.join().unwrap_or_else(|_| bail!("a thread panicked"))
        };
        running.into_iter().map(join).collect()
    });
    results.into_iter().collect()
}

/// Variables that are a crate's own, such as `PPPMON_KILL_SECONDS`: they choose longer forms of its
/// tests. Nothing else of the environment reaches a machine.
fn settings(package: &str) -> Vec<(OsString, OsString)> {
    let prefix = format!("{}_", package.to_uppercase().replace('-', "_"));
    std::env::vars_os()
        .filter(|(name, _)| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        .collect()
}

fn in_one_machine(binary: &Binary, threads: u8, machine: &vm::Options) -> Result<()> {
    let outcome = vm::run(&binary.path, &harness_args(binary, Some(threads)), machine)?;
    ensure!(
        outcome.status == 0,
        "exit status {} in the test machine",
        outcome.status
    );
    Ok(())
}

/// Each test has an emulated computer of its own, which it may restart.
fn on_hardware(binary: &Binary, _options: &Options) -> Result<()> {
    for test in &binary.ignored {
        println!("     Running {test} of {}", binary.package());
        let machine = vm::Options {
            backend: vm::Backend::Qemu,
            restarts: RESTARTS,
            current_dir: Some(binary.package_dir.clone()),
            live: true,
            ..vm::Options::new(workspace::target_dir()?.join("vm"))
        };
        let one = Binary {
            ignored: [test.clone()].into(),
            ..binary.clone()
        };
        in_one_machine(&one, 1, &machine)?;
    }
    Ok(())
}

/// Deals a program's tests out like cards: neighbours by name are often alike in cost.
fn deal(binary: &Binary, hands: usize) -> Vec<Binary> {
    let mut shares: Vec<Binary> = (0..hands.max(1))
        .map(|_| Binary {
            ignored: BTreeSet::new(),
            ..binary.clone()
        })
        .collect();
    for (n, test) in binary.ignored.iter().enumerate() {
        let hand = n % shares.len();
        shares[hand].ignored.insert(test.clone());
    }
    shares.retain(|share| !share.ignored.is_empty());
    shares
}

/// Arguments for the test program that run exactly its ignored tests.
fn harness_args(binary: &Binary, threads: Option<u8>) -> Vec<OsString> {
    let mut args: Vec<OsString> = vec!["--ignored".into(), "--exact".into()];
    args.extend(threads.map(|threads| format!("--test-threads={threads}").into()));
    args.extend(binary.ignored.iter().map(OsString::from));
    args
}

/// What ran and what did not; printed last, on one line.
#[derive(Debug, Default)]
struct Summary {
    ran: Vec<(Part, Option<usize>, f64)>,
    left_out: Vec<(Part, usize)>,
    failures: Vec<String>,
}

impl Summary {
    fn add(
        &mut self,
        part: Part,
        count: Option<usize>,
        run: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let started = Instant::now();
        // A failure does not keep the other parts from running, an interruption does.
        if let Err(error) = run() {
            crate::interrupt::check()?;
            self.failures.push(format!("{error:#}"));
        }
        self.ran
            .push((part, count, started.elapsed().as_secs_f64()));
        Ok(())
    }

    fn leave_out(&mut self, part: Part, count: usize) {
        self.left_out.push((part, count));
    }

    fn finish(&self, options: &Options) -> Result<()> {
        let line = self.line();
        if self.ran.is_empty() {
            let kind = if options.part.vm.is_some() {
                "the test machine"
            } else {
                "root"
            };
            ensure!(
                options.filter.is_some(),
                "no test of these packages needs {kind}"
            );
            println!("test: nothing matched; {line}");
        } else {
            println!("test: {line}");
        }
        if !self.failures.is_empty() {
            bail!("{}", self.failures.join("; "));
        }
        Ok(())
    }

    fn line(&self) -> String {
        let mut words = Vec::new();
        for (part, name) in [
            (Part::Ordinary, "ordinary tests"),
            (Part::Privileged, "as root"),
            (Part::Vm, "in the test machine"),
            (Part::Hardware, "on emulated hardware"),
            (Part::Emulated, "on the emulated machine"),
        ] {
            let ran: Vec<_> = self.ran.iter().filter(|entry| entry.0 == part).collect();
            let seconds: f64 = ran.iter().map(|entry| entry.2).sum();
            let count: usize = ran.iter().filter_map(|entry| entry.1).sum();
            let missed: usize = self
                .left_out
                .iter()
                .filter(|entry| entry.0 == part)
                .map(|entry| entry.1)
                .sum();
            if part == Part::Ordinary {
                let what = if ran.is_empty() {
                    "not run".into()
                } else {
                    format!("ran in {seconds:.0} s")
                };
                words.push(format!("{name} {what}"));
            } else if count > 0 {
                words.push(format!("{count} {name} ran in {seconds:.0} s"));
            } else if missed > 0 {
                words.push(format!("{missed} {name} NOT run"));
            }
        }
        words.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_decides_where_a_test_runs() {
        assert_eq!(category("privileged::mounts::a"), Some(Part::Privileged));
        assert_eq!(category("lvm::vm::a"), Some(Part::Vm));
        assert_eq!(category("emulated::a"), Some(Part::Emulated));
        assert_eq!(category("unprivileged::a"), None);
        assert_eq!(category("vm::privileged::a"), None);
    }

    #[test]
    fn every_test_is_dealt_once() {
        let binary = Binary {
            path: PathBuf::new(),
            package_dir: PathBuf::new(),
            ignored: ["a", "b", "c"].map(str::to_owned).into(),
        };
        let dealt = |hands| -> Vec<Vec<String>> {
            deal(&binary, hands)
                .into_iter()
                .map(|share| share.ignored.into_iter().collect())
                .collect()
        };
        assert_eq!(dealt(2), [vec!["a", "c"], vec!["b"]]);
        assert_eq!(dealt(1), [["a", "b", "c"]]);
        assert_eq!(dealt(7).len(), 3, "no machine without a test");
    }

    #[test]
    fn the_summary_counts_what_ran_and_what_did_not() {
        let mut summary = Summary::default();
        summary.add(Part::Ordinary, None, || Ok(())).unwrap();
        summary.leave_out(Part::Privileged, 3);
        summary.leave_out(Part::Privileged, 4);
        assert_eq!(
            summary.line(),
            "ordinary tests ran in 0 s, 7 as root NOT run"
        );
        assert!(summary.finish(&Options::default()).is_ok());
    }

    #[test]
    fn a_failure_is_kept_until_everything_ran() {
        let mut summary = Summary::default();
        summary
            .add(Part::Privileged, Some(2), || bail!("broken"))
            .unwrap();
        summary.add(Part::Vm, Some(1), || Ok(())).unwrap();
        let error = summary.finish(&Options::default()).unwrap_err();
        assert_eq!(error.to_string(), "broken");
    }
}
