//! What every nightshift tool needs and no tool owns.
//!
//! A tool's `main` is one call of [`run::run`], which parses the command line, sets up the log,
//! runs the tool's body, reports its error once and returns the suite's exit code. The other
//! modules are the shared behaviour that users notice: the same flags, configuration errors,
//! exit codes, sizes and durations everywhere, and state files that survive a power cut.
//!
//! It must stay light: no HTTP, TLS, FUSE or async runtime may enter here, because a backup
//! helper should not compile one.
//!
//! ```
//! use clap::Parser;
//! use nightshift_common::exit::Exit;
//! use nightshift_common::flags::SharedFlags;
//! use nightshift_common::manual::Manual;
//! use nightshift_common::run::{Tool, run};
//!
//! #[derive(Debug, Parser)]
//! struct Cli {
//!     #[command(flatten)]
//!     shared: SharedFlags,
//! }
//!
//! # #[derive(Debug, thiserror::Error)] #[error("failed")] struct Error;
//! # impl nightshift_common::error::Report for Error { fn exit(&self) -> Exit { Exit::Failed } }
//! const TOOL: Tool = Tool { name: "example", manual: Manual { tool: "", config: None } };
//!
//! let argv = ["example", "-v"].map(Into::into);
//! let code = run(&TOOL, argv, |cli: &Cli| &cli.shared, |_, _| Ok::<_, Error>(Exit::Done));
//! ```

pub mod atomic;
pub mod config;
pub mod error;
pub mod escape;
pub mod exit;
pub mod flags;
pub mod human;
pub mod lock;
pub mod logging;
pub mod manual;
pub mod notice;
pub mod output;
pub mod run;
pub mod secret;
pub mod signals;
pub mod systemd;
