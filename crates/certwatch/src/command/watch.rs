//! `certwatch watch`: looks at each target when its turn comes, with metrics for Prometheus.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::signals::{SIGHUP, SIGINT, SIGTERM, Signals};
use nightshift_common::systemd::{self, NotifyState};
use rustix::event::{PollFd, PollFlags, poll};

use crate::cli::Watch;
use crate::config::Settings;
use crate::engine::{Engine, Sweep};
use crate::error::Error;
use crate::metrics::{self, Metrics};
use crate::target::Target;
use crate::when::{self, Unix};

/// Bounds of the pause between two rounds, which look at what is due by then: a round costs a few
/// questions to the store, whoever is due.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Rounds in one interval, within those bounds.
const ROUNDS: u32 = 60;
/// Between a failure of the store and the next attempt.
const RETRY: Duration = Duration::from_secs(30);

pub(super) fn run(args: &Watch, mut settings: Settings) -> Result<Exit, Error> {
    if let Some(every) = args.every {
        settings.every = every.0;
    }
    let signals = Signals::listen(&[SIGHUP, SIGINT, SIGTERM])
        .map_err(|error| Error::Failed(format!("cannot listen for signals: {error}")))?;
    let file = args
        .targets
        .file
        .clone()
        .unwrap_or_else(|| settings.targets.clone());
    let (entries, _) = super::scan::read_targets(&file)?;
    let _lock = super::scan::lock(&settings)?;
    let mut engine = Some(super::scan::engine(&settings, entries, true)?);
    let metrics = Arc::new(Mutex::new(Metrics::default()));
    if let Some(engine) = &engine {
        lock(&metrics).targets = engine.targets();
    }
    let settings = Arc::new(settings);
    if let Some(address) = args.listen {
        metrics::serve(address, Arc::clone(&metrics), Arc::clone(&settings))
            .map_err(|error| Error::Failed(format!("cannot listen on {address}: {error}")))?;
    }
    systemd::notify(&[NotifyState::Ready]);
    loop {
        let begun = Instant::now();
        let shortest = (settings.every / ROUNDS).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let pause = match sweep(&mut engine, args, &settings, &signals, &metrics, &file) {
            Ok(next) => {
                systemd::notify(&[NotifyState::Status("watching")]);
                next.max(shortest.saturating_sub(begun.elapsed()))
            }
            Err(error) => {
                // The store went away, not the network: say so and come back with a new one.
                nightshift_common::error::report(&error);
                systemd::notify(&[NotifyState::Status("the store cannot be used; retrying")]);
                lock(&metrics).store_errors += 1;
                engine = None;
                RETRY
            }
        };
        if let Some(signal) = wait(&signals, pause)? {
            systemd::notify(&[NotifyState::Stopping]);
            return Ok(Exit::Signal(signal));
        }
        if signals.take(SIGHUP) {
            engine = None; // made anew from the files
        }
    }
}

/// Looks at what is due and returns how long nothing else is. Makes the engine first if there is
/// none.
fn sweep(
    engine: &mut Option<Engine>,
    args: &Watch,
    settings: &Settings,
    signals: &Signals,
    metrics: &Mutex<Metrics>,
    file: &std::path::Path,
) -> Result<Duration, Error> {
    if engine.is_none() {
        let (entries, _) = super::scan::read_targets(file)?;
        *engine = Some(super::scan::engine(settings, entries, true)?);
    }
    let Some(engine) = engine else {
        return Ok(Duration::ZERO);
    };
    let due = engine.due(when::now());
    let sweep = super::scan::sweep_until(engine, due, settings, || signals.ending().is_some())?;
    let untold = engine.untold()?;
    let mut news = untold.clone();
    news.retain(|event| event.severity >= args.min_severity);
    for event in &news {
        for finding in &event.findings {
            let target = super::display_key(&event.target);
            tracing::warn!(
                event = event.id,
                target,
                code = finding.code,
                "{}",
                Escaped::text(&finding.text)
            );
        }
    }
    if super::scan::notify(settings, &news) {
        engine.store().told(&untold)?;
    }
    let targets = engine.targets();
    let standing = engine.standing();
    let dates = engine.store().current_dates()?;
    let open = engine.store().open_counts()?;
    update(&mut lock(metrics), targets, &sweep, standing, dates, open);
    let left = engine.next_due().unwrap_or(Unix::MAX) - when::now();
    Ok(Duration::from_secs(u64::try_from(left).unwrap_or(0)))
}

fn update(
    metrics: &mut Metrics,
    targets: Vec<Target>,
    sweep: &Sweep,
    standing: BTreeMap<&'static str, usize>,
    dates: Vec<metrics::Dates>,
    open: Vec<(crate::finding::Severity, i64)>,
) {
    metrics.targets = targets;
    metrics.dates = dates;
    metrics.open = open;
    metrics.last_sweep = when::now();
    metrics.last_outcomes = standing;
    for (kind, n) in &sweep.outcomes {
        *metrics.outcomes.entry(kind).or_default() += n;
    }
}

/// Waits for `pause`, a signal that ends the run, or SIGHUP, which ends the wait.
fn wait(signals: &Signals, pause: Duration) -> Result<Option<i32>, Error> {
    let until = Instant::now() + pause;
    loop {
        if let Some(signal) = signals.ending() {
            return Ok(Some(signal));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let timeout = rustix::event::Timespec::try_from(left.min(Duration::from_hours(1))).ok();
        let mut fds = [PollFd::new(signals, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => {
                signals.clear_wake();
                if signals.ending().is_none() {
                    return Ok(None); // SIGHUP
                }
            }
            Err(error) => return Err(Error::Failed(format!("cannot wait: {error}"))),
        }
    }
}

fn lock(metrics: &Mutex<Metrics>) -> std::sync::MutexGuard<'_, Metrics> {
    metrics.lock().unwrap_or_else(PoisonError::into_inner)
}
