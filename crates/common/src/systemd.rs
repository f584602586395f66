//! Talks to the service manager; used by the daemons (blockfuse, certwatch, pppmon).

use std::time::Duration;

pub use sd_notify::NotifyState;

/// Tells systemd about our state. Without a service manager it does nothing.
pub fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        // The service manager will notice by its own time-out; the work itself is not affected.
        tracing::debug!(%error, "cannot notify the service manager");
    }
}

/// How often the service manager wants a sign of life (`WatchdogSec=`), if it does.
pub fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}
