//! Block devices as read-only regular files, so that any backup tool can read them.
//!
//! Backup tools copy regular files and skip block devices; LVM snapshots, disks and loop devices
//! are block devices. `blockfuse` mounts a directory of them so that each appears as a regular
//! file of its exact size:
//!
//! ```text
//! # blockfuse mount /dev/mapper /mnt/block-devices
//! # rdiff-backup --include '/mnt/block-devices/*_snap*' --exclude '*' /mnt/block-devices /backup
//! # blockfuse umount /mnt/block-devices
//! ```
//!
//! What it promises:
//!
//! - a device is opened when its file is opened and closed when its file is closed, so an idle
//!   mount never keeps `lvremove` or `losetup -d` waiting;
//! - a device that shrinks, fails or vanishes while it is read gives an I/O error to that reader
//!   for that range, never a short file and never the end of the daemon;
//! - another disk that has taken a name since the last scan is refused, not served.
//!
//! What it refuses to do: it never opens a device for writing, and scanning opens nothing at all.

pub mod changes;
pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod control;
pub mod daemon;
pub mod device;
pub mod engine;
pub mod erofs;
pub mod error;
pub mod extents;
pub mod filesystem;
pub mod inode;
pub mod map;
pub mod mode;
pub mod mount;
pub mod mountinfo;
pub mod mtime;
pub mod names;
pub mod options;
pub mod refresh;
pub mod scan;
pub mod served;
pub mod snapshots;
pub mod status;
mod sys;
pub mod watch;

use std::ffi::OsString;
use std::process::ExitCode;

use nightshift_common::config::{self as layers, Resolver};
use nightshift_common::error::Report;
use nightshift_common::exit::Exit;
use nightshift_common::manual::Manual;
use nightshift_common::output::Out;
use nightshift_common::run::{Context, Tool, run};

use crate::cli::{Cli, Command};
use crate::config::{FileLayer, Settings};
use crate::error::Error;

const TOOL: Tool = Tool {
    name: "blockfuse",
    manual: Manual {
        tool: include_str!("../../../docs/man/blockfuse.8.md"),
        config: Some(include_str!("../../../docs/man/blockfuse.toml.5.md")),
    },
};

/// What mount(8) expects of a helper that failed, whatever the reason.
const MOUNT_FAILURE: u8 = 32;

/// Runs the tool with the arguments of the process, its own name first.
pub fn main(argv: Vec<OsString>) -> ExitCode {
    if !cli::is_helper(argv.first()) {
        let argv = cli::with_command(argv);
        return run(&TOOL, argv, |cli: &Cli| &cli.shared, command);
    }
    let Some(helper) = cli::from_helper(&argv) else {
        use std::io::Write;
        // No log is set up: there are no flags that would say how.
        let _ = writeln!(
            std::io::stderr(),
            "{}: error: expected SOURCE MOUNTPOINT [-sfnv] [-o OPTIONS], as mount(8) calls it",
            cli::HELPER
        );
        return ExitCode::from(MOUNT_FAILURE);
    };
    let fake = helper.fake;
    run(
        &TOOL,
        helper.argv,
        |cli: &Cli| &cli.shared,
        |cli, context| {
            if fake {
                return Ok(Exit::Done);
            }
            command(cli, context).map_err(HelperError)
        },
    )
}

fn command(cli: Cli, context: &Context) -> Result<Exit, Error> {
    let loaded = layers::load::<FileLayer>(TOOL.name, &cli.shared)?;
    let mut resolver = Resolver::new(context, &loaded);
    let show = |resolver: &Resolver<'_>| {
        resolver.print(&mut Out::stdout()).map_err(Error::Output)?;
        Ok(Exit::Done)
    };
    match cli.command {
        Some(Command::Mount(args)) => {
            let settings = Settings::merge(args, &loaded, context, &mut resolver)?;
            if cli.shared.show_config {
                return show(&resolver);
            }
            commands::mount::run(settings)
        }
        Some(Command::List(args)) => {
            let options = config::scan_options(&args.scan, &loaded, context, &mut resolver)?;
            if cli.shared.show_config {
                return show(&resolver);
            }
            commands::list::run(&args, &options)
        }
        Some(Command::Map(args)) => commands::map::run(&args),
        Some(Command::Status(args)) => commands::status::run(&args),
        Some(Command::Refresh(args)) => commands::refresh::run(&args),
        Some(Command::Umount(args)) => commands::umount::run(&args),
        None => show(&resolver),
    }
}

/// An error of a mount(8) helper: the same text, the code that mount(8) expects.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct HelperError(Error);

impl Report for HelperError {
    fn exit(&self) -> Exit {
        Exit::Tool(MOUNT_FAILURE)
    }

    fn hint(&self) -> Option<String> {
        self.0.hint()
    }
}
