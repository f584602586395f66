//! What `cargo xtask demo pppmon` shows.

use std::thread::sleep;
use std::time::Duration;

use super::side::Care;
use super::world::{World, all, now};

#[test]
#[ignore = "needs the test VM"]
fn a_bundle_loses_all_its_lines_and_gets_them_back() {
    println!("two hosts, two lines, pppmon on both ends");
    let (world, probe) = World::up(2, Care::Keeper, Care::Keeper);
    let ifindex = world.leaf.ifindex();
    println!("{}", world.leaf.pppmon(&["status"]).0);
    println!("a TCP stream runs over it; now all lines are pulled out for 5 s");
    world.relay.set_cut(all(&world), true);
    sleep(Duration::from_secs(5));
    let (table, code) = world.leaf.pppmon(&["status"]);
    println!("{table}");
    assert_eq!(code, 10, "a bundle that is down");
    world.relay.set_cut(all(&world), false);
    let usable = probe
        .first_reply_after(now(), Duration::from_secs(20))
        .expect("a packet within 20 s");
    println!("plugged in again: first packet after {usable:.0?}");
    assert!(
        probe.tcp_alive(Duration::from_secs(30)),
        "the TCP stream is dead"
    );
    world.wait_for_links();
    println!("{}", world.leaf.pppmon(&["status"]).0);
    assert_eq!(world.leaf.ifindex(), ifindex);
    assert_eq!(probe.deletions(), Vec::<&str>::new());
    println!("same interface, same route, nothing was deleted, the TCP stream lives");
}
