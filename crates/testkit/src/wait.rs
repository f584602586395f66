//! Waiting for a condition instead of sleeping.

use std::time::{Duration, Instant};

/// Waits until `condition` holds; fails the test after `limit`, naming `what` was waited for.
///
/// Choose a generous limit: it costs nothing when the condition comes true early.
#[track_caller]
pub fn wait_for(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    wait_value(what, limit, || condition().then_some(()));
}

/// Waits until `probe` returns a value and passes it on; fails the test after `limit`.
#[track_caller]
pub fn wait_value<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(
            Instant::now() < deadline,
            "waited {limit:?} in vain until {what}"
        );
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_the_first_value() {
        let mut tries = 0..;
        let value = wait_value("a count of three", Duration::from_secs(20), || {
            tries.next().filter(|&count| count == 3)
        });
        assert_eq!(value, 3);
    }

    #[test]
    #[should_panic(expected = "in vain until pigs fly")]
    fn fails_at_the_limit() {
        wait_for("pigs fly", Duration::from_millis(5), || false);
    }
}
