//! Classic mode over Ethernet, with a real access concentrator at the other end.

use std::time::Duration;

use super::host::{self, HUB_END, LEAF_END};
use super::probe::Probe;
use super::side::Care;
use super::world::{World, now};

/// Name of the cable's ends.
const CABLE: &str = "dsl";

#[test]
#[ignore = "needs the test VM"]
fn a_pppoe_line_comes_back_with_its_routes() {
    let mut world = World::new(0, Care::Keeper, Care::Loop);
    world.leaf.host.plug(&world.hub.host, CABLE);
    let hub = &world.hub.host;
    hub.shell("echo 'noauth noccp nodefaultroute lcp-echo-interval 1 lcp-echo-failure 2' > /etc/ppp/pppoe");
    let mut concentrator = hub
        .command("pppoe-server")
        .args(["-F", "-I", CABLE, "-O", "/etc/ppp/pppoe", "-N", "4"])
        .args(["-L", HUB_END, "-R", LEAF_END])
        .spawn()
        .unwrap();
    world.leaf.extra = "mode = \"classic\"\nifname = \"wan0\"\n".into();
    world.leaf.other_links = format!("[[bundle.link]]\npppoe = \"{CABLE}\"\n");
    world.leaf.write_config(&world.relay, 0);
    world.leaf.start_pppmon();

    let leaf = &world.leaf.host;
    let route = |wanted: &str| leaf.shell("ip route show 10.99.0.0/24").contains(wanted);
    host::wait_for("the interface", Duration::from_secs(30), || {
        leaf.shell("ip route replace 10.99.0.0/24 dev wan0 metric 7 && echo ok") == "ok\n"
    });
    host::wait_for("the fallback", Duration::from_secs(10), || {
        route("unreachable")
    });
    world.hub.add_route_once();
    let probe = Probe::start(leaf, hub);
    probe.wait_until_steady(Duration::from_secs(30));
    assert!(probe.tcp_alive(Duration::from_secs(10)));

    hub.shell(&format!("ip link set {CABLE} down"));
    host::wait_for("the route to go", Duration::from_secs(15), || {
        !route("dev wan0")
    });
    assert!(route("unreachable"), "the fallback stands in");
    hub.shell(&format!("ip link set {CABLE} up"));
    let plugged = now();
    world.hub.add_route_soon();
    let usable = probe.first_reply_after(plugged, Duration::from_mins(1));
    println!("PPPoE, cable pulled: usable after {usable:?}");
    assert!(usable.is_some());
    assert!(route("dev wan0 scope link metric 7"));
    assert!(
        probe.tcp_alive(Duration::from_secs(150)),
        "the TCP stream is dead"
    );
    drop((probe, world));
    concentrator.wait().unwrap();
}
