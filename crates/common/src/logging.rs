//! Where messages go; set up once per process by [`crate::run`], used by every tool through the
//! `tracing` macros.
//!
//! Three destinations, told apart by what stderr is: the journal gets structured records, a
//! terminal gets short coloured lines, anything else (cron, a pipe) gets the same lines plain.
//! At every destination the default level is warnings: a run that needs no attention says nothing.

use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal as _, Write as _};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::escape::Escaped;
use crate::flags::{Colour, SharedFlags};

/// Installs the subscriber and the bridge from the `log` crate. A second call changes nothing.
pub fn init(tool: &'static str, flags: &SharedFlags) {
    let own = level(flags);
    // Libraries may say warnings; their chatter is for whoever asks for the wire level.
    let foreign = if own == LevelFilter::TRACE {
        LevelFilter::TRACE
    } else {
        own.min(LevelFilter::WARN)
    };
    let own_target = tool.replace('-', "_");
    let filter = Targets::new()
        .with_default(foreign)
        // It warns of what it has not implemented itself, on ordinary pages.
        .with_target("html5ever", LevelFilter::ERROR)
        // Below warnings these quote pages and headers, which hold passwords and cookies.
        .with_target("h2", foreign.min(LevelFilter::WARN))
        .with_target("hyper", foreign.min(LevelFilter::WARN))
        .with_target("reqwest", foreign.min(LevelFilter::WARN))
        .with_target("rustls", foreign.min(LevelFilter::WARN))
        .with_target("selectors", foreign.min(LevelFilter::WARN))
        .with_target("nightshift_common", own)
        .with_target(own_target, own);
    // Both fail only when a logger is already installed, by a test that called us twice.
    let _ = tracing_log::LogTracer::init();
    let journal = stderr_is_journal()
        .then(tracing_journald::layer)
        .and_then(Result::ok);
    let lines = journal.is_none().then(|| Lines {
        tool,
        coloured: coloured(flags.color),
    });
    let _ = tracing_subscriber::registry()
        .with(journal.map(|layer| {
            layer
                .with_syslog_identifier(tool.to_owned())
                .with_field_prefix(None)
        }))
        .with(lines)
        .with(filter)
        .try_init();
}

fn level(flags: &SharedFlags) -> LevelFilter {
    match (flags.quiet, flags.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::INFO,
        (false, 2) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    }
}

/// Whether messages on stderr may carry colour.
pub fn coloured(when: Colour) -> bool {
    match when {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            io::stderr().is_terminal()
                && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    }
}

/// systemd tells a service the device and inode of the journal's stream; a redirected stderr has
/// others even though the variable is inherited.
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    let Ok(stat) = rustix::fs::fstat(rustix::stdio::stderr()) else {
        return false;
    };
    stream == format!("{}:{}", stat.st_dev, stat.st_ino)
}

/// One line per event: `tool: warning: message key=value`.
struct Lines {
    tool: &'static str,
    coloured: bool,
}

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let text = format_line(self.tool, *event.metadata().level(), self.coloured, &fields);
        // A message that cannot be delivered has nowhere else to go.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

fn format_line(tool: &str, level: Level, coloured: bool, fields: &Fields) -> String {
    let (word, colour) = match level {
        Level::ERROR => ("error: ", "\u{1b}[31m"),
        Level::WARN => ("warning: ", "\u{1b}[33m"),
        Level::INFO => ("", ""),
        Level::DEBUG => ("debug: ", "\u{1b}[2m"),
        Level::TRACE => ("trace: ", "\u{1b}[2m"),
    };
    let mut text = format!("{tool}: ");
    if coloured && !word.is_empty() {
        let _ = write!(text, "{colour}{word}\u{1b}[0m");
    } else {
        text.push_str(word);
    }
    text.push_str(&fields.message);
    text.push_str(&fields.others);
    text.push('\n');
    if let Some(hint) = &fields.hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

#[derive(Default)]
struct Fields {
    message: String,
    others: String,
    hint: Option<String>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: &str) {
        let value = Escaped::text(value);
        match field.name() {
            "message" => self.message = value.to_string(),
            "hint" => self.hint = Some(value.to_string()),
            // The log crate's records carry where they were written; nobody reads it on a terminal.
            name if name.starts_with("log.") => {}
            name => {
                let value = value.to_string();
                let quoted = value.is_empty() || value.contains([' ', '"', '=']);
                let _ = if quoted {
                    write!(self.others, " {name}={value:?}")
                } else {
                    write!(self.others, " {name}={value}")
                };
            }
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_beats_nothing_and_verbose_counts_up() {
        let flags = |quiet, verbose| SharedFlags {
            verbose,
            quiet,
            ..SharedFlags::default()
        };
        assert_eq!(level(&flags(false, 0)), LevelFilter::WARN);
        assert_eq!(level(&flags(true, 0)), LevelFilter::ERROR);
        assert_eq!(level(&flags(false, 9)), LevelFilter::TRACE);
    }

    #[test]
    fn a_line_names_tool_level_message_and_hint() {
        let fields = Fields {
            message: "cannot open /dev/x".into(),
            others: " errno=5".into(),
            hint: Some("is it plugged in?".into()),
        };
        assert_eq!(
            format_line("blockfuse", Level::ERROR, false, &fields),
            "blockfuse: error: cannot open /dev/x errno=5\nhint: is it plugged in?\n"
        );
        assert_eq!(
            format_line(
                "blockfuse",
                Level::WARN,
                true,
                &Fields {
                    message: "odd".into(),
                    ..Fields::default()
                }
            ),
            "blockfuse: \u{1b}[33mwarning: \u{1b}[0modd\n"
        );
    }
}
