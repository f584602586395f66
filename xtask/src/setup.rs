//! `cargo xtask setup`: installs what the machine lacks, and says so before it does.
//!
//! The other commands call it for their own needs; when nothing is missing that takes
//! milliseconds and prints nothing.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tools::{self, Tool};
use crate::{shell, vm, workspace};

/// The spelling checker of `cargo xtask ci`, pinned so that a new word list breaks nobody.
const TYPOS: &str = "typos==1.52.0";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only what these tools need
    #[arg(value_name = "TOOL")]
    tools: Vec<String>,
}

/// What something needs from the machine.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    debian: BTreeSet<&'static str>,
    python: BTreeSet<&'static str>,
}

impl Needs {
    pub(crate) fn for_tests(tools: &[&'static Tool], machine: Option<vm::Backend>) -> Self {
        let mut needs = Self::default();
        for tool in tools {
            needs.debian.extend(tool.debian.test);
            needs.python.extend(tool.python);
        }
        if let Some(machine) = machine {
            needs.debian.extend(machine.packages());
        }
        needs.with_shared()
    }

    pub(crate) fn for_demo(tools: &[&'static Tool]) -> Self {
        let mut needs = Self::default();
        for tool in tools {
            needs.debian.extend(tool.debian.demo);
            needs.python.extend(tool.python);
        }
        needs.with_shared()
    }

    pub(crate) fn for_bench(tools: &[&'static Tool]) -> Self {
        let mut needs = Self::default();
        for tool in tools {
            needs.debian.extend(tool.debian.bench);
            needs.python.extend(tool.python);
            needs.python.extend(tool.bench_python);
        }
        needs.with_shared()
    }

    pub(crate) fn for_ci() -> Self {
        let mut needs = Self::default();
        needs.debian.insert("mandoc");
        needs.python.insert(TYPOS);
        needs.with_shared()
    }

    pub(crate) fn union(mut self, other: Self) -> Self {
        self.debian.extend(other.debian);
        self.python.extend(other.python);
        self
    }

    /// What the guards of the test kit and the Python environment themselves need.
    fn with_shared(mut self) -> Self {
        self.debian.extend(["iproute2", "mount"]);
        if !self.python.is_empty() {
            self.debian.insert("python3-venv");
        }
        self
    }

    /// Installs what is missing.
    pub(crate) fn meet(&self) -> Result<()> {
        let missing = missing_packages(&self.debian)?;
        if !missing.is_empty() {
            install_packages(&missing)?;
        }
        if !self.python.is_empty() {
            Environment::open()?.add(&self.python)?;
        }
        Ok(())
    }
}

/// Packages are missing and only root may install them; xtask then exits with 2.
#[derive(Debug)]
pub(crate) struct NeedsRoot {
    missing: Vec<&'static str>,
}

impl fmt::Display for NeedsRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Debian packages are missing; run as root:\n\
             \n    apt-get update\n    apt-get install --no-install-recommends {}\n",
            self.missing.join(" ")
        )
    }
}

impl std::error::Error for NeedsRoot {}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tools = tools::select(&options.tools)?;
    let machine = tools.iter().any(|tool| tool.vm_tests);
    Needs::for_tests(&tools, machine.then(vm::Backend::default))
        .union(Needs::for_demo(&tools))
        .union(Needs::for_bench(&tools))
        .union(Needs::for_ci())
        .meet()?;
    println!("setup: everything is there");
    Ok(())
}

/// Whether this process may install packages, make loop devices, mount and so on.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The path of a program of the private Python environment.
pub(crate) fn python_tool(name: &str) -> Result<PathBuf> {
    Ok(Environment::path()?.join("bin").join(name))
}

fn missing_packages(wanted: &BTreeSet<&'static str>) -> Result<Vec<&'static str>> {
    // dpkg-query fails when one package is unknown, but lists the known ones all the same.
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status} ${Package}\n"])
        .args(wanted)
        .output()
        .context("cannot run dpkg-query; xtask sets up Debian machines only")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let installed: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("installed "))
        .collect();
    Ok(wanted
        .iter()
        .copied()
        .filter(|package| !installed.contains(package))
        .collect())
}

fn install_packages(missing: &[&'static str]) -> Result<()> {
    if !is_root() {
        return Err(NeedsRoot {
            missing: missing.to_vec(),
        }
        .into());
    }
    println!("setup: installing {}", missing.join(" "));
    if !has_package_lists() {
        shell::run(&mut apt_update())?;
    }
    // Old lists name files that the mirror has deleted since; then new lists help.
    if shell::run(&mut apt_install(missing)).is_err() {
        shell::run(&mut apt_update())?;
        shell::run(&mut apt_install(missing))?;
    }
    Ok(())
}

fn apt_update() -> Command {
    let mut command = Command::new("apt-get");
    command.args(["-q", "update"]);
    command
}

fn apt_install(packages: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["-q", "install", "--yes", "--no-install-recommends"])
        // Another installation may be under way: wait for it instead of failing.
        .args(["-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn has_package_lists() -> bool {
    let Ok(entries) = std::fs::read_dir("/var/lib/apt/lists") else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
}

/// The private Python environment `venv/` in the target directory.
struct Environment {
    dir: PathBuf,
}

impl Environment {
    fn path() -> Result<PathBuf> {
        Ok(workspace::target_dir()?.join("venv"))
    }

    fn open() -> Result<Self> {
        Ok(Self { dir: Self::path()? })
    }

    /// Installs the `wanted` requirements (`name==version`) that are not there yet.
    fn add(&self, wanted: &BTreeSet<&str>) -> Result<()> {
        let missing: Vec<_> = wanted
            .iter()
            .copied()
            .filter(|requirement| !self.has(requirement))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        println!(
            "setup: installing {} into {}",
            missing.join(" "),
            self.dir.display()
        );
        if !self.dir.join("bin/pip").exists() {
            // Debian's own interpreter, whatever `python3` means to the user.
            shell::run(
                Command::new("/usr/bin/python3")
                    .args(["-m", "venv"])
                    .arg(&self.dir),
            )?;
        }
        let pip = [
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ];
        shell::run(
            Command::new(self.dir.join("bin/pip"))
                .args(pip)
                .args(&missing),
        )?;
        for requirement in missing {
            ensure!(self.has(requirement), "pip did not install {requirement}");
        }
        Ok(())
    }

    /// Looks for the package's metadata directory: asking pip takes a second.
    fn has(&self, requirement: &str) -> bool {
        let wanted = metadata_dir(requirement);
        let Ok(versions) = std::fs::read_dir(self.dir.join("lib")) else {
            return false;
        };
        versions
            .flatten()
            .any(|python| python.path().join("site-packages").join(&wanted).is_dir())
    }
}

/// The directory that pip makes for a pinned requirement: `rdiff-backup==2.2.7` becomes
/// `rdiff_backup-2.2.7.dist-info`.
fn metadata_dir(requirement: &str) -> PathBuf {
    let (name, version) = requirement.split_once("==").unwrap_or((requirement, ""));
    let name = name.to_lowercase().replace(['-', '.'], "_");
    Path::new(&format!("{name}-{version}.dist-info")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_packages_are_told_from_installed_ones() {
        let wanted = BTreeSet::from(["dpkg", "no-such-package-at-all"]);
        assert_eq!(
            missing_packages(&wanted).unwrap(),
            ["no-such-package-at-all"]
        );
    }

    #[test]
    fn an_ordinary_user_gets_the_commands_to_run() {
        let text = NeedsRoot {
            missing: vec!["mandoc", "nbdkit"],
        }
        .to_string();
        assert!(text.contains("apt-get update"), "{text}");
        assert!(text.contains("recommends mandoc nbdkit\n"), "{text}");
    }

    #[test]
    fn every_python_requirement_is_pinned() {
        for requirement in tools::ALL
            .iter()
            .flat_map(|tool| tool.python.iter().chain(tool.bench_python))
            .chain(&[TYPOS])
        {
            assert!(requirement.contains("=="), "{requirement}");
        }
        assert_eq!(
            metadata_dir("rdiff-backup==2.2.7"),
            Path::new("rdiff_backup-2.2.7.dist-info")
        );
    }
}
