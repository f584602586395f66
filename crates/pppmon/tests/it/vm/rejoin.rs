//! A peer whose pppds persist: a link that was lost comes back outside of its bundle.

use std::time::Duration;

use super::host;
use super::probe::Probe;
use super::side::Care;
use super::world::{Unchanged, World, all, now};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Two links; the pppd of the first owns the peer's bundle.
fn persisting_peer() -> (World, Probe) {
    let mut world = World::new(2, Care::Keeper, Care::Persist);
    world.hub.start_stock(&world.relay, 0);
    world.leaf.start(&world.relay, 2);
    host::wait_for("the first link", seconds(20), || {
        world.leaf.link_state(0) == "attached"
    });
    world.hub.start_stock(&world.relay, 1);
    let probe = world.observe();
    (world, probe)
}

/// Waits until one of the links is left out; packets must flow over the other.
fn one_is_left_out(world: &World, probe: &Probe) {
    let left_out = |link| world.leaf.link_state(link) == "peer-does-not-join";
    host::wait_for("a link to be left out", seconds(60), || {
        left_out(0) || left_out(1)
    });
    // The state is told before the log has been written.
    host::wait_for("the alarm", seconds(5), || {
        let log = world.leaf.log_text();
        log.contains("the peer does not join it to its bundle")
            && log.contains("run pppd with `nopersist`")
    });
    probe.wait_until_steady(seconds(20));
    let status = world.leaf.status().unwrap();
    assert_eq!(status.bundles[0].attached, 1);
    assert!(!(left_out(0) && left_out(1)));
}

#[test]
#[ignore = "needs the test VM"]
fn a_link_that_the_peer_does_not_join_again_is_left_out() {
    let (world, probe) = persisting_peer();
    let unchanged = Unchanged::note(&world);
    world.relay.set_cut([1], true);
    host::wait_for("both ends to lose the link", seconds(15), || {
        world.leaf.link_state(1) != "attached" && world.hub.log_text().contains("No response to")
    });
    world.relay.set_cut([1], false);
    one_is_left_out(&world, &probe);
    assert_eq!(world.leaf.link_state(1), "peer-does-not-join");
    unchanged.check(&world, &probe);
}

#[test]
#[ignore = "needs the test VM"]
fn after_a_total_loss_one_link_of_such_a_peer_still_works() {
    let (world, probe) = persisting_peer();
    let unchanged = Unchanged::note(&world);
    // Slow machines lose an echo at other times too.
    let losses = || world.hub.log_text().matches("No response to").count();
    let before = losses();
    world.relay.set_cut(all(&world), true);
    host::wait_for("both ends to lose the links", seconds(15), || {
        [0, 1]
            .iter()
            .all(|&n| world.leaf.link_state(n) != "attached")
            && losses() >= before + 2
    });
    world.relay.set_cut(all(&world), false);
    // The peer's route went with its interface; put it back as a hook would.
    world.hub.add_route_soon();
    assert!(probe.first_reply_after(now(), seconds(40)).is_some());
    one_is_left_out(&world, &probe);
    unchanged.check(&world, &probe);
}
