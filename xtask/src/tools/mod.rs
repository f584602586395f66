//! The table of tools. A new tool is one file here and one line in [`ALL`].

mod blockfuse;
mod ccfarm;
mod certwatch;
mod pppmon;
mod sparse;
mod ups_invoices;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::bench::Report;
use crate::demo::Demo;

/// Every tool, in alphabetical order.
pub(crate) const ALL: &[Tool] = &[
    blockfuse::TOOL,
    ccfarm::TOOL,
    certwatch::TOOL,
    pppmon::TOOL,
    sparse::TOOL,
    ups_invoices::TOOL,
];

/// What xtask must know about a tool.
#[derive(Debug)]
pub(crate) struct Tool {
    /// The cargo package; on the command line of xtask it names the tool.
    pub package: &'static str,
    /// The file name of the binary.
    pub binary: &'static str,
    /// Where the binary is installed.
    pub door: Door,
    /// Further names of the binary in sbin, such as `mount.fuse.blockfuse`.
    pub links: &'static [&'static str],
    /// Whether there is a page in section 5 for its configuration file.
    pub config_manual: bool,
    /// Files below `crates/PACKAGE/dist/` that are installed along.
    pub extras: &'static [Extra],
    /// Debian packages.
    pub debian: Debian,
    /// Pinned Python packages that tests, demo and bench use from the private environment.
    pub python: &'static [&'static str],
    /// The same for its measurements alone.
    pub bench_python: &'static [&'static str],
    /// Programs of the workspace that its demo and measurements run beside it.
    pub helpers: &'static [Helper],
    /// The tool's part of `cargo xtask demo`.
    pub demo: Option<fn(&Demo) -> Result<()>>,
    /// The tool's measurements.
    pub bench: Option<fn(&mut Report) -> Result<()>>,
    /// The tool's long random test: the directory of its release binary, minutes.
    pub soak: Option<fn(&Path, u32) -> Result<()>>,
    /// Whether tests of its crate need the test machine.
    pub vm_tests: bool,
    /// Among how many machines they are dealt out, if there are processors for them.
    pub vm_machines: u8,
    /// How many run at a time in one machine. It has one processor: more than one pays off where
    /// tests mostly wait and share neither interfaces nor devices.
    pub vm_threads: u8,
    /// Names of the fuzz targets in `crates/PACKAGE/fuzz`.
    pub fuzz: &'static [&'static str],
}

impl Tool {
    /// A tool without anything special; the entries override fields by struct update.
    pub(crate) const fn named(package: &'static str) -> Self {
        Self {
            package,
            binary: package,
            door: Door::Bin,
            links: &[],
            config_manual: true,
            extras: &[],
            debian: Debian {
                test: &[],
                demo: &[],
                bench: &[],
            },
            python: &[],
            bench_python: &[],
            helpers: &[],
            demo: None,
            bench: None,
            soak: None,
            vm_tests: false,
            vm_machines: 1,
            vm_threads: 1,
            fuzz: &[],
        }
    }
}

/// Debian packages that a tool's development commands need, beyond a minimal Debian with Rust.
#[derive(Debug)]
pub(crate) struct Debian {
    /// For its tests.
    pub test: &'static [&'static str],
    /// For its part of the demo.
    pub demo: &'static [&'static str],
    /// For its measurements: the programs it is compared with.
    pub bench: &'static [&'static str],
}

/// A program that is built along with a tool, in its profile, and never installed: a server to
/// look at, say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Helper {
    /// An example of the tool's own package.
    Example(&'static str),
    /// The binary of a package of the same name.
    Package(&'static str),
}

impl Helper {
    /// Where it lies in the directory of built binaries.
    pub(crate) fn path(self, dir: &Path) -> PathBuf {
        match self {
            Self::Example(name) => dir.join("examples").join(name),
            Self::Package(name) => dir.join(name),
        }
    }
}

/// Which directory a binary is installed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// For everybody.
    Bin,
    /// For root.
    Sbin,
}

/// A file that is installed beside the binary, and never into /etc: enabling is the
/// administrator's act.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "which kinds occur is the tools' affair")]
pub(crate) enum Extra {
    /// A systemd unit, to lib/systemd/system.
    Unit(&'static str),
    /// An example to copy and change (configuration, cron, fstab), to
    /// share/doc/nightshift/PACKAGE.
    Example(&'static str),
}

/// The tools named on a command line; all of them when none is named.
pub(crate) fn select(names: &[String]) -> Result<Vec<&'static Tool>> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    names.iter().map(|name| find(name)).collect()
}

/// The tool of this package or binary name.
pub(crate) fn find(name: &str) -> Result<&'static Tool> {
    let Some(tool) = ALL
        .iter()
        .find(|tool| tool.package == name || tool.binary == name)
    else {
        let known: Vec<_> = ALL.iter().map(|tool| tool.package).collect();
        bail!("there is no tool `{name}`; known: {}", known.join(", "));
    };
    Ok(tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_found_by_either_name_and_a_typo_lists_all() {
        assert_eq!(find("blockfuse").unwrap().binary, "blockfuse");
        let error = find("blokfuse").unwrap_err().to_string();
        assert!(error.contains("known: blockfuse"), "{error}");
        assert_eq!(select(&[]).unwrap().len(), ALL.len());
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(ALL.is_sorted_by_key(|tool| tool.package));
    }
}
