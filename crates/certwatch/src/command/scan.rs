//! `certwatch scan`: one sweep over the targets file; prints only what is news.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::lock::InstanceLock;
use nightshift_common::notice::Notice;
use nightshift_common::output::Out;

use crate::cli::Scan;
use crate::config::Settings;
use crate::db::DbError;
use crate::db::sqlite::Open;
use crate::engine::{Engine, Parts, Sweep};
use crate::error::Error;
use crate::store::events::Event;
use crate::sweep;
use crate::target::Target;
use crate::targets::{self, Entry};
use crate::when;

pub(super) fn run(args: &Scan, mut settings: Settings) -> Result<Exit, Error> {
    if let Some(n) = args.concurrency {
        settings.sweep.in_flight = n as usize;
    }
    let file = args
        .targets
        .file
        .as_deref()
        .unwrap_or(&settings.targets)
        .to_owned();
    let (entries, mistakes) = read_targets(&file)?;
    let _lock = lock(&settings)?;
    settings.sweep.fast = args.fast;
    let mut engine = engine(&settings, entries, args.due_only)?;
    let due = engine.due(when::now());
    let nothing_due = due.is_empty();
    let sweep = sweep_until(&mut engine, due, &settings, || false)?;
    let mut out = Out::stdout();
    let untold = engine.untold()?;
    let mut news = untold.clone();
    news.retain(|event| event.severity >= args.min_severity);
    for event in &news {
        if args.json {
            writeln!(out, "{}", super::event_json(event))?;
        } else {
            super::print_event(&mut out, event)?;
        }
    }
    out.flush()?;
    log_sweep(&sweep);
    let delivered = notify(&settings, &news);
    if delivered {
        engine.store().told(&untold)?;
    }
    Ok(if mistakes > 0 || !delivered {
        Exit::Partial
    } else if !nothing_due && !sweep.looked.values().any(|answered| *answered) {
        return Err(Error::Failed("no target could be probed".to_owned()));
    } else if news.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    })
}

/// Reads the targets file, reports its mistakes and returns their number.
pub(super) fn read_targets(file: &Path) -> Result<(Vec<Entry>, usize), Error> {
    let text = std::fs::read(file)
        .map_err(|error| Error::Usage(format!("cannot read {}: {error}", Escaped::path(file))))?;
    let (entries, mistakes) = targets::parse(&text);
    for mistake in &mistakes {
        tracing::error!(
            "{}:{}:{}: {}",
            Escaped::path(file),
            mistake.line,
            mistake.column,
            Escaped::text(&mistake.reason)
        );
    }
    if entries.is_empty() {
        return Err(Error::Usage(format!(
            "no targets in {}",
            Escaped::path(file)
        )));
    }
    Ok((entries, mistakes.len()))
}

/// One scan or watch per store file. On PostgreSQL, where there may be one per vantage, the
/// session itself is the lock: see [`engine`].
pub(super) fn lock(settings: &Settings) -> Result<Option<InstanceLock>, Error> {
    if settings.store.starts_with("postgres") {
        return Ok(None);
    }
    let path = PathBuf::from(format!("{}.lock", settings.store));
    Ok(Some(InstanceLock::acquire(&path)?))
}

/// An engine over `entries`, with what the store knows.
///
/// With `in_turn` each target is looked at when its turn comes; else whenever it is asked for.
pub(super) fn engine(
    settings: &Settings,
    entries: Vec<Entry>,
    in_turn: bool,
) -> Result<Engine, Error> {
    let mut store = settings.open(Open::Create)?;
    if !store.keep_alone(&settings.vantage)? {
        return Err(Error::Busy {
            place: settings.store.clone(),
            vantage: settings.vantage.clone(),
        });
    }
    let judge = settings.judge_with(&mut store)?;
    let parts = Parts {
        store,
        judge,
        vantage: settings.vantage.clone(),
        entries,
        rules: settings.rules.clone(),
        thresholds: settings.thresholds,
        dns: settings.sweep.dns.clone(),
        every: in_turn.then(|| i64::try_from(settings.every.as_secs()).unwrap_or(i64::MAX)),
    };
    Ok(Engine::new(parts, when::now())?)
}

/// Probes the targets named by index once, or until `stop` says so.
pub(super) fn sweep_until(
    engine: &mut Engine,
    which: Vec<usize>,
    settings: &Settings,
    stop: impl Fn() -> bool,
) -> Result<Sweep, Error> {
    let targets: Arc<[Target]> = engine.targets().into();
    let options = sweep::Options {
        in_flight: settings.sweep.in_flight.min(descriptors()),
        caa_due: Arc::new(engine.caa_due(when::now())?),
        ..settings.sweep.clone()
    };
    let mut failure: Option<DbError> = None;
    sweep::run(&targets, which, &options, |result| {
        let taken = match result {
            Some(result) => engine.take(&result, when::now()),
            None => engine.flush(),
        };
        match taken {
            Ok(()) => !stop(),
            Err(error) => {
                failure = Some(error);
                false
            }
        }
    })?;
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(engine.finish(when::now())?),
    }
}

/// Raises the limit on open files as far as allowed and returns how many probes fit under it.
fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Not being allowed to leaves the old limit, which is read back.
    let _ = setrlimit(Resource::Nofile, raised);
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // Store, log, resolver and runtimes need some of their own.
    usize::try_from(current)
        .unwrap_or(usize::MAX)
        .saturating_sub(64)
        .max(16)
}

fn log_sweep(sweep: &Sweep) {
    let total: usize = sweep.outcomes.values().sum();
    let legacy = sweep.outcomes.get("legacy").copied().unwrap_or(0);
    let kinds: Vec<String> = sweep
        .outcomes
        .iter()
        .map(|(kind, n)| format!("{kind} {n}"))
        .collect();
    tracing::info!(probes = total, legacy, "sweep done: {}", kinds.join(", "));
}

/// Sends the news to the configured channel, one message for all of it. Failure is reported here;
/// the events are in the store all the same.
pub(super) fn notify(settings: &Settings, news: &[Event]) -> bool {
    let (Some(channel), Some(worst)) = (
        &settings.notify,
        news.iter().map(|event| event.severity).max(),
    ) else {
        return true;
    };
    let mut body = String::new();
    for event in news {
        let target = super::display_key(&event.target);
        let _ = writeln!(
            body,
            "{}  {}  event {}",
            Escaped::text(&target),
            event.severity,
            event.id
        );
        for f in &event.findings {
            let _ = writeln!(
                body,
                "  {} {}: {}",
                f.severity,
                f.code,
                Escaped::text(&f.text)
            );
        }
    }
    let subject = match news {
        [event] => {
            let target = super::display_key(&event.target);
            format!("certwatch: {worst}: {}", Escaped::text(&target))
        }
        _ => format!("certwatch: {worst}: {} events", news.len()),
    };
    let json = serde_json::Value::Array(news.iter().map(super::event_json).collect()).to_string();
    let notice = Notice {
        subject: &subject,
        body: &body,
        json: Some(&json),
    };
    match channel.send(&notice) {
        Ok(()) => true,
        Err(error) => {
            tracing::error!("not notified: {}", nightshift_common::error::chain(&error));
            false
        }
    }
}
