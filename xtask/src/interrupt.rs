//! SIGINT, SIGTERM and SIGHUP: noted, acted upon between two steps, passed on at the very end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static SIGNAL: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Catches the signals that ask for an end, so that guards get to clean up.
pub(crate) fn install() {
    let noted = SIGNAL.get_or_init(Arc::default);
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        // Only signals that cannot be caught are refused, and none of these is one.
        let _id = signal_hook::flag::register_usize(
            signal,
            Arc::clone(noted),
            signal.cast_unsigned() as usize,
        );
    }
}

/// The signal that asked for an end, if one did.
pub(crate) fn signal() -> Option<i32> {
    let number = SIGNAL.get()?.load(Ordering::Relaxed);
    i32::try_from(number).ok().filter(|&number| number != 0)
}

/// Fails once a signal has asked for an end; long loops call it between their steps.
pub(crate) fn check() -> anyhow::Result<()> {
    match signal() {
        Some(number) => anyhow::bail!("interrupted by signal {number}"),
        None => Ok(()),
    }
}

/// Ends the process by the signal that was noted, so that the shell sees the truth; returns
/// when there was none.
pub(crate) fn end_by_signal() {
    if let Some(number) = signal() {
        let _result = signal_hook::low_level::emulate_default_handler(number);
    }
}
