//! The command line: types only.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the comments are help texts, where brackets belong to the command line"
)]

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{ArgMatches, Args, CommandFactory, Parser, Subcommand};
use nightshift_common::flags::SharedFlags;

use crate::engine::Choice;
use crate::extents::Holes;
use crate::map::Format;
use crate::mode::Mode;
use crate::mtime::Policy;

/// The name under which mount(8) finds us.
pub const HELPER: &str = "mount.fuse.blockfuse";

/// Mount a directory of block devices as read-only regular files
///
/// Each block device in a directory such as /dev/mapper appears as a regular file of its exact
/// size, so that backup tools which read regular files can read it. Two bare arguments mean
/// `mount`.
#[derive(Debug, Parser)]
#[command(
    name = "blockfuse",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Common to all tools.
    #[command(flatten)]
    pub shared: SharedFlags,

    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Mount a directory of devices (the default command)
    ///
    /// Returns when the mount answers; the daemon goes on in the background. Without SOURCE_DIR
    /// the source is that of the configuration's [[mounts]] entry with this mount point.
    Mount(MountArgs),

    /// Show what would be exported, and why the rest would not
    ///
    /// Opens no device unless --probe asks for it.
    List(ListArgs),

    /// Print where a device holds data and where it is surely zero
    ///
    /// Known of loop devices over sparse files and of thin volumes; any other device is all data.
    /// With --against, exits with 1 when the device changed.
    Map(MapArgs),

    /// Show what a mount serves: open files, engines, errors
    ///
    /// Exits with 1 when something needs attention: a read error, an overflown snapshot, a device
    /// that is gone.
    Status(AskArgs),

    /// Look at the source again, renew modification times, forget cached content
    ///
    /// Returns when it is done, and prints what came (+), went (-) and changed (~). SIGHUP to the
    /// daemon does the same. Exits with 4 when some entries could not be examined.
    Refresh(AskArgs),

    /// Unmount, and wait until the daemon has ended
    ///
    /// Works as well when the daemon has been killed.
    Umount(UmountArgs),
}

/// Arguments of `mount`.
#[derive(Debug, Args)]
#[command(override_usage = "blockfuse [mount] [OPTIONS] [SOURCE_DIR] MOUNTPOINT")]
pub struct MountArgs {
    /// The directory of devices, then the directory to mount on
    #[arg(value_names = ["SOURCE_DIR", "MOUNTPOINT"], num_args = 1..=2, required = true)]
    pub paths: Vec<PathBuf>,

    /// Stay in the foreground
    ///
    /// For service managers: readiness is told through sd_notify, messages go to stderr.
    #[arg(short, long)]
    pub foreground: bool,

    /// Mount options as mount(8) and fstab give them, separated by commas
    ///
    /// Each setting below may be given as NAME=VALUE with underscores for dashes (mtime=refresh,
    /// allow_other); a comma in a value is written \,. Options of mount(8) without meaning here
    /// (ro, noauto, _netdev, x-...) are accepted. May be repeated; a flag beats it.
    #[arg(short = 'o', long = "options", value_name = "OPTS")]
    pub options: Vec<OsString>,

    /// How the bytes reach their readers
    ///
    /// auto (the default): at the first open of each file the kernel engine is tried, which reads
    /// at the speed of the device, and where it does not work the copy engine is used; `status`
    /// says why. kernel: the copy engine is never used, and what the kernel engine cannot serve
    /// cannot be opened. copy: the kernel engine is not tried.
    #[arg(long, value_enum, value_name = "ENGINE", env = "BLOCKFUSE_ENGINE")]
    pub engine: Option<Choice>,

    /// Threads that answer requests, 1 to 64 [default: 2]
    ///
    /// More than one, so that a disk that hangs does not hold up the others.
    #[arg(long, value_name = "N", env = "BLOCKFUSE_THREADS",
        value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: Option<u16>,

    /// How far the kernel reads ahead, in KiB [default: 1024]
    ///
    /// Also the size of the requests that a sequential reader causes. 0 turns reading ahead off.
    #[arg(long, value_name = "KIB", env = "BLOCKFUSE_READAHEAD")]
    pub readahead: Option<u32>,

    /// Which modification time files show: mount, refresh, changed, now, or seconds since 1970
    ///
    /// mount (the default): the time of the mount; a refresh renews all. refresh: the same, but a
    /// refresh renews only those whose device changed. changed: a file keeps its time over
    /// unmounting too, until its device changes or the machine is rebooted. now: the time of asking, standing still
    /// while the file is open.
    #[arg(long, value_name = "POLICY", env = "BLOCKFUSE_MTIME")]
    pub mtime: Option<Policy>,

    /// Where --mtime changed remembers the times it gave
    ///
    /// By default a file below /var/lib/nightshift/blockfuse, one for each pair of source and
    /// mount point. If it is missing or damaged, every device counts as changed.
    #[arg(long, value_name = "FILE", env = "BLOCKFUSE_STATE")]
    pub state: Option<PathBuf>,

    /// Whether to tell programs that ask where a file is surely zero [default: auto]
    ///
    /// auto: where the layers below the device know it, which are the sparse file under a loop
    /// device and the mapping of a read-only thin volume. off: every file is all data.
    #[arg(long, value_enum, value_name = "WHEN", env = "BLOCKFUSE_HOLES")]
    pub holes: Option<Holes>,

    /// Refresh by itself when devices or names come, go or change their size
    ///
    /// A quarter of a second after the last of a series of events, and every two seconds if the
    /// series does not end.
    #[arg(long)]
    pub watch: bool,

    /// What to export.
    #[command(flatten)]
    pub scan: ScanArgs,

    /// Owner of the files [default: who mounts]
    #[arg(long, value_name = "UID")]
    pub uid: Option<u32>,

    /// Group of the files [default: who mounts]
    #[arg(long, value_name = "GID")]
    pub gid: Option<u32>,

    /// Permission bits of the files, in octal [default: 0400]
    ///
    /// Only read bits are allowed. Directories get the search bit where the read bit is.
    #[arg(long, value_name = "MODE")]
    pub mode: Option<Mode>,

    /// Let other users than the mounting one in, as far as owner and mode allow
    #[arg(long)]
    pub allow_other: bool,

    /// Write the daemon's process id here; removed when it ends
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
}

/// Which entries of the source are exported.
#[derive(Clone, Debug, Default, Args)]
pub struct ScanArgs {
    /// Export names that match this glob
    ///
    /// May be repeated and mixed with --exclude; the last glob that matches a name decides. A
    /// name that none matches is exported unless there is an --include. Globs are compared with
    /// bytes; one without a slash with the last part of the path.
    #[arg(long, value_name = "GLOB")]
    pub include: Vec<String>,

    /// Leave out names that match this glob
    #[arg(long, value_name = "GLOB")]
    pub exclude: Vec<String>,

    /// Leave out the devices that LVM makes for itself
    ///
    /// Copy-on-write stores, hidden origins, parts of pools; told by the suffix of their uuid.
    #[arg(long)]
    pub hide_internal: bool,

    /// Descend into directories
    ///
    /// For trees such as /dev/disk. Links to directories are not followed.
    #[arg(long)]
    pub recursive: bool,

    /// Export regular files too
    #[arg(long)]
    pub include_files: bool,
}

/// Arguments of `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The directory of devices
    #[arg(value_name = "SOURCE_DIR")]
    pub source: PathBuf,

    /// What to export.
    #[command(flatten)]
    pub scan: ScanArgs,

    /// Print a JSON array
    #[arg(long)]
    pub json: bool,

    /// Open each device, to see whether it can be read
    ///
    /// This may load a medium or wake a disk.
    #[arg(long)]
    pub probe: bool,
}

/// Arguments of `map`.
#[derive(Debug, Args)]
pub struct MapArgs {
    /// The device
    #[arg(value_name = "DEVICE")]
    pub device: PathBuf,

    /// How to print it [default: text]
    ///
    /// text: a table. json: an object with version, size and extents. borg: lines of start,
    /// length and one of the words data, zero and same, as `borg create --map` reads them.
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value_t,
        hide_default_value = true
    )]
    pub format: Format,

    /// Compare with the state file of a mount with --mtime changed
    ///
    /// A device that provably did not change since that file was written is one range with the
    /// word same. Anything else is printed in full.
    #[arg(long, value_name = "STATE")]
    pub against: Option<PathBuf>,
}

/// Arguments of `status` and `refresh`.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// Where it is mounted
    #[arg(value_name = "MOUNTPOINT")]
    pub mountpoint: PathBuf,

    /// Print a JSON object
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `umount`.
#[derive(Debug, Args)]
pub struct UmountArgs {
    /// Where it is mounted
    #[arg(value_name = "MOUNTPOINT")]
    pub mountpoint: PathBuf,

    /// Detach at once, also when files are open; they can be read until they are closed
    #[arg(long)]
    pub lazy: bool,
}

/// The include and exclude globs in the order in which they stand on the command line: true means
/// include.
pub fn ordered_globs(matches: &ArgMatches) -> Vec<(bool, String)> {
    let Some((_, matches)) = matches.subcommand() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for (id, include) in [("include", true), ("exclude", false)] {
        if let (Some(indices), Some(globs)) =
            (matches.indices_of(id), matches.get_many::<String>(id))
        {
            found.extend(
                indices
                    .zip(globs)
                    .map(|(index, glob)| (index, include, glob.clone())),
            );
        }
    }
    found.sort_unstable_by_key(|(index, ..)| *index);
    found
        .into_iter()
        .map(|(_, include, glob)| (include, glob))
        .collect()
}

/// Puts `mount` in front of a command line that names no command.
///
/// The first word that is neither an option nor an option's value decides; a directory that is
/// called like a command is written with a slash.
pub fn with_command(mut argv: Vec<OsString>) -> Vec<OsString> {
    let command = Cli::command();
    let mount = command.find_subcommand("mount");
    let mut words = argv.iter().skip(1);
    let mut means_mount = false;
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or("a name that is no text is a path");
        if text == "--" || !text.starts_with('-') || text == "-" {
            means_mount = command.find_subcommand(text).is_none();
            break;
        }
        let takes_value = |matches: &dyn Fn(&clap::Arg) -> bool| {
            let shared = command.get_arguments();
            let own = mount.into_iter().flat_map(clap::Command::get_arguments);
            shared
                .chain(own)
                .any(|arg| matches(arg) && arg.get_action().takes_values())
        };
        let value_follows = match text.strip_prefix("--") {
            Some(long) => !long.contains('=') && takes_value(&|arg| arg.get_long() == Some(long)),
            // Of letters in one word only the last can have its value in the next word.
            None => text
                .chars()
                .last()
                .is_some_and(|short| takes_value(&|arg| arg.get_short() == Some(short))),
        };
        if value_follows {
            words.next();
        }
    }
    if means_mount {
        argv.insert(1, OsString::from("mount"));
    }
    argv
}

/// What mount(8) gives to a helper: `SOURCE MOUNTPOINT [-sfnv] [-N NAMESPACE] [-t TYPE] [-o OPTS]`.
#[derive(Debug, PartialEq, Eq)]
pub struct HelperArgs {
    /// As an ordinary command line.
    pub argv: Vec<OsString>,
    /// `-f`: everything but the mount itself.
    pub fake: bool,
}

/// Turns a helper's arguments into a command line; nothing if they are not such arguments.
pub fn from_helper(argv: &[OsString]) -> Option<HelperArgs> {
    let mut plain: Vec<OsString> = ["blockfuse", "mount"].map(OsString::from).to_vec();
    let mut fake = false;
    let mut paths = Vec::new();
    let mut words = argv.iter().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("-o") => plain.extend([OsString::from("-o"), words.next()?.clone()]),
            // The name space is entered by mount(8) itself; the type is known.
            Some("-N" | "-t") => {
                words.next()?;
            }
            Some(flags) if flags.starts_with('-') && flags.len() > 1 => {
                for flag in flags.chars().skip(1) {
                    match flag {
                        'f' => fake = true,
                        'v' => plain.push("-v".into()),
                        's' | 'n' => {}
                        _ => return None,
                    }
                }
            }
            _ => paths.push(word.clone()),
        }
    }
    plain.push("--".into());
    plain.extend(paths);
    Some(HelperArgs { argv: plain, fake })
}

/// Whether the program was called by mount(8).
pub fn is_helper(name: Option<&OsString>) -> bool {
    let name = name
        .map(std::path::Path::new)
        .and_then(std::path::Path::file_name);
    name == Some(OsStr::new(HELPER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_definition_is_sound_and_every_argument_has_help() {
        let command = Cli::command();
        command.clone().debug_assert();
        for sub in command.get_subcommands() {
            for arg in sub.get_arguments() {
                assert!(
                    arg.get_help().is_some(),
                    "{} {}",
                    sub.get_name(),
                    arg.get_id()
                );
                if arg.get_action().takes_values() {
                    assert!(arg.get_value_names().is_some(), "{}", arg.get_id());
                }
            }
        }
    }

    #[test]
    fn two_bare_arguments_mean_mount() {
        for (given, expected) in [
            (
                "blockfuse /dev/mapper /mnt",
                "blockfuse mount /dev/mapper /mnt",
            ),
            (
                "blockfuse -o ro /dev/mapper /mnt",
                "blockfuse mount -o ro /dev/mapper /mnt",
            ),
            (
                "blockfuse --mtime now -f list /mnt",
                "blockfuse --mtime now -f list /mnt",
            ),
            (
                "blockfuse -fo list ./list /mnt",
                "blockfuse mount -fo list ./list /mnt",
            ),
            (
                "blockfuse --mtime=now /a /b",
                "blockfuse mount --mtime=now /a /b",
            ),
            ("blockfuse -v list /dev", "blockfuse -v list /dev"),
            (
                "blockfuse --config list status /mnt",
                "blockfuse --config list status /mnt",
            ),
            ("blockfuse --help", "blockfuse --help"),
            ("blockfuse --generate man", "blockfuse --generate man"),
            ("blockfuse", "blockfuse"),
            ("blockfuse -- list /mnt", "blockfuse mount -- list /mnt"),
        ] {
            assert_eq!(with_command(words(given)), words(expected), "{given}");
        }
    }

    #[test]
    fn globs_keep_their_order() {
        let line = "blockfuse mount --exclude a --include b --exclude c --include d /s /m";
        let matches = Cli::command().try_get_matches_from(words(line)).unwrap();
        let expected = [(false, "a"), (true, "b"), (false, "c"), (true, "d")];
        assert_eq!(
            ordered_globs(&matches),
            expected.map(|(i, glob)| (i, glob.to_owned()))
        );
    }

    #[test]
    fn mount_helpers_arguments_become_ours() {
        let given = words("mount.fuse.blockfuse /dev/mapper /mnt -sv -o rw,mtime=now -t fuse");
        let expected = HelperArgs {
            argv: words("blockfuse mount -v -o rw,mtime=now -- /dev/mapper /mnt"),
            fake: false,
        };
        assert_eq!(from_helper(&given), Some(expected));
        assert!(
            from_helper(&words("mount.fuse.blockfuse /a /b -f"))
                .unwrap()
                .fake
        );
        assert_eq!(from_helper(&words("mount.fuse.blockfuse /a /b -x")), None);
        assert_eq!(from_helper(&words("mount.fuse.blockfuse /a /b -o")), None);
    }

    #[test]
    fn the_helper_is_known_by_its_name() {
        assert!(is_helper(Some(&"/sbin/mount.fuse.blockfuse".into())));
        assert!(!is_helper(Some(&"blockfuse".into())));
        assert!(!is_helper(None));
    }
}
