//! Where things are in the workspace, and how cargo is called.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::shell;
use crate::tools::{Helper, Tool};

/// The top of the workspace.
pub(crate) fn root() -> &'static Path {
    // Baked in when xtask is compiled, which cargo does again in every checkout.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
}

/// What `cargo metadata` says about the workspace and its dependencies on this platform.
pub(crate) fn metadata() -> Result<&'static Value> {
    static METADATA: OnceLock<Value> = OnceLock::new();
    if let Some(metadata) = METADATA.get() {
        return Ok(metadata);
    }
    let text = shell::capture(cargo("metadata").args([
        "--format-version",
        "1",
        "--locked",
        "--filter-platform",
        "host-tuple",
    ]))?;
    let value = serde_json::from_str(&text).context("cargo metadata printed no JSON")?;
    Ok(METADATA.get_or_init(|| value))
}

/// Cargo's target directory, wherever the user placed it.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let dir = metadata()?["target_directory"]
        .as_str()
        .context("metadata without a target")?;
    Ok(dir.into())
}

/// `cargo SUBCOMMAND` in the workspace's root.
pub(crate) fn cargo(subcommand: &str) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.arg(subcommand).current_dir(root());
    command
}

/// How binaries are built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Profile {
    /// Quick to compile.
    Dev,
    /// What `cargo xtask test` has just built. A plain build would leave out the features that
    /// tests ask their dependencies for, and compile half the tree again without them.
    #[value(skip)]
    Tested,
    /// Optimised; what is installed and measured.
    #[default]
    Release,
}

impl Profile {
    /// The name of the profile's directory below the target directory.
    fn dir(self) -> &'static str {
        match self {
            Self::Dev | Self::Tested => "debug",
            Self::Release => "release",
        }
    }
}

/// Builds the binaries of `tools` and returns the directory that holds them.
pub(crate) fn build(tools: &[&Tool], profile: Profile) -> Result<PathBuf> {
    let dir = target_dir()?.join(profile.dir());
    if tools.is_empty() {
        return Ok(dir); // without a package cargo would build everything
    }
    if profile == Profile::Tested {
        // The programs are built along, because the integration tests run them.
        let args = ["--locked", "--workspace", "--no-run", "--quiet"];
        shell::run(cargo("test").args(args))?;
        return Ok(dir);
    }
    let mut cargo = cargo("build");
    cargo.args(["--locked", "--bins"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    for tool in tools {
        cargo.args(["--package", tool.package]);
    }
    shell::run(&mut cargo)?;
    Ok(dir)
}

/// Builds the helpers of `tools` and their binaries, and returns the directory that holds them.
/// One call of cargo: in two the same dependencies might be built twice, with different features.
pub(crate) fn build_with_helpers(tools: &[&Tool], profile: Profile) -> Result<PathBuf> {
    let mut cargo = cargo("build");
    cargo.args(["--locked", "--bins"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    for tool in tools {
        cargo.args(["--package", tool.package]);
        for helper in tool.helpers {
            match helper {
                Helper::Example(name) => cargo.args(["--example", name]),
                Helper::Package(name) => cargo.args(["--package", name]),
            };
        }
    }
    shell::run(&mut cargo)?;
    Ok(target_dir()?.join(profile.dir()))
}

/// The files under version control that match git's `patterns`, relative to the root; new files
/// that are not ignored count too.
#[cfg(test)]
pub(crate) fn files(patterns: &[&str]) -> Vec<PathBuf> {
    let mut git = Command::new("git");
    git.current_dir(root()).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let text = shell::capture(git.arg("--").args(patterns)).expect("git lists the files");
    text.split_terminator('\0')
        .map(PathBuf::from)
        .filter(|path| root().join(path).exists())
        .collect()
}
