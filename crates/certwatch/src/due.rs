//! When a target is looked at next, decided without a clock or a store: spread over the interval,
//! and less often while it does not answer.

use crate::digest::Sha256;
use crate::when::{DAY, Unix};

/// A target that does not answer is still looked at this often: it may come back changed.
const LONGEST: i64 = DAY;

/// What is remembered of one target's turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Due {
    /// Not before this moment; 0 if it was never looked at.
    pub(crate) at: Unix,
    /// Looks without a chain since the last one with one.
    pub(crate) failures: u32,
}

impl Due {
    /// After a look at `now` at a target of `host`, every `every` seconds.
    ///
    /// The ports of one host share their turn, so that a certificate rolled out to all of them is
    /// seen at all of them. The interval is the host's own, a tenth more or less than asked for,
    /// and the first one is any part of it: a fleet that was added in one go does not come up in
    /// one go again.
    pub(crate) fn after(self, host: &str, answered: bool, now: Unix, every: i64) -> Self {
        let every = every.max(1);
        let share = share(host);
        let own = if self.at == 0 {
            every * share / 1000
        } else {
            every * (900 + share / 5) / 1000
        };
        let failures = if answered {
            0
        } else {
            self.failures.saturating_add(1)
        };
        let backed_off = own.saturating_mul(1 << failures.min(16));
        let longest = LONGEST.max(own);
        Self {
            at: now + backed_off.min(longest).max(1),
            failures,
        }
    }
}

/// A number from 0 to 999 that belongs to the host.
fn share(host: &str) -> i64 {
    let hash = Sha256::of(host.as_bytes()).0;
    i64::from(u16::from_be_bytes([hash[0], hash[1]])) * 1000 / 65_536
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::when::HOUR;

    #[test]
    fn a_fleet_is_spread_over_its_interval_and_stays_so() {
        let every = 6 * HOUR;
        let mut tenths = [0; 10];
        for n in 0..1000 {
            let host = format!("h{n}.example");
            let first = Due::default().after(&host, true, 1000, every);
            assert!((1001..=1000 + every).contains(&first.at));
            tenths[usize::try_from((first.at - 1001) * 10 / every).unwrap()] += 1;
            let second = first.after(&host, true, first.at, every);
            let interval = second.at - first.at;
            assert!((every * 9 / 10..=every * 11 / 10).contains(&interval));
        }
        assert!(tenths.iter().all(|n| (60..=140).contains(n)), "{tenths:?}");
    }

    #[test]
    fn ports_of_a_host_share_their_turn() {
        let due = |host| Due::default().after(host, true, 0, 1000).at;
        assert_eq!(due("a.example"), due("a.example"));
        assert_ne!(due("a.example"), due("b.example"));
    }

    #[test]
    fn silence_is_asked_less_often_up_to_a_day_and_an_answer_ends_it() {
        let look = |due: Due, answered, every| {
            let next = due.after("a.example", answered, 1_000_000, every);
            (next.at - 1_000_000, next)
        };
        let known = Due { at: 1, failures: 0 };
        let (usual, _) = look(known, true, HOUR);
        let mut due = known;
        let mut waits = Vec::new();
        for _ in 0..8 {
            let (wait, next) = look(due, false, HOUR);
            waits.push(wait);
            due = next;
        }
        assert_eq!(waits[..3], [2 * usual, 4 * usual, 8 * usual]);
        assert_eq!(waits[7], DAY);
        assert_eq!(
            look(due, true, HOUR),
            (usual, due.after("a.example", true, 1_000_000, HOUR))
        );
        assert_eq!(look(due, true, HOUR).1.failures, 0);
        // An interval longer than a day is not shortened by failing.
        assert!(look(known, false, 7 * DAY).0 >= 6 * DAY);
        assert_eq!(look(known, true, 0).0, 1, "never at once");
    }
}
