//! The command line. Nothing here runs.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nightshift_common::flags::SharedFlags;
use nightshift_common::human::Span;

/// A distcc and ccache farm that cannot silently build for the wrong machine
///
/// The farm is declared once, in a TOML file. `doctor` proves by compiling that each node gives
/// the device the objects its own gcc would have given; `render` and `apply` make every file of
/// the farm; nothing of ccfarm itself is needed on the device or the nodes.
#[derive(Debug, Parser)]
#[command(name = "ccfarm", version, arg_required_else_help = true)]
pub struct Cli {
    /// Flags of the whole suite.
    #[command(flatten)]
    pub shared: SharedFlags,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a commented farm file
    ///
    /// An existing file is never overwritten. The file is valid as it is written, with one node.
    Init {
        /// Where to write it; without it, /etc/nightshift/ccfarm.toml
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },

    /// Prove by compiling that every node fits the device
    ///
    /// Sends real jobs to all nodes in parallel, for each compiler name of the farm, and reads the
    /// objects that come back: machine, float ABI, architecture, compiler version and, with
    /// --reference, every byte of the code. Exit status 0: every verdict is ok; 1: at least one is
    /// not; 2: farm or reference file wrong, nothing was sent; 3: no node could be reached.
    Doctor(Doctor),

    /// Examine one node, with or without a farm file
    ///
    /// Without --farm and --reference nothing is expected: the facts are reported and any object
    /// is ok.
    Probe(Probe),

    /// Record what the device's own compiler produces
    ///
    /// Runs a POSIX shell script on the device, which compiles the two probe sources in a
    /// temporary directory and sends the objects back. The device needs sh and gcc only.
    Reference(Reference),

    /// Show what apply would change
    ///
    /// One line per file, and the lines that differ. Exit status 1: something would change.
    Plan(Plan),

    /// Write every file of the farm into a directory
    ///
    /// nodes/NAME/ holds the files of each node as they lie below its root, device-kit.tar the
    /// device's: `tar -C / -xf device-kit.tar`. Existing files are replaced.
    Render(Render),

    /// Write the device kit, or one node's files, below a root directory
    ///
    /// Files are replaced by rename, and what was there is kept for --undo. A second run changes
    /// nothing. No service is started or reloaded; the commands for that are printed.
    Apply(Apply),

    /// Make the root directory of a sandboxed node
    #[command(subcommand, arg_required_else_help = true)]
    Toolroot(Toolroot),

    /// Measure every node, suggest slots and make's -j
    ///
    /// Compiles the identity source, one node after the other, at each number of jobs at a time.
    /// Only real objects count. Exit status 3: no node answered; 4: some did not.
    Bench(Bench),

    /// Show what every node is doing
    ///
    /// Reads distccd's statistics from the nodes that have a stats_port. Exit status 3: no node
    /// answered; 4: some did not.
    Status(Status),

    /// Print the environment of a build, for a shell to evaluate
    ///
    /// The same as the device kit's env.sh: PATH with the wrappers in front, ccache's
    /// configuration, distcc's hosts.
    Env(Env),

    /// Run one command in the environment of a build
    ///
    /// The exit status is the command's own, signals included.
    Run(Run),
}

/// What to do with a tool root.
#[derive(Debug, Subcommand)]
pub enum Toolroot {
    /// Collect distccd, one compiler and what they load into a tar archive
    ///
    /// Libraries are found by reading ELF headers; no program is run to list them. Exit status
    /// 1: a shell or another interpreter would have got in, so nothing was written.
    Build(ToolrootBuild),
}

/// Arguments of `toolroot build`.
#[derive(Debug, Args)]
pub struct ToolrootBuild {
    /// The cross compiler: a name in PATH or a path
    #[arg(long, value_name = "TRIPLE-gcc")]
    pub cc: String,

    /// Take the C++ compiler too
    ///
    /// Its name is that of --cc with g++ for gcc. Adds about 30 MB.
    #[arg(long)]
    pub cxx: bool,

    /// Archive to write; an existing one is replaced
    #[arg(short, long, value_name = "FILE.tar")]
    pub output: PathBuf,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// The farm.
    #[command(flatten)]
    pub farm: FarmArg,

    /// Numbers of jobs at a time to measure
    ///
    /// Each from 1 to 512, in the order given.
    #[arg(
        long,
        value_name = "N,N,...",
        value_delimiter = ',',
        default_value = "1,2,4,8",
        value_parser = clap::value_parser!(u32).range(1..=512)
    )]
    pub jobs: Vec<u32>,

    /// The device's own work per job: make, distcc and the preprocessor
    ///
    /// With it the advice says how many slots keep one core of the device busy. The guide shows
    /// how to measure it.
    #[arg(long, value_name = "TIME")]
    pub device_time: Option<Span>,

    /// Write the suggested slots into the farm file
    ///
    /// Every other byte of the file stays as it is. Nodes that did not answer keep their slots.
    #[arg(long)]
    pub write: bool,

    /// Print one JSON document on standard output
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// The farm.
    #[command(flatten)]
    pub farm: FarmArg,

    /// Show it again every two seconds until interrupted
    #[arg(long, conflicts_with_all = ["prometheus", "json"])]
    pub watch: bool,

    /// Write Prometheus' text format instead: to a file for the textfile collector, or - for
    /// standard output
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub prometheus: Option<PathBuf>,

    /// Print one JSON document on standard output
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `env`.
#[derive(Debug, Args)]
pub struct Env {
    /// The farm.
    #[command(flatten)]
    pub farm: FarmArg,

    /// Syntax to print
    #[arg(long, value_name = "SHELL", value_enum, default_value_t = Shell::Sh)]
    pub shell: Shell,
}

/// A shell's syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// sh, dash, bash, zsh.
    Sh,
    /// fish.
    Fish,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// The farm.
    #[command(flatten)]
    pub farm: FarmArg,

    /// The command and its arguments, after --
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub command: Vec<OsString>,
}

/// Which files.
#[derive(Debug, Args)]
pub struct Files {
    /// The farm.
    #[command(flatten)]
    pub farm: FarmArg,

    /// The record of the device's compiler; its digest becomes part of the cache's namespace
    #[arg(long, value_name = "FILE")]
    pub reference: Option<PathBuf>,
}

/// Where files go.
#[derive(Debug, Args)]
pub struct Place {
    /// The files of this node instead of the device kit
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,

    /// Root directory of the machine, such as a mounted card
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub root: PathBuf,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// Which files.
    #[command(flatten)]
    pub files: Files,

    /// Where they go.
    #[command(flatten)]
    pub place: Place,
}

/// Arguments of `render`.
#[derive(Debug, Args)]
pub struct Render {
    /// Which files.
    #[command(flatten)]
    pub files: Files,

    /// Directory to write into; made if it is missing
    #[arg(short, long, value_name = "DIR")]
    pub output: PathBuf,
}

/// Arguments of `apply`.
#[derive(Debug, Args)]
pub struct Apply {
    /// Which files.
    #[command(flatten)]
    pub files: Files,

    /// Where they go.
    #[command(flatten)]
    pub place: Place,

    /// Restore what was there before
    ///
    /// A file that somebody has changed since is left alone and reported; the exit status is
    /// then 4.
    #[arg(long)]
    pub undo: bool,

    /// Show what would be done and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Which farm file.
#[derive(Debug, Clone, Default, Args)]
pub struct FarmArg {
    /// The farm file
    ///
    /// Without it the value of --config, then /etc/nightshift/ccfarm.toml. CCFARM_FARM set to the
    /// empty string is an error.
    #[arg(long, value_name = "FILE", env = "CCFARM_FARM")]
    pub farm: Option<PathBuf>,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The farm.
    #[command(flatten)]
    pub farm: FarmArg,

    /// How the answer is judged and printed.
    #[command(flatten)]
    pub judging: Judging,
}

/// Arguments of `probe`.
#[derive(Debug, Args)]
pub struct Probe {
    /// The node: a host name or address; port 3632 unless given; IPv6 with a port in brackets
    #[arg(value_name = "HOST[:PORT]")]
    pub node: String,

    /// A compiler name to send; may be repeated
    ///
    /// Without it the names of the farm file, or gcc where there is none.
    #[arg(long, value_name = "NAME")]
    pub cc: Vec<String>,

    /// Farm file whose target and cflags are used
    ///
    /// CCFARM_FARM and /etc/nightshift/ccfarm.toml are not looked at: without this flag nothing
    /// is expected of the node.
    #[arg(long, value_name = "FILE")]
    pub farm: Option<PathBuf>,

    /// How the answer is judged and printed.
    #[command(flatten)]
    pub judging: Judging,
}

/// How answers are judged and printed.
#[derive(Debug, Args)]
pub struct Judging {
    /// Compare with this record of the device's own compiler, made by `ccfarm reference`
    ///
    /// Its triple, gcc and cflags must be those of the farm file, otherwise nothing is sent and
    /// the exit status is 2.
    #[arg(long, value_name = "FILE")]
    pub reference: Option<PathBuf>,

    /// Call another distribution revision of the same gcc version a wrong version
    ///
    /// Without it, Debian 12.2.0-14 beside 12.2.0-14+deb12u1 is mentioned, but ok. It needs
    /// --reference: only that knows the device's revision.
    #[arg(long, requires = "reference")]
    pub strict: bool,

    /// Print one JSON document on standard output
    ///
    /// Also when nodes are down. Fields may be added in later versions, none is removed.
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `reference`.
#[derive(Debug, Args)]
pub struct Reference {
    /// The farm.
    #[command(flatten)]
    pub farm: FarmArg,

    /// Command that runs a shell on the device, `sh -s` is appended: "ssh dev"
    ///
    /// Split at blanks. "env" asks this host.
    #[arg(long, value_name = "COMMAND")]
    pub via: String,

    /// The device's compiler
    ///
    /// Without it /usr/bin/TRIPLE-gcc, which the device kit's wrappers call. An absolute path
    /// keeps wrappers, ccache and distcc out of the measurement.
    #[arg(long, value_name = "PATH")]
    pub cc: Option<String>,

    /// File to write; an existing one is replaced
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_help_a_value_name_and_a_unique_name() {
        fn walk(command: &clap::Command) {
            let mut seen = HashSet::new();
            for arg in command.get_arguments() {
                let name = arg.get_id().to_string();
                assert!(
                    seen.insert(name.clone()),
                    "{name} twice in {}",
                    command.get_name()
                );
                assert!(arg.get_help().is_some(), "{name} has no help");
                if arg.get_action().takes_values() && arg.get_possible_values().is_empty() {
                    assert!(arg.get_value_names().is_some(), "{name} has no value name");
                }
            }
            for sub in command.get_subcommands() {
                assert!(sub.get_about().is_some(), "{} has no help", sub.get_name());
                walk(sub);
            }
        }
        walk(&Cli::command());
    }
}
