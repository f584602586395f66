//! A distcc and ccache farm for small devices that cannot silently build for the wrong machine.
//!
//! Put together from stock packages, a farm can hand an ARM device x86-64 objects with exit
//! status 0, and ccache keeps them. This crate speaks distcc's own protocol to every node,
//! compiles a real source with each compiler name the device uses, and reads the object:
//!
//! ```text
//! $ ccfarm doctor --farm farm.toml
//! n1  gcc  wrong-target      ELF64 x86-64, wanted ELF32 arm
//!     hint: call arm-linux-gnueabi-gcc instead of gcc, as the device kit's wrappers do
//! ```
//!
//! It promises a verdict for every node and name within the farm's time limits, whatever a node
//! does; it never starts, stops or reloads a service, and nothing but shell scripts and
//! configuration goes to the device.
//!
//! Read in this order: [`farm`] (what the owner declares), [`proto`] and [`probe`] (one job to one
//! node), [`elf`] (facts in an object), [`verdict`] (what they mean), [`doctor`] (all nodes at
//! once), [`mod@reference`] (what the device's own compiler produces); then [`kit`] and [`node`] (the
//! files of the farm), [`plan`] (writing and undoing them), [`toolroot`], [`mod@bench`], [`status`].

pub mod bench;
pub mod cli;
pub mod doctor;
pub mod elf;
pub mod error;
pub mod farm;
pub mod kit;
pub mod node;
pub mod plan;
pub mod probe;
pub mod proto;
pub mod reference;
pub mod shell;
pub mod source;
pub mod status;
pub mod toolroot;
pub mod tree;
pub mod verdict;

mod commands;

use std::ffi::OsString;
use std::process::ExitCode;

use nightshift_common::manual::Manual;
use nightshift_common::run::{Tool, run};

use cli::Cli;

/// The tool's name: its binary, its messages, its files.
pub const NAME: &str = "ccfarm";

const TOOL: Tool = Tool {
    name: NAME,
    manual: Manual {
        tool: include_str!("../../../docs/man/ccfarm.8.md"),
        config: Some(include_str!("../../../docs/man/ccfarm.toml.5.md")),
    },
};

/// Runs the tool from its arguments to its exit code.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    run(
        &TOOL,
        argv,
        |cli: &Cli| &cli.shared,
        |cli, _| commands::run(cli),
    )
}
