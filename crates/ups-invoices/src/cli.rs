//! The command line: types and their help, nothing that runs.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the comments are help texts, where brackets belong to the command line"
)]

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use jiff::civil::Date;
use nightshift_common::flags::SharedFlags;

use crate::ledger::Format;
use crate::net::client::Resolve;

/// Fetch, prove and file UPS invoices
///
/// Invoices come in by three doors, and all share one ledger, one proof and one archive: files
/// (`ingest`), a session a person imported (`session import`), and form sign-in described by a
/// profile (`fetch`). UPS's portal of today has a captcha and a bot wall; no program can promise
/// to pass them, this one does not try to, and no account was at hand to test with. `ingest`
/// always works. Whether UPS's terms allow automated access is for you to read.
#[derive(Debug, Parser)]
#[command(name = "ups-invoices", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of the suite.
    #[command(flatten)]
    pub shared: SharedFlags,
    /// Flags of every command.
    #[command(flatten)]
    pub global: Global,
}

/// Flags that go with every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Work for this account only
    ///
    /// Its name in the configuration. Without the flag every `[[account]]` is worked on, one after
    /// the other; a failure of one does not keep the others from being done.
    #[arg(long, value_name = "NAME", global = true)]
    pub account: Option<String>,

    /// Use this profile instead of the account's
    ///
    /// A file of that name in the profile directory goes before a built-in one.
    #[arg(long, value_name = "NAME", global = true)]
    pub profile: Option<String>,

    /// Say what would be stored, and store nothing
    ///
    /// `fetch` lists and says what it would download; `ingest` reads and checks the files. No file,
    /// no ledger row and no alert is written.
    #[arg(short = 'n', long, global = true)]
    pub dry_run: bool,

    /// Print JSON, one object or array, instead of text
    ///
    /// Amounts are strings with exactly the currency's digits. Fields may be added in later
    /// versions, never changed or removed.
    #[arg(long, global = true)]
    pub json: bool,

    /// Refuse to open any connection
    ///
    /// Commands that need the network then fail with exit code 2 before anything is done.
    #[arg(long, global = true)]
    pub offline: bool,

    /// Connect to another address for a host: HOST:PORT:ADDR
    ///
    /// Only the address changes: the certificate is still judged for HOST. ADDR may have a port of
    /// its own. May be repeated. Meant for tests and for portals behind a tunnel.
    #[arg(long, value_name = "HOST:PORT:ADDR", global = true)]
    pub resolve: Vec<Resolve>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in and keep the session
    Login,
    /// Import, show or clear the kept session
    Session {
        /// What to do with it.
        #[command(subcommand)]
        action: SessionAction,
    },
    /// List invoices of the ledger
    List {
        /// Invoices dated from this day on
        ///
        /// The day itself is included.
        #[arg(long, value_name = "YYYY-MM-DD")]
        since: Option<Date>,
        /// Invoices dated until this day
        ///
        /// The day itself is included.
        #[arg(long, value_name = "YYYY-MM-DD")]
        until: Option<Date>,
        /// Only invoices that lack a document; exit 1 if there are any
        ///
        /// A document counts as there only in state `stored`.
        #[arg(long)]
        missing: bool,
    },
    /// Download what the ledger does not have
    Fetch(Fetch),
    /// Take in files: CSV, XML, PDF, or ZIP archives of them
    Ingest {
        /// Files and directories; the configured directory if none is given
        ///
        /// Directories are searched one level deep. Files stay where they are; their content is
        /// copied into the archive. One that is still being written is left for the next run.
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Stay and take in what arrives
        ///
        /// The directories are looked at again and again until the program is ended by a signal.
        #[arg(long)]
        watch: bool,
    },
    /// Prove invoices: sums, headers, formats against each other; exit 14 if one fails
    Check {
        /// Invoice numbers; those of the last 400 days if none is given
        ///
        /// Leading zeros may be left out.
        #[arg(value_name = "INVOICE")]
        invoices: Vec<String>,
        /// All invoices of the ledger
        ///
        /// However old they are.
        #[arg(long)]
        all: bool,
        /// Billing data files (CSV) to check instead, without the ledger
        ///
        /// Of any size: memory does not grow with them.
        #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["invoices", "all"])]
        files: Vec<PathBuf>,
        /// Largest difference accepted, as 0.00
        ///
        /// In units of the invoice's currency. Goes before [check] tolerance.
        #[arg(long, value_name = "AMOUNT")]
        tolerance: Option<String>,
    },
    /// Show an invoice: amounts, documents, verdicts, charges by class
    Show {
        /// Invoice number
        ///
        /// Leading zeros may be left out.
        #[arg(value_name = "INVOICE", required_unless_present = "last")]
        invoice: Option<String>,
        /// The newest invoice
        ///
        /// What other services ask for when an account is registered with them.
        #[arg(long)]
        last: bool,
    },
    /// What a tracking number was billed; exit 1 if something was found to look at
    Track {
        /// Tracking number
        #[arg(value_name = "NUMBER", required_unless_present_any = ["unbilled", "duplicates"])]
        number: Option<String>,
        /// Tracking numbers of this file, one a line, that no invoice has
        ///
        /// `-` reads standard input. Exit 1 if there are any.
        #[arg(long, value_name = "FILE")]
        unbilled: Option<PathBuf>,
        /// Charges that stand on two invoices
        ///
        /// Same tracking number, class, code and positive amount, and no equal credit. Exit 1 if
        /// there are any.
        #[arg(long)]
        duplicates: bool,
    },
    /// Write invoices for accounting or other programs
    Export {
        /// The form
        ///
        /// ledger, hledger and beancount get one transaction an invoice, whose payable is exactly
        /// the invoice amount. csv and jsonl get one record a charge.
        #[arg(long, value_enum, value_name = "FORM")]
        to: ExportTo,
        /// Write here instead of to standard output; required for sqlite
        ///
        /// The file is replaced whole.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Invoices dated from this day on
        ///
        /// The day itself is included.
        #[arg(long, value_name = "YYYY-MM-DD")]
        since: Option<Date>,
        /// Invoices dated until this day
        ///
        /// The day itself is included.
        #[arg(long, value_name = "YYYY-MM-DD")]
        until: Option<Date>,
    },
    /// Sums by service, zone, account, month or charge class
    Report {
        /// What to sum by
        ///
        /// Amounts of different currencies are never added up.
        #[arg(long, value_enum, value_name = "WHAT", default_value_t = ReportBy::Class)]
        by: ReportBy,
        /// Write one self-contained HTML page with plots
        ///
        /// No script, nothing loaded from elsewhere. It holds all five sums.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
        /// Sum up billing data files (CSV) instead of the ledger
        ///
        /// Of any size. Prints the sums by class and code.
        #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "html")]
        from_files: Vec<PathBuf>,
    },
    /// What needs a person; exit 1 if something does
    Alerts {
        /// Acknowledge this alert
        ///
        /// It is not shown or sent again.
        #[arg(long, value_name = "ID")]
        ack: Option<i64>,
        /// Send those not sent before through [alerts] notify
        ///
        /// By mail or hook; nothing is sent if there is nothing new.
        #[arg(long)]
        notify: bool,
    },
    /// Compare ledger and archive; exit 1 if they differ
    Fsck {
        /// Repair: remove partial files, take in unknown documents, fetch missing ones again
        ///
        /// Nothing whole is deleted: a file that is no document of its name is set aside.
        #[arg(long)]
        repair: bool,
    },
    /// Check, show or prove a profile
    Profile {
        /// What to do.
        #[command(subcommand)]
        action: ProfileAction,
    },
    /// Record a run, or play one back offline
    Tape {
        /// What to do.
        #[command(subcommand)]
        action: TapeAction,
    },
    /// Show a server's certificates and the verdict on them; sends no request
    DoctorTls {
        /// Address or host
        ///
        /// `https://` may be left out.
        #[arg(value_name = "URL")]
        url: String,
    },
}

/// Flags of `fetch`.
#[derive(Debug, Clone, Default, Args)]
pub struct Fetch {
    /// Formats, as csv,xml,pdf
    ///
    /// Those the profile has no download for are left out.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub formats: Vec<Format>,
    /// Invoices dated from this day on, instead of the last 400 days
    ///
    /// The day itself is included.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub since: Option<Date>,
    /// Download at most this many documents
    ///
    /// The rest is left for the next run; exit code 4 says that some was left. Zero downloads
    /// nothing.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Download again what is there already
    ///
    /// Content that differs is kept beside the first as a revision.
    #[arg(long)]
    pub all: bool,
    /// Exit 1 if an invoice was new
    ///
    /// For scripts that act on news.
    #[arg(long)]
    pub exit_new: bool,
}

/// `session ...`
#[derive(Debug, Subcommand)]
pub enum SessionAction {
    /// Take over a session from a signed-in browser: cookies.txt or HAR
    Import {
        /// The exported file
        ///
        /// Only cookies and headers for the profile's hosts are kept. Delete the file afterwards:
        /// it is as good as a password.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Say what is kept, without any value
    Show,
    /// Forget it
    Clear,
}

/// `profile ...`
#[derive(Debug, Subcommand)]
pub enum ProfileAction {
    /// Check a profile
    Lint {
        /// Name, or path of a TOML file
        #[arg(value_name = "PROFILE")]
        name: String,
    },
    /// Print a profile
    Show {
        /// Name; all names if left out
        #[arg(value_name = "PROFILE")]
        name: Option<String>,
    },
    /// Show in which lines a profile differs from the built-in one; exit 1 if it does
    Diff {
        /// Name, or path of a TOML file
        #[arg(value_name = "PROFILE")]
        name: String,
        /// Compare with this one instead: a name, or the path of a TOML file
        ///
        /// Lines that only it has begin with `-`, those that only PROFILE has with `+`.
        #[arg(long, value_name = "PROFILE")]
        against: Option<String>,
    },
    /// Walk through a recording with a profile: the proof of a repair
    Test {
        /// Name, or path of a TOML file
        #[arg(value_name = "PROFILE")]
        name: String,
        /// The recording, or the tape of an evidence directory
        ///
        /// List and downloads are walked through; what the recording does not hold is counted.
        #[arg(long, value_name = "FILE")]
        tape: PathBuf,
    },
}

/// `tape ...`
#[derive(Debug, Subcommand)]
pub enum TapeAction {
    /// Fetch, and keep what was asked and answered, without secrets
    Record {
        /// Where to write it
        ///
        /// Mode 0600: it holds invoices.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// What to fetch.
        #[command(flatten)]
        fetch: Fetch,
    },
    /// Fetch from a recording into a directory, offline
    Replay {
        /// The recording
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Directory for archive and ledger
        ///
        /// Made if it is missing.
        #[arg(long, value_name = "DIRECTORY")]
        into: PathBuf,
    },
    /// Take further values out of a recording, such as names and account numbers
    ///
    /// Passwords, cookies and tokens never get into a recording. What else should not leave the
    /// house is taken out by this, in each form that encodings give it. What is packed, as in a
    /// PDF, is not seen. Exit 1 if nothing was found.
    Redact {
        /// The recording
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// File with the values, one a line
        ///
        /// A value has at least four bytes.
        #[arg(long, value_name = "FILE")]
        values: PathBuf,
        /// Where to write the result
        ///
        /// Mode 0600; may be the recording itself, which is then replaced whole.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

/// Forms of `export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportTo {
    /// Ledger journal.
    Ledger,
    /// hledger journal.
    Hledger,
    /// Beancount, with open directives.
    Beancount,
    /// One charge a line.
    Csv,
    /// One charge a line, as JSON.
    Jsonl,
    /// A database of invoices and charges.
    Sqlite,
    /// A script with COPY for psql.
    Postgres,
}

/// Groupings of `report`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportBy {
    /// Ground, Next Day Air, ...
    Service,
    /// Zone code.
    Zone,
    /// Shipper number.
    Account,
    /// Month of the invoice.
    Month,
    /// FRT, ACC, FSC, ...
    Class,
}

/// The command line's definition, for tests and generated files.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(command: &clap::Command, check: &mut impl FnMut(&clap::Command, &clap::Arg)) {
        for argument in command.get_arguments() {
            check(command, argument);
        }
        command.get_subcommands().for_each(|sub| walk(sub, check));
    }

    #[test]
    fn the_definition_is_sound_and_every_flag_is_explained() {
        command().debug_assert();
        walk(&command(), &mut |command, argument| {
            let id = format!("{} {}", command.get_name(), argument.get_id());
            assert!(argument.get_help().is_some(), "{id} has no help");
            if argument.get_long().is_some() {
                assert!(argument.get_long_help().is_some(), "{id} has no long help");
            }
        });
    }

    #[test]
    fn the_first_screen_of_help_says_what_cannot_be_promised() {
        let help = command().render_long_help().to_string();
        let first: String = help.lines().take(24).collect::<Vec<_>>().join(" ");
        assert!(
            first.contains("captcha") && first.contains("ingest"),
            "{first}"
        );
    }
}
