//! What administrators fear, one test each.

use std::thread::sleep;
use std::time::Duration;

use super::{Care, Unchanged, World, all, host, now};

const KEEPER: Care = Care::Keeper;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
#[ignore = "needs the test VM"]
fn one_line_of_three_is_pulled() {
    let (world, probe) = World::up(3, KEEPER, KEEPER);
    let unchanged = Unchanged::note(&world);
    let start = now();
    world.relay.set_cut([1], true);
    sleep(seconds(8));
    let gap = probe.longest_gap_since(start);
    println!("one of three pulled: longest gap {gap:?}");
    assert!(gap < Duration::from_millis(5000), "{gap:?}");
    world.relay.set_cut([1], false);
    world.wait_for_links();
    unchanged.check(&world, &probe);
}

#[test]
#[ignore = "needs the test VM"]
fn all_lines_are_pulled_for_ten_seconds() {
    let (world, probe) = World::up(2, KEEPER, KEEPER);
    let unchanged = Unchanged::note(&world);
    world.relay.set_cut(all(&world), true);
    sleep(seconds(10));
    world.relay.set_cut(all(&world), false);
    let usable = probe.first_reply_after(now(), seconds(10));
    println!("all pulled for 10 s: usable after {usable:?}");
    assert!(usable.is_some());
    unchanged.check(&world, &probe);
    world.wait_for_links();
}

#[test]
#[ignore = "needs the test VM"]
fn the_peer_is_away_for_one_second() {
    let (mut world, probe) = World::up(2, KEEPER, KEEPER);
    let unchanged = Unchanged::note(&world);
    world.hub.power_off(&world.relay);
    sleep(seconds(1));
    world.restart_hub();
    let usable = probe.first_reply_after(now(), seconds(20));
    println!("peer away for 1 s: usable after {usable:?}");
    assert!(usable.is_some_and(|usable| usable < seconds(10)), "{usable:?}");
    unchanged.check(&world, &probe);
    host::wait_for("all links", seconds(20), || world.leaf.pppmon(&["status"]).1 == 0);
}
