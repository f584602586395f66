//! What the end of a pppd means for its link.
//!
//! The codes are those of pppd(8). A code alone proves nothing: an access concentrator that
//! refuses a password may answer with 19, then 16, then 8. Codes that follow an authentication
//! failure within one window are therefore treated as the same failure.

use std::time::Duration;

/// How a pppd ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// Killed by this signal.
    Signal(i32),
}

/// Facts of the life of the pppd that ended.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, each said or not said by pppd"
)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Life {
    /// It had joined our unit.
    pub attached: bool,
    /// We had sent it a signal.
    pub stopped_by_us: bool,
    /// It said that credentials were refused.
    pub auth_failed: bool,
    /// It said that the peer renegotiated a joined link.
    pub renegotiated: bool,
    /// It said that echo requests went unanswered.
    pub silent: bool,
    /// It said that a stale channel occupies the line.
    pub stale_channel: bool,
    /// From spawn to exit.
    pub lasted: Duration,
    /// Since the last authentication failure of the link, if any.
    pub since_auth_failure: Option<Duration>,
}

/// Kind of failure, for status and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The line was lost or the session ended.
    Lost,
    /// The line could not be opened or set up.
    Line,
    /// Nobody answered, or negotiation failed.
    Negotiation,
    /// Credentials were refused.
    Auth,
    /// pppd refused its options.
    Options,
    /// The kernel has no PPP.
    Kernel,
    /// The line is looped.
    Loop,
    /// We stopped it.
    Stopped,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Respawn at once the first time, then with backoff.
    Quick,
    /// Respawn with backoff.
    Backoff,
    /// Respawn within 200 ms: the attempt paced itself.
    Paced,
    /// Wait as long as authentication failures ask for.
    AuthHold,
    /// Wait this long.
    Fixed(Duration),
    /// Not before the configuration is loaded again.
    Never,
    /// Detach the stale channel, then respawn at once.
    Detach,
    /// The peer has restarted: incarnation barrier.
    Barrier,
    /// Load the PPP modules, then wait this long.
    LoadModules(Duration),
    /// Nothing: we asked for this end.
    Nothing,
}

/// How long after an authentication failure codes 16 and 8 still count as one.
const AUTH_WINDOW: Duration = Duration::from_mins(2);

/// A negotiation that took this long has paced itself (ten requests, a second apart).
const SELF_PACED: Duration = Duration::from_secs(5);

/// Classifies an end.
pub fn classify(exit: Exit, life: &Life) -> (Family, Next) {
    if life.renegotiated && !life.stopped_by_us {
        return (Family::Negotiation, Next::Barrier);
    }
    if life.stale_channel {
        return (Family::Line, Next::Detach);
    }
    if life.stopped_by_us {
        return (Family::Stopped, Next::Nothing);
    }
    let code = match exit {
        Exit::Code(code) => code,
        Exit::Signal(_) => 16,
    };
    let in_auth_window = life
        .since_auth_failure
        .is_some_and(|since| since < AUTH_WINDOW);
    let auth = (Family::Auth, Next::AuthHold);
    match code {
        11 | 19 | 21 => auth,
        _ if life.auth_failed => auth,
        8 | 16 if in_auth_window && !life.attached => auth,
        // A silent line may end as a hang-up too. A replugged cable must not wait for anything.
        10 | 15 | 16 if !life.attached && life.lasted >= SELF_PACED => {
            (Family::Negotiation, Next::Paced)
        }
        0 | 5 | 13 | 15 | 16 | 20 => (Family::Lost, Next::Quick),
        12 => (Family::Lost, Next::Backoff),
        2 | 3 => (Family::Options, Next::Never),
        4 => (Family::Kernel, Next::LoadModules(Duration::from_secs(30))),
        10 if life.attached => (Family::Negotiation, Next::Barrier),
        10 => (Family::Negotiation, Next::Backoff),
        14 => (Family::Lost, Next::Fixed(Duration::from_secs(30))),
        17 => (Family::Loop, Next::Fixed(Duration::from_secs(30))),
        _ => (Family::Line, Next::Backoff), // 1, 6, 7, 8, 9, 18 and what a later pppd adds
    }
}

/// Short text for a code, after pppd(8).
pub fn describe(exit: Exit) -> String {
    let code = match exit {
        Exit::Signal(signal) => return format!("killed by signal {signal}"),
        Exit::Code(code) => code,
    };
    let text = match code {
        0 => "ended",
        1 => "fatal error",
        2 => "bad options",
        3 => "not root",
        4 => "no PPP in the kernel",
        5 => "ended by a signal",
        6 => "device locked",
        7 => "cannot open the device",
        8 => "connect script failed",
        9 => "pty command failed",
        10 => "negotiation failed",
        11 => "peer failed to authenticate",
        12 => "idle",
        13 => "time limit",
        14 => "callback",
        15 => "peer stopped answering",
        16 => "hang-up",
        17 => "line looped back",
        18 => "init script failed",
        19 => "we failed to authenticate",
        20 => "traffic limit",
        21 => "peer has no permission",
        _ => "unknown",
    };
    format!("exit {code}: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life() -> Life {
        Life::default()
    }

    #[test]
    fn every_code_has_its_action() {
        let fixed = Next::Fixed(Duration::from_secs(30));
        let expected = [
            (0, Next::Quick),
            (1, Next::Backoff),
            (2, Next::Never),
            (3, Next::Never),
            (4, Next::LoadModules(Duration::from_secs(30))),
            (5, Next::Quick),
            (6, Next::Backoff),
            (7, Next::Backoff),
            (8, Next::Backoff),
            (9, Next::Backoff),
            (10, Next::Backoff),
            (11, Next::AuthHold),
            (12, Next::Backoff),
            (13, Next::Quick),
            (14, fixed),
            (15, Next::Quick),
            (16, Next::Quick),
            (17, fixed),
            (18, Next::Backoff),
            (19, Next::AuthHold),
            (20, Next::Quick),
            (21, Next::AuthHold),
            (99, Next::Backoff),
        ];
        for (code, next) in expected {
            assert_eq!(classify(Exit::Code(code), &life()).1, next, "code {code}");
        }
        assert_eq!(classify(Exit::Signal(9), &life()).1, Next::Quick);
    }

    #[test]
    fn negotiation_failures_differ_by_what_came_before() {
        let joined = Life {
            attached: true,
            ..life()
        };
        assert_eq!(classify(Exit::Code(10), &joined).1, Next::Barrier);
        let paced = Life {
            lasted: Duration::from_secs(10),
            ..life()
        };
        for code in [10, 15, 16] {
            assert_eq!(classify(Exit::Code(code), &paced).1, Next::Paced);
        }
        let renegotiated = Life {
            renegotiated: true,
            attached: true,
            ..life()
        };
        assert_eq!(classify(Exit::Code(16), &renegotiated).1, Next::Barrier);
        let ours = Life {
            renegotiated: true,
            stopped_by_us: true,
            ..life()
        };
        assert_eq!(classify(Exit::Code(16), &ours).1, Next::Nothing);
    }

    #[test]
    fn a_refused_password_is_one_family() {
        let after = Life {
            since_auth_failure: Some(Duration::from_secs(20)),
            ..life()
        };
        for code in [19, 16, 8] {
            assert_eq!(
                classify(Exit::Code(code), &after),
                (Family::Auth, Next::AuthHold)
            );
        }
        let long_ago = Life {
            since_auth_failure: Some(Duration::from_mins(10)),
            ..life()
        };
        assert_eq!(classify(Exit::Code(16), &long_ago).1, Next::Quick);
        let said = Life {
            auth_failed: true,
            ..life()
        };
        assert_eq!(classify(Exit::Code(16), &said).1, Next::AuthHold);
    }

    #[test]
    fn a_stale_channel_is_detached() {
        let stale = Life {
            stale_channel: true,
            ..life()
        };
        assert_eq!(classify(Exit::Code(1), &stale).1, Next::Detach);
    }
}
