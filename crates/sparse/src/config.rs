//! The configuration file, and the settings it is merged into.

use crate::cli::{Cli, Command, TargetArgs};
use crate::copy::Reflink;
use crate::device::TargetZero;
use crate::error::Error;
use crate::reader::Direct;
use crate::size::{BlockSize, HoleSize};
use nightshift_common::config::{Resolver, load};
use nightshift_common::output::Out;
use nightshift_common::run::Context;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The tool's name: of its configuration file, and before its messages.
pub const NAME: &str = "sparseimg";

/// Intermediate files may be as large as disks, and /tmp is often memory.
const TMP_DIR: &str = "/var/tmp";

/// `/etc/nightshift/sparseimg.toml`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct FileLayer {
    jobs: Option<Spanned<usize>>,
    hole_size: Option<Spanned<HoleSize>>,
    block_size: Option<Spanned<BlockSize>>,
    direct: Option<Spanned<Direct>>,
    reflink: Option<Spanned<Reflink>>,
    target_zero: Option<Spanned<TargetZero>>,
    tmp_dir: Option<Spanned<PathBuf>>,
}

/// The effective settings.
#[derive(Debug)]
pub struct Settings {
    /// Threads; 0 chooses per command.
    pub jobs: usize,
    /// Zeros are left out in blocks of this size.
    pub hole_size: HoleSize,
    /// Block size of signatures.
    pub block_size: BlockSize,
    /// Reads past the page cache.
    pub direct: Direct,
    /// Sharing of blocks.
    pub reflink: Reflink,
    /// How zeros get onto a device.
    pub target_zero: TargetZero,
    /// Where intermediate files go.
    pub tmp_dir: PathBuf,
}

impl Settings {
    /// Merges flags, file and defaults. `None` if the settings were printed instead.
    pub fn resolve(cli: &Cli, context: &Context) -> Result<Option<Self>, Error> {
        let mut loaded = load::<FileLayer>(NAME, &cli.shared)?;
        let file = std::mem::take(&mut loaded.layer);
        let mut resolver = Resolver::new(context, &loaded);
        let flags = Flags::of(cli);
        let settings = Self {
            jobs: resolver.value("jobs", "jobs", cli.jobs, file.jobs, 0),
            hole_size: resolver.value(
                "hole_size",
                "hole_size",
                flags.hole_size,
                file.hole_size,
                HoleSize::DEFAULT,
            ),
            block_size: resolver.value(
                "block_size",
                "block_size",
                flags.block_size,
                file.block_size,
                BlockSize::Auto,
            ),
            direct: resolver.value("direct", "direct", flags.direct, file.direct, Direct::Auto),
            reflink: resolver.value(
                "reflink",
                "reflink",
                flags.reflink,
                file.reflink,
                Reflink::Never,
            ),
            target_zero: resolver.value(
                "target_zero",
                if flags.assume_zeroed {
                    "assume_zeroed"
                } else {
                    "target_zero"
                },
                flags.target_zero,
                file.target_zero,
                TargetZero::Zeroout,
            ),
            tmp_dir: resolver.value(
                "tmp_dir",
                "tmp_dir",
                flags.tmp_dir,
                file.tmp_dir,
                PathBuf::from(TMP_DIR),
            ),
        };
        if cli.shared.show_config {
            let printed = resolver.print(&mut Out::stdout());
            printed.map_err(Error::io("write", Path::new("-")))?;
            return Ok(None);
        }
        Ok(Some(settings))
    }
}

/// The flags that have a key in the file, wherever they are in the command line.
#[derive(Debug, Default)]
struct Flags {
    hole_size: Option<HoleSize>,
    block_size: Option<BlockSize>,
    direct: Option<Direct>,
    reflink: Option<Reflink>,
    target_zero: Option<TargetZero>,
    assume_zeroed: bool,
    tmp_dir: Option<PathBuf>,
}

impl Flags {
    fn of(cli: &Cli) -> Self {
        let none = Self::default();
        match &cli.command {
            Some(Command::Copy(args)) => Self {
                hole_size: args.hole_size,
                direct: args.direct,
                reflink: args.reflink,
                ..none
            }
            .with_target(args.place),
            Some(Command::Dig(args)) => Self {
                hole_size: args.hole_size,
                ..none
            },
            Some(Command::Map(args)) => Self {
                hole_size: args.hole_size,
                ..none
            },
            Some(Command::Sig(args)) => Self {
                block_size: args.block_size,
                ..none
            },
            Some(Command::Patch(args)) => Self {
                tmp_dir: args.tmp_dir.clone(),
                ..none
            }
            .with_target(args.place),
            Some(Command::Restore(args)) => Self {
                tmp_dir: args.tmp_dir.clone(),
                ..none
            }
            .with_target(args.place),
            Some(Command::Estimate(_) | Command::Verify(_) | Command::Delta(_)) | None => none,
        }
    }

    fn with_target(mut self, place: TargetArgs) -> Self {
        self.assume_zeroed = place.assume_zeroed;
        self.target_zero = if place.assume_zeroed {
            Some(TargetZero::AssumeZeroed)
        } else {
            place.target_zero
        };
        self
    }
}
