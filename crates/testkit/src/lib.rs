//! Test support for the nightshift workspace: a dev-dependency of the tools, and what `xtask`
//! builds its demos from. Never a normal dependency of a tool.
//!
//! Tests run the real binary against the real kernel. What they create there (loop devices,
//! mounts, network namespaces, daemons) belongs to a guard that removes it when it goes out of
//! scope, after a failed assertion too.
//!
//! ```no_run
//! use nightshift_testkit::{Cmd, LoopDevice, Sandbox, has};
//!
//! let sandbox = Sandbox::new();
//! let device = LoopDevice::of_size(1 << 20);
//! sandbox.symlink(device.path(), "disk");
//! Cmd::new("/usr/sbin/blockfuse") // in a test: env!("CARGO_BIN_EXE_blockfuse")
//!     .arg("list")
//!     .arg(sandbox.path())
//!     .run()
//!     .assert(0, has("disk"), "");
//! ```
//!
//! Every assertion names the caller's line and shows exit code, stdout and stderr at once.
//! A test that lacks something (root, a command) fails and says what to install: see [`needs`].
#![expect(
    clippy::missing_panics_doc,
    reason = "failing loudly is what a test kit is for: nearly every function panics"
)]

mod cmd;
mod corpus;
mod emulated;
mod lan;
mod loopdev;
mod mount;
pub mod needs;
mod netns;
mod noise;
mod output;
mod postgres;
mod running;
mod sandbox;
mod wait;

pub use cmd::Cmd;
pub use corpus::run_corpus;
pub use emulated::EmulatedArm;
pub use lan::Lan;
pub use loopdev::{LoopDevice, LoopOptions};
pub use mount::MountGuard;
pub use netns::NetNs;
pub use noise::noise;
pub use output::{Ending, Output, Pattern, any, has, has_all, killed_by};
pub use postgres::PostgresServer;
pub use running::Running;
pub use rustix::process::Signal;
pub use sandbox::Sandbox;
pub use wait::{wait_for, wait_value};
