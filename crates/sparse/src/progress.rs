//! A progress line on a terminal, and the place where a signal is noticed.
//!
//! Every loop of this crate passes here between two pieces of work.

use crate::error::Error;
use nightshift_common::human::ByteSize;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two drawings.
const INTERVAL: Duration = Duration::from_millis(200);

type Asked = Box<dyn Fn() -> bool + Send + Sync>;

/// How far the work is.
pub struct Progress {
    draw: bool,
    stop: Asked,
    total: AtomicU64,
    done: AtomicU64,
    line: Mutex<Line>,
}

struct Line {
    what: &'static str,
    started: Instant,
    drawn: Option<Instant>,
}

impl std::fmt::Debug for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Progress")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl Progress {
    /// Progress drawn to standard error if `draw` is set; `stop` tells whether to end early.
    pub fn new(draw: bool, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        let line = Line {
            what: "",
            started: Instant::now(),
            drawn: None,
        };
        Self {
            draw,
            stop: Box::new(stop),
            total: AtomicU64::new(0),
            done: AtomicU64::new(0),
            line: Mutex::new(line),
        }
    }

    /// Progress that shows nothing and never stops.
    pub fn silent() -> Self {
        Self::new(false, || false)
    }

    /// Begins a stretch of work over `total` bytes; 0 if the total is unknown.
    pub fn start(&self, what: &'static str, total: u64) {
        self.total.store(total, Ordering::Relaxed);
        self.done.store(0, Ordering::Relaxed);
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.what = what;
        line.started = Instant::now();
    }

    /// Fails if a signal has asked to stop.
    pub fn check(&self) -> Result<(), Error> {
        if (self.stop)() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }

    /// Notes that `bytes` more are done.
    pub fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if !self.draw {
            return;
        }
        let Ok(mut line) = self.line.try_lock() else {
            return;
        };
        let now = Instant::now();
        if line.drawn.is_some_and(|drawn| now - drawn < INTERVAL) {
            return;
        }
        line.drawn = Some(now);
        let total = self.total.load(Ordering::Relaxed);
        let text = render(line.what, done, total, now - line.started);
        // Nobody is worse off without the line.
        let _drawn = write!(std::io::stderr(), "\r{text}\x1b[K");
    }

    /// Removes the line from the terminal.
    pub fn clear(&self) {
        let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        if line.drawn.is_some() {
            let _cleared = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// `copy  42%  1.3 GiB of 3.1 GiB  1.0 GiB/s  0:02 left`
fn render(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let millis = u64::try_from(elapsed.as_millis())
        .unwrap_or(u64::MAX)
        .max(1);
    let rate = u64::try_from(u128::from(done) * 1000 / u128::from(millis)).unwrap_or(u64::MAX);
    if total == 0 {
        return format!(
            "{what}  {}  {}/s",
            ByteSize(done).approx(),
            ByteSize(rate).approx()
        );
    }
    let percent = u128::from(done) * 100 / u128::from(total);
    let left = total.saturating_sub(done).checked_div(rate).unwrap_or(0);
    let (minutes, seconds) = (left / 60, left % 60);
    format!(
        "{what}  {percent:3}%  {} of {}  {}/s  {minutes}:{seconds:02} left",
        ByteSize(done).approx(),
        ByteSize(total).approx(),
        ByteSize(rate).approx()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_shows_share_rate_and_time_left() {
        let text = render("copy", 1 << 30, 4 << 30, Duration::from_secs(2));
        assert_eq!(
            text,
            "copy   25%  1.00 GiB of 4.00 GiB  512 MiB/s  0:06 left"
        );
        assert_eq!(render("copy", 0, 0, Duration::ZERO), "copy  0 B  0 B/s");
    }

    #[test]
    fn a_signal_is_noticed() {
        assert!(Progress::silent().check().is_ok());
        let stopped = Progress::new(false, || true);
        assert!(matches!(stopped.check(), Err(Error::Interrupted)));
    }
}
