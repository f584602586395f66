//! The supervisor with pppds made of shell, for what a real one does rarely.

use std::time::{Duration, Instant};

use super::fake::{Ending, Fake};
use super::host::{shared_processor, wait_for, whole_processor};

#[test]
#[ignore = "needs the test VM"]
fn the_first_respawn_comes_at_once_and_then_with_growing_delays() {
    let _others = shared_processor();
    let ending = Ending::start();
    let starts = || ending.notes(0, "start");
    wait_for("five starts", Duration::from_secs(30), || {
        starts().len() >= 5
    });
    let starts = starts();
    assert!(starts[1] - starts[0] < starts[4] - starts[3], "{starts:?}");
    assert!(starts[4] - starts[3] > 0.5, "{starts:?}");
    assert!(ending.0.status().unwrap().bundles[0].links[0].starts < 12);
    let respawns = ending.respawns();
    let starts_alone = ending.process_starts();
    println!("first respawns: {respawns:.3?} s, starts of a process: {starts_alone:.3?} s");
    // The machine may be busy: only far from any second attempt is certain.
    assert!(respawns[0] < starts[4] - starts[3], "{respawns:?}");
}

#[test]
#[ignore = "needs the test VM"]
fn refused_options_wait_for_a_reload() {
    let _others = shared_processor();
    let fake = Fake::start("exit 2", 1, 1, "");
    wait_for("the state", Duration::from_secs(10), || {
        fake.state(0) == "config-error"
    });
    assert_eq!(fake.status().unwrap().bundles[0].links[0].starts, 1);
    assert!(fake.log().contains("pppd refuses its options"));
    let reload = || {
        pppmon::control::ask(
            &fake.path("run/control.sock"),
            &pppmon::control::Request::Reload,
        )
        .unwrap()
    };
    assert_eq!(reload().error, None);
    wait_for("another attempt", Duration::from_secs(10), || {
        fake.status().unwrap().bundles[0].links[0].starts == 2
    });
}

#[test]
#[ignore = "needs the test VM"]
fn deaf_pppds_are_killed() {
    let _others = shared_processor();
    // Link 0 ignores SIGTERM, link 1 ends on it.
    let script = "case \"$*\" in *'line 0 0'*) trap '' TERM;; esac; \
                  echo 'Using interface ppp9'; while :; do sleep 1; done";
    let fake = Fake::start(script, 1, 2, "");
    wait_for("both", Duration::from_secs(10), || {
        fake.state(0) == "negotiating" && fake.state(1) == "negotiating"
    });
    let down = pppmon::control::Request::Down {
        target: "b0".into(),
    };
    let asked = Instant::now();
    pppmon::control::ask(&fake.path("run/control.sock"), &down).unwrap();
    wait_for("both to end", Duration::from_secs(10), || {
        fake.state(0) == "disabled" && fake.state(1) == "disabled"
    });
    assert!(
        asked.elapsed() >= Duration::from_secs(2),
        "patience comes first"
    );
    assert!(fake.log().contains("pppd hangs, killed"));
}

#[test]
#[ignore = "needs the test VM"]
fn a_pppd_without_its_database_is_reported() {
    let _others = shared_processor();
    let script = "echo \"Warning: couldn't open ppp database /nowhere\"; sleep 1; exit 1";
    let fake = Fake::start(script, 1, 1, "");
    wait_for("the message", Duration::from_secs(10), || {
        fake.log().contains("pppd cannot open its database")
    });
}

#[test]
#[ignore = "needs the test VM"]
fn many_links_are_cheap() {
    let _alone = whole_processor();
    let fake = Fake::start("echo 'Using interface ppp9'; exec sleep 1000", 16, 8, "");
    let negotiating = || {
        // A look costs the supervisor time that the links need.
        std::thread::sleep(Duration::from_millis(200));
        let status = fake.status().unwrap();
        let links = status.bundles.iter().flat_map(|b| &b.links);
        links.filter(|link| link.state == "negotiating").count()
    };
    wait_for("128 links", Duration::from_mins(1), || negotiating() == 128);
    let (before, started) = (fake.cpu(), Instant::now());
    std::thread::sleep(Duration::from_secs(3));
    let (used, elapsed) = (fake.cpu().saturating_sub(before), started.elapsed());
    let memory = fake.memory_kib();
    println!("128 links in 16 bundles: {memory} KiB resident, {used:?} of {elapsed:?} processor");
    assert!(memory <= 14 * 1024, "{memory} KiB");
    assert!(used < elapsed / 20, "{used:?} of {elapsed:?}: a busy loop");
}
