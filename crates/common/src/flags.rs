//! The flags that every tool has; used by every tool.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

/// Flattened into each tool's command line with `#[command(flatten)]`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common options")]
pub struct SharedFlags {
    /// Say more: -v state changes, -vv decisions, -vvv every call
    ///
    /// Without it only warnings and errors are printed, so that a run from cron that needs no
    /// attention prints nothing. May be repeated; more than three times changes nothing.
    #[arg(short, long, action = ArgAction::Count, global = true, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Print errors only
    ///
    /// Warnings are left out. Errors are always printed, and the exit code is the same.
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Read this configuration file instead of the one in /etc/nightshift
    ///
    /// The file must exist when it is named here; the default one may be missing. Flags and
    /// environment variables still go before it.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Print each effective setting with where it came from, and exit
    ///
    /// The output is itself a valid configuration file; the origin of each value (flag,
    /// environment, file and line, default) stands behind it as a comment.
    #[arg(long, global = true)]
    pub show_config: bool,

    /// When to colour messages
    ///
    /// `auto` colours on a terminal unless NO_COLOR is set to something other than the empty
    /// string.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = Colour::Auto, global = true)]
    pub color: Colour,

    /// Print the manual page, the configuration's manual page or a shell's completions, and exit
    ///
    /// It must be the first argument; nothing else is looked at.
    #[arg(long, value_name = "WHAT", value_enum, hide_short_help = true)]
    pub generate: Option<Generate>,
}

/// When messages are coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What `--generate` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generate {
    /// The tool's manual page, section 8.
    Man,
    /// The manual page of its configuration file, section 5.
    ManConfig,
    /// Completions for bash.
    Bash,
    /// Completions for zsh.
    Zsh,
    /// Completions for fish.
    Fish,
}
