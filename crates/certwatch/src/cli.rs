//! The command line: clap types and nothing that runs.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the comments are help texts, where brackets belong to the command line"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use nightshift_common::flags::SharedFlags;
use nightshift_common::human::Span;

use crate::finding::Severity;
use crate::target::Target;
use crate::when::{self, Unix};

/// Remember every certificate chain; report the one that should not be there
#[derive(Debug, Parser)]
#[command(name = "certwatch", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) shared: SharedFlags,
    #[command(flatten)]
    pub(crate) settings: SettingFlags,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Settings that the configuration file has as well.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct SettingFlags {
    /// Keep the memory here: a file, or postgres://USER@HOST/DATABASE
    ///
    /// Only scan, watch and import make a missing file. A password in the address is refused: it
    /// would show in the process list.
    #[arg(long, value_name = "PATH|URL", global = true, env = "CERTWATCH_STORE")]
    pub(crate) store: Option<String>,

    /// The name of this vantage point
    ///
    /// Default: the host name. Several machines with different names may share one store, and
    /// what only one of them sees is reported.
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) vantage: Option<String>,

    /// Which roots count as public: mozilla, native, or a PEM file
    ///
    /// `mozilla` is the set embedded in this binary, `native` is /etc/ssl/certs of this machine.
    #[arg(long, value_name = "SET|FILE", global = true)]
    pub(crate) roots: Option<String>,

    /// Roots only this machine trusts: none, native, or a PEM file
    ///
    /// A chain that is valid only under one of these is TLS inspection, reported as `local-root`
    /// unless the target is tagged `corp`. `native` is whatever this machine trusts beyond the
    /// public set and beyond what its distribution ships.
    #[arg(long, value_name = "SET|FILE", global = true)]
    pub(crate) local_roots: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Look at targets once, without a memory
    Check(Check),
    /// Look at all targets and print only what is news; for cron
    Scan(Scan),
    /// Go on looking; a daemon with metrics
    Watch(Watch),
    /// List what was found
    Events(Events),
    /// Show what is remembered of a target, or list the targets
    Show(Show),
    /// Show two chains of a target side by side, the changed link marked
    Diff(Diff),
    /// List certificates that end soon, soonest first
    Expiring(Expiring),
    /// Name the keys that only one vantage point sees
    Compare(Compare),
    /// Write a report as one self-contained page
    Report(ReportArgs),
    /// Accept a change: it is right
    Accept(Decide),
    /// Reject a change: its keys are reported wherever they appear again
    Reject(Decide),
    /// Report any deviation from what a target has now
    Pin(PinArgs),
    /// Silence a target or a finding code
    Ignore(Ignore),
    /// Declare keys as your own, so that they never alarm
    Authorize(Authorize),
    /// Judge chains from files, offline and without a memory
    Replay(Replay),
    /// Take in a list or another memory
    Import(Import),
    /// Write the observations of this vantage to a file for another store
    Export(Export),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// HOST[:PORT][/PROTO]; PROTO is tls or a STARTTLS protocol, by default the port's usual one
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) targets: Vec<Target>,

    /// How to print: text, json, or nagios (one line, performance data, exit codes 0 to 3)
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Nagios,
}

/// Where targets are listed.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetsFile {
    /// The file that lists the targets
    ///
    /// Default: /etc/nightshift/certwatch.targets. A bad line is reported and skipped (exit 4); a
    /// missing or empty file is a mistake (exit 2).
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    #[command(flatten)]
    pub(crate) targets: TargetsFile,

    /// How many probes may be in flight
    ///
    /// Default 256, less if the limit on open files is low. Zero is refused.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) concurrency: Option<u32>,

    /// Look only at targets whose turn it is, for frequent runs from cron
    ///
    /// A turn comes once in the interval `every` of the [probe] section, 6 hours without it, a
    /// tenth more or less; less often, up to once a day, while a target does not answer. A target
    /// never looked at is due. Nothing due is no failure.
    #[arg(long)]
    pub(crate) due_only: bool,

    /// Hang up by resetting the connection, without a goodbye
    ///
    /// Leaves no closed connections behind on this side; servers may log it as an aborted one.
    #[arg(long)]
    pub(crate) fast: bool,

    /// Print events of this severity and above: info, notice, warning, critical
    ///
    /// The others are recorded all the same.
    #[arg(long, value_name = "SEVERITY", default_value_t = Severity::Warning)]
    pub(crate) min_severity: Severity,

    /// Print events as JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) targets: TargetsFile,

    /// Serve /metrics and /probe?target= here; for listed targets only
    ///
    /// Without it nothing is served. Use a loopback address unless a proxy authenticates.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: Option<std::net::SocketAddr>,

    /// Time between two looks at one target
    ///
    /// Default: `every` of the [probe] section, or 6h. The first looks are at once, the later ones
    /// spread over the interval; targets that do not answer are looked at less often, down to once
    /// a day.
    #[arg(long, value_name = "SPAN")]
    pub(crate) every: Option<Span>,

    /// Notify about events of this severity and above
    #[arg(long, value_name = "SEVERITY", default_value_t = Severity::Warning)]
    pub(crate) min_severity: Severity,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only events nobody has decided on
    #[arg(long)]
    pub(crate) open: bool,

    /// Only events since then: a date, an RFC 3339 time, or a span ago such as 7d
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    pub(crate) since: Option<Unix>,

    /// Only events of this severity and above
    #[arg(long, value_name = "SEVERITY")]
    pub(crate) severity: Option<Severity>,

    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The target; without it all targets are listed
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<Target>,

    /// Also every run, event and decision
    #[arg(long)]
    pub(crate) history: bool,

    /// Also every certificate of the current chain
    #[arg(long)]
    pub(crate) chain: bool,

    /// Print the current chain as PEM and nothing else
    #[arg(long, conflicts_with_all = ["history", "chain"])]
    pub(crate) pem: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The target
    #[arg(value_name = "TARGET")]
    pub(crate) target: Target,

    /// Number of the older chain as `show --history` prints it; default: the one before the last
    #[arg(value_name = "A", requires = "new")]
    pub(crate) old: Option<i64>,

    /// Number of the newer chain; default: the last
    #[arg(value_name = "B")]
    pub(crate) new: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct Expiring {
    /// How soon: a span (30d) or a share of the lifetime (20%)
    #[arg(long, value_name = "SPAN|SHARE", default_value = "30d", value_parser = parse_within)]
    pub(crate) within: Within,

    /// Only issuers whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) issuer: Option<String>,

    /// Only owners whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) owner: Option<String>,

    /// Print CSV with a header
    #[arg(long)]
    pub(crate) csv: bool,
}

/// A limit for `expiring`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Within {
    Seconds(i64),
    /// Share of the lifetime, 0 to 1.
    Share(f64),
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Only these vantage points, separated by commas; default: all in the store
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) vantages: Vec<String>,

    /// Print JSON, one object a line
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The file to write; it is replaced in one step
    #[arg(long, value_name = "OUT")]
    pub(crate) html: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Decide {
    /// The number of an event, or a target: then all its open events
    #[arg(value_name = "EVENT|TARGET")]
    pub(crate) what: String,

    /// Why; kept with who and when
    #[arg(short = 'm', long = "message", value_name = "WHY")]
    pub(crate) why: String,
}

#[derive(Debug, Args)]
#[group(id = "pin-what", required = true, multiple = false)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "one flag each; clap admits one of them"
)]
pub(crate) struct PinFlags {
    /// Pin the key of its certificate
    #[arg(long, group = "pin-what")]
    pub(crate) leaf_key: bool,

    /// Pin the key of its issuer
    #[arg(long, group = "pin-what")]
    pub(crate) issuer_key: bool,

    /// Pin the owner of its CA
    #[arg(long, group = "pin-what")]
    pub(crate) owner: bool,

    /// Pin the key of its root
    #[arg(long, group = "pin-what")]
    pub(crate) root: bool,

    /// Remove all pins of the target
    #[arg(long, group = "pin-what")]
    pub(crate) none: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PinArgs {
    /// The target, pinned to what it has now
    #[arg(value_name = "TARGET")]
    pub(crate) target: Target,

    #[command(flatten)]
    pub(crate) what: PinFlags,

    /// Why; kept with who and when
    #[arg(short = 'm', long = "message", value_name = "WHY", default_value = "")]
    pub(crate) why: String,
}

#[derive(Debug, Args)]
pub(crate) struct Ignore {
    /// A target, or a finding code such as `expiring`
    #[arg(value_name = "TARGET|CODE")]
    pub(crate) what: String,

    /// Only until then: a date or an RFC 3339 time
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    pub(crate) until: Option<Unix>,

    /// Why; kept with who and when
    #[arg(short = 'm', long = "message", value_name = "WHY")]
    pub(crate) why: String,
}

#[derive(Debug, Args)]
pub(crate) struct Authorize {
    /// PEM files with certificates, signing requests or public keys; never private keys
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    /// Why; kept with who and when
    #[arg(short = 'm', long = "message", value_name = "WHY", default_value = "")]
    pub(crate) why: String,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The endpoint the chains were observed at: NAME[:PORT]
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Target,

    /// When the next file was observed; as often as there are files, or not at all
    ///
    /// Without it a file counts as observed a day after its leaf began, or after half its
    /// lifetime if that is shorter. Times may run backwards: that is said, and the files are
    /// judged in the order given.
    #[arg(long, value_name = "RFC3339", value_parser = when::parse)]
    pub(crate) at: Vec<Unix>,

    /// Print one JSON object per file
    #[arg(long)]
    pub(crate) json: bool,

    /// PEM files, one observed chain each, leaf first, in time order
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// What the file is: ccadb, distrusted, certpatrol, or run
    #[arg(value_name = "KIND", value_enum)]
    pub(crate) kind: ImportKind,

    /// The file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportKind {
    /// A certificate report of the Common CA Database (CSV).
    Ccadb,
    /// A list of CT logs as the browsers publish it (JSON), whose keys prove timestamps.
    Loglist,
    /// Known-bad keys and CAs: `spki HEX REASON` or `org NAME<TAB>REASON` a line.
    Distrusted,
    /// The Certificate Patrol add-on's SQLite file.
    Certpatrol,
    /// What `certwatch export` wrote on another vantage point.
    Run,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file to write; it is replaced in one step
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}

fn parse_since(text: &str) -> Result<Unix, String> {
    if let Ok(at) = when::parse(text) {
        return Ok(at);
    }
    match text.parse::<Span>() {
        Ok(Span(span)) => Ok(when::now() - i64::try_from(span.as_secs()).unwrap_or(i64::MAX)),
        Err(_) => Err(format!("`{text}` is neither a time nor a span such as 7d")),
    }
}

fn parse_within(text: &str) -> Result<Within, String> {
    let wrong = || format!("`{text}` is neither a span such as 30d nor a share such as 20%");
    if let Some(number) = text.strip_suffix('%') {
        let percent: f64 = number
            .parse()
            .ok()
            .filter(|p| (0.0..=100.0).contains(p))
            .ok_or_else(wrong)?;
        return Ok(Within::Share(percent / 100.0));
    }
    let Span(span) = text.parse().map_err(|_unit| wrong())?;
    Ok(Within::Seconds(
        i64::try_from(span.as_secs()).map_err(|_overflow| wrong())?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn every_flag_has_help_and_every_option_a_value_name() {
        let mut root = Cli::command();
        root.build();
        root.clone().debug_assert();
        for command in root.get_subcommands().chain([&root]) {
            assert!(
                command.get_about().is_some(),
                "{} lacks help",
                command.get_name()
            );
            for arg in command.get_arguments() {
                assert!(
                    arg.get_help().is_some(),
                    "{} {} lacks help",
                    command.get_name(),
                    arg.get_id()
                );
                if arg.get_action().takes_values() {
                    assert!(
                        arg.get_value_names().is_some(),
                        "{} lacks a value name",
                        arg.get_id()
                    );
                }
            }
        }
    }

    #[test]
    fn limits_are_spans_or_shares() {
        assert_eq!(parse_within("30d"), Ok(Within::Seconds(30 * 86_400)));
        assert_eq!(parse_within("20%"), Ok(Within::Share(0.2)));
        for text in ["", "%", "120%", "30", "soon"] {
            assert!(parse_within(text).is_err(), "{text}");
        }
    }
}
