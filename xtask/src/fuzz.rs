//! `cargo xtask fuzz`: the fuzz targets of the tools, one after the other.
//!
//! They need a nightly compiler and cargo-fuzz, which this command does not install. Their
//! corpora run as ordinary tests, on any compiler.

use std::num::NonZeroU32;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tools;
use crate::{shell, workspace};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these tools
    #[arg(value_name = "TOOL")]
    tools: Vec<String>,
    /// How long each target runs
    #[arg(long, value_name = "N", default_value = "60")]
    seconds: NonZeroU32,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tools = tools::select(&options.tools)?;
    ensure!(
        tools.iter().any(|tool| !tool.fuzz.is_empty()),
        "none of these tools has fuzz targets"
    );
    shell::capture(Command::new("cargo").args(["+nightly", "fuzz", "--version"]))
        .context("fuzzing needs a nightly toolchain and `cargo +nightly install cargo-fuzz`")?;
    for tool in tools {
        for target in tool.fuzz {
            println!("fuzz: {} {target} for {} s", tool.package, options.seconds);
            // What is found goes to the first directory, and must not fill the one under
            // version control.
            let fresh = workspace::target_dir()?
                .join("fuzz")
                .join(tool.package)
                .join(target);
            std::fs::create_dir_all(&fresh)?;
            let mut cargo = Command::new("cargo");
            cargo.current_dir(workspace::root().join("crates").join(tool.package));
            cargo.args(["+nightly", "fuzz", "run", target]);
            cargo.arg(fresh).arg(format!("fuzz/corpus/{target}"));
            cargo.arg("--");
            shell::run(cargo.arg(format!("-max_total_time={}", options.seconds)))?;
        }
    }
    println!("fuzz: ok");
    Ok(())
}
