//! `cargo xtask soak`: a tool's long random test.

use std::num::NonZeroU32;

use anyhow::{Result, ensure};

use crate::setup::Needs;
use crate::tools;
use crate::workspace::{self, Profile};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The tool
    pub tool: String,
    /// How long
    #[arg(long, value_name = "N", default_value = "60")]
    pub minutes: NonZeroU32,
    /// How it is built
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tool = tools::find(&options.tool)?;
    let Some(soak) = tool.soak else {
        let having: Vec<_> = tools::ALL
            .iter()
            .filter(|tool| tool.soak.is_some())
            .map(|tool| tool.package)
            .collect();
        ensure!(!having.is_empty(), "no tool has a soak test");
        anyhow::bail!(
            "{} has no soak test; these have: {}",
            tool.package,
            having.join(", ")
        );
    };
    Needs::for_tests(&[tool], None).meet()?;
    let dir = workspace::build(&[tool], options.profile)?;
    soak(&dir, options.minutes.get())?;
    println!("soak: ok");
    Ok(())
}
