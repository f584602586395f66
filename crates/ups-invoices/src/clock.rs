//! Time, passed in: so that a test of a three-second pause needs no three seconds.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time and waits.
pub trait Clock {
    /// Now.
    fn now(&self) -> Timestamp;
    /// Waits.
    fn sleep(&self, time: Duration);
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A clock that stands still but for its own sleeps.
#[derive(Debug, Clone)]
pub struct SteppedClock(Rc<RefCell<(Timestamp, Vec<Duration>)>>);

impl SteppedClock {
    /// Starts at `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Rc::new(RefCell::new((now, Vec::new()))))
    }

    /// All waits so far.
    #[must_use]
    pub fn sleeps(&self) -> Vec<Duration> {
        self.0.borrow().1.clone()
    }
}

impl Clock for SteppedClock {
    fn now(&self) -> Timestamp {
        self.0.borrow().0
    }

    fn sleep(&self, time: Duration) {
        let mut state = self.0.borrow_mut();
        state.0 = state.0.checked_add(time).unwrap_or(state.0);
        state.1.push(time);
    }
}

impl<C: Clock + ?Sized> Clock for Rc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn sleep(&self, time: Duration) {
        (**self).sleep(time);
    }
}
