//! kill -9 at any instant, then one more run: always the same files.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Setup;

/// Rounds; `UPS_KILLS=200` is the long form.
fn rounds() -> u64 {
    std::env::var("UPS_KILLS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(25)
}

#[test]
fn whatever_instant_it_is_killed_at_the_next_run_completes() {
    let setup = Setup::new(6);
    setup.portal.slow_down(Duration::from_millis(4));
    let expected = setup.expected();
    let total = u64::try_from(expected.len()).unwrap();
    for round in 0..rounds() {
        let before = setup.portal.log().len();
        let running = setup.classic(&["fetch"]).spawn();
        // The instant is chosen by progress, not by time: after the n-th request of this run.
        let after = before + usize::try_from(round * 7 % (2 * total + 6)).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        let mut running = running;
        while setup.portal.log().len() < after && running.is_alive() {
            assert!(
                std::time::Instant::now() < deadline,
                "stuck at {} requests",
                setup.portal.log().len()
            );
            std::thread::sleep(Duration::from_millis(1));
        }
        // It may have ended just now, which is one of the instants.
        let pid = i32::try_from(running.pid())
            .ok()
            .and_then(Pid::from_raw)
            .unwrap();
        let _ = kill_process(pid, Signal::KILL);
        running.wait(Duration::from_secs(20));
        for (name, bytes) in setup.files() {
            let whole = expected.iter().find(|(known, _)| *known == name);
            assert!(
                name.contains(".part") || whole.is_some_and(|(_, b)| *b == bytes),
                "{name}"
            );
        }
        if round % 5 == 4 {
            setup.classic(&["fetch"]).run().assert(0, "", "");
            assert_eq!(setup.files(), expected, "round {round}");
            setup.classic(&["fsck"]).run().assert(0, "", "");
            std::fs::remove_dir_all(setup.sandbox.join("archive")).unwrap();
            std::fs::remove_dir_all(setup.sandbox.join("state")).unwrap();
        }
    }
}
