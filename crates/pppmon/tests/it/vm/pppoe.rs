//! PPP over Ethernet, with a real access concentrator at the other end.

use std::process::Child;
use std::time::Duration;

use super::host::{self, HUB_END, LEAF_END};
use super::probe::Probe;
use super::side::Care;
use super::world::{Unchanged, World, now};

/// What the concentrator's pppds are told besides what a test adds.
const OPTIONS: &str = "noauth noccp novj nodefaultroute lcp-echo-interval 1 lcp-echo-failure 2 \
                       ipcp-restart 1";

/// How long a session may take to come back: the discovery of a pppd that asks in vain takes half a
/// minute, then comes the wait before the next attempt.
const PATIENCE: Duration = Duration::from_secs(75);

/// Two hosts with Ethernet cables between them, and pppmon's configuration on the leaf.
fn world(cables: &[&str], bundle: &str, options: &str) -> World {
    let mut world = World::new(0, Care::Keeper, Care::Loop);
    for cable in cables {
        world.leaf.host.plug(&world.hub.host, cable);
        let link = format!("[[bundle.link]]\npppoe = \"{cable}\"\n");
        world.leaf.other_links.push_str(&link);
    }
    world.leaf.extra = bundle.into();
    world.leaf.write_config(&world.relay, 0);
    // A concentrator knows the way to its clients.
    world.hub.install_hook();
    let log = world.hub.log_path();
    world.hub.host.shell(&format!(
        "echo '{OPTIONS} {options} logfile {}' > /etc/ppp/pppoe",
        log.display()
    ));
    world
}

/// Starts the concentrator, which gives each session the same address.
fn concentrator(world: &mut World, cables: &[&str], address: &str) -> Child {
    let mut command = world.hub.host.command("pppoe-server");
    command.args(["-F", "-O", "/etc/ppp/pppoe", "-N", "4"]);
    world
        .hub
        .host
        .shell(&format!("yes {address} | head -n 4 > /etc/ppp/addresses"));
    command.args(["-L", HUB_END, "-p", "/etc/ppp/addresses"]);
    for cable in cables {
        command.args(["-I", cable]);
    }
    world.hub.spawn_logged(command)
}

/// Routes through the interface of the classic line, and what stands in for them.
const ROUTES: &str =
    "ip route show 10.99.0.0/24; ip route show 10.50.0.0/16; ip route show table 77";
/// Its addresses but the link-local one, without the interface's index, and all rules.
const BESIDE: &str = "ip -o address show dev wan0 scope global | sed 's/^[0-9]*: //'; ip rule";

#[test]
#[ignore = "needs the test VM"]
fn a_pppoe_line_comes_back_with_its_routes_and_leaks_nothing() {
    let cables = ["dsl"];
    let mut world = world(&cables, "mode = \"classic\"\nifname = \"wan0\"\n", "");
    let mut server = concentrator(&mut world, &cables, LEAF_END);
    world.leaf.start_pppmon();

    let leaf = &world.leaf.host;
    let routes = || leaf.shell(ROUTES);
    host::wait_for("the interface", Duration::from_secs(30), || {
        leaf.shell("ip route replace 10.50.0.0/16 dev wan0 metric 7 && echo ok") == "ok\n"
    });
    // What an administrator may hang on it besides.
    let hung = leaf.shell(
        "set -e; ip address add 192.0.2.5/32 dev wan0; ip address add 2001:db8::5/64 dev wan0; \
         ip rule add iif wan0 lookup 77; ip rule add from 192.0.2.5 lookup 77; \
         ip route add 10.60.0.0/16 dev wan0 src 192.0.2.5 table 77; echo ok",
    );
    assert_eq!(hung, "ok\n");
    host::wait_for("the fallbacks", Duration::from_secs(10), || {
        let kept = world.leaf.pppmon(&["routes"]).0;
        routes().matches("unreachable").count() == 3 && kept.contains("address 2001:db8::5/64")
    });
    let with_line = routes();
    let beside = leaf.shell(BESIDE);
    assert!(beside.contains("192.0.2.5/32"), "{beside}");
    assert!(with_line.contains("10.99.0.0/24 dev wan0"), "{with_line}");
    assert!(with_line.contains("10.50.0.0/16 dev wan0"), "{with_line}");
    let probe = Probe::start(leaf, &world.hub.host);
    probe.wait_until_steady(Duration::from_secs(30));
    assert!(probe.tcp_alive(Duration::from_secs(10)));

    world.hub.host.reboot();
    let _ = server.wait();
    let leaf = &world.leaf.host;
    let routes = || leaf.shell(ROUTES);
    host::wait_for("the routes to go", Duration::from_secs(15), || {
        !routes().contains("wan0")
    });
    assert_eq!(
        routes().matches("unreachable").count(),
        3,
        "the fallbacks stand in"
    );
    let way = leaf.shell("ip route add default dev host0; ip route get 10.50.0.1 2>&1");
    assert!(
        way.contains("No route to host"),
        "a packet would leave: {way}"
    );

    let mut server = concentrator(&mut world, &cables, LEAF_END);
    let usable = probe.first_reply_after(now(), PATIENCE);
    println!("PPPoE, concentrator killed and back: usable after {usable:?}");
    assert!(usable.is_some());
    let leaf = &world.leaf.host;
    host::wait_for("all as it was", Duration::from_secs(5), || {
        leaf.shell(ROUTES) == with_line && leaf.shell(BESIDE) == beside
    });
    assert!(
        probe.tcp_alive(Duration::from_secs(150)),
        "the TCP stream is dead"
    );
    drop((probe, world));
    server.wait().unwrap();
}

#[test]
#[ignore = "needs the test VM"]
fn a_bundle_of_pppoe_sessions_is_kept() {
    let cables = ["dsl1", "dsl2"];
    let multilink = "multilink mrru 1500 nompshortseq bundle kb";
    let mut world = world(&cables, "", multilink);
    let mut server = concentrator(&mut world, &cables, LEAF_END);
    world.leaf.start_pppmon();
    world.wait_for_links();
    let probe = Probe::start(&world.leaf.host, &world.hub.host);
    probe.wait_until_steady(Duration::from_secs(30));
    assert!(probe.tcp_alive(Duration::from_secs(10)));
    let unchanged = Unchanged::note(&world);
    assert_eq!(world.leaf.status().unwrap().bundles[0].attached, 2);

    world.hub.host.reboot();
    let _ = server.wait();
    host::wait_for("the loss", Duration::from_secs(15), || {
        world.leaf.status().unwrap().bundles[0].attached == 0
    });
    let mut server = concentrator(&mut world, &cables, LEAF_END);
    let usable = probe.first_reply_after(now(), PATIENCE);
    println!("bundle over PPPoE, concentrator killed and back: usable after {usable:?}");
    assert!(usable.is_some());
    unchanged.check(&world, &probe);

    world.hub.host.reboot();
    let _ = server.wait();
    let mut server = concentrator(&mut world, &cables, "10.77.0.9");
    assert!(probe.first_reply_after(now(), PATIENCE).is_some());
    assert_eq!(world.leaf.ifindex(), unchanged.ifindex);
    let addresses = world.leaf.host.shell("ip -o -4 address show dev ppp0");
    assert!(addresses.contains(" 10.77.0.9 peer "), "{addresses}");
    assert!(!addresses.contains(LEAF_END), "{addresses}");
    assert!(
        probe.tcp_alive(Duration::from_secs(150)),
        "the TCP stream is dead"
    );
    drop((probe, world));
    server.wait().unwrap();
}
