//! What administrators fear, one test each.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::host::{self, HUB_END, LEAF_END, kill};
use super::side::Care;
use super::world::{Unchanged, World, all, now};

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
    sleep(seconds(6));
    let gap = probe.longest_gap_since(start);
    println!("one of three pulled: longest gap {gap:?}");
    assert!(gap < seconds(6), "{gap:?}");
    let (table, code) = world.leaf.pppmon(&["status"]);
    assert_eq!(code, 1, "{table}");
    assert!(table.contains("2/3 links"), "{table}");
    world.relay.set_cut([1], false);
    world.wait_for_links();
    unchanged.check(&world, &probe);
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
    assert!(
        usable.is_some_and(|usable| usable < seconds(10)),
        "{usable:?}"
    );
    world.wait_for_links();
    unchanged.check(&world, &probe);
}

/// How long pppds are killed at random: longer with `PPPMON_KILL_SECONDS`.
fn killing_time() -> Duration {
    let text = std::env::var("PPPMON_KILL_SECONDS").unwrap_or_default();
    seconds(text.parse().unwrap_or(5))
}

#[test]
#[ignore = "needs the test VM"]
fn pppds_are_killed_at_random() {
    let (world, probe) = World::up(3, KEEPER, KEEPER);
    let unchanged = Unchanged::note(&world);
    let mut jitter = pppmon::backoff::Jitter::new(20);
    let end = Instant::now() + killing_time();
    let mut killed = 0;
    while Instant::now() < end {
        let pids = world.leaf.pppds();
        if let Some(&pid) = pids.get(usize::try_from(jitter.below(pids.len() as u64)).unwrap()) {
            kill(pid, Signal::KILL);
            killed += 1;
        }
        sleep(Duration::from_millis(200 + jitter.below(800)));
    }
    assert!(killed >= 4, "{killed} killed");
    unchanged.check(&world, &probe);
}

#[test]
#[ignore = "needs the test VM"]
fn the_supervisor_is_killed_and_started_again() {
    let (mut world, probe) = World::up(2, KEEPER, KEEPER);
    let unchanged = Unchanged::note(&world);
    world.leaf.kill_supervisor();
    host::wait_for("the pppds to end with their parent", seconds(5), || {
        world.leaf.pppds().is_empty()
    });
    assert_eq!(
        world.leaf.ifindex(),
        unchanged.ifindex,
        "the holder keeps the interface"
    );
    assert!(world.leaf.has_route());
    world.leaf.start_pppmon();
    let usable = probe.first_reply_after(now(), seconds(20));
    println!("supervisor killed: usable {usable:?} after its restart");
    assert!(usable.is_some());
    unchanged.check(&world, &probe);
    world.wait_for_links();
    // Its pppds said goodbye, so the peer knew that it had to begin anew.
    for side in [&world.leaf, &world.hub] {
        let log = side.log_text();
        assert!(!log.contains("-> barrier"), "{log}");
    }

    // A plain end keeps the interface, `release` gives it up.
    let supervisor = world.leaf.pid();
    kill(supervisor, Signal::TERM);
    host::wait_for("its end", seconds(10), || world.leaf.status().is_none());
    assert_eq!(world.leaf.pppmon(&["status"]).1, 3);
    assert_eq!(world.leaf.ifindex(), unchanged.ifindex);
    world.leaf.start_pppmon();
    host::wait_for("its start", seconds(10), || world.leaf.status().is_some());
    assert_eq!(world.leaf.pppmon(&["release"]), (String::new(), 0));
    host::wait_for("the interface to go", seconds(10), || {
        world.leaf.ifindex().is_none()
    });
}

#[test]
#[ignore = "needs the test VM"]
fn an_interface_that_somebody_deletes_is_made_anew() {
    let (world, probe) = World::up(2, KEEPER, KEEPER);
    world.leaf.host.shell("ip link delete ppp0");
    host::wait_for("the message", seconds(10), || {
        world.leaf.log_text().contains("was deleted by somebody")
    });
    // Answers of before may still come in until then.
    world.wait_for_links();
    assert!(probe.first_reply_after(now(), seconds(25)).is_some());
    assert!(world.leaf.has_route());
}

#[test]
#[ignore = "needs the test VM"]
fn a_wrong_database_path_is_named_within_five_seconds() {
    let mut world = World::new(1, KEEPER, KEEPER);
    world.leaf.defaults = "database = \"/run/elsewhere.tdb\"\n".into();
    world.start();
    host::wait_for("the message", seconds(8), || {
        let log = world.leaf.log_text();
        log.contains("key-mismatch") && log.contains("/run/elsewhere.tdb")
    });
    let (report, code) = world.leaf.pppmon(&["doctor"]);
    assert_eq!(code, 1, "{report}");
    assert!(
        report.contains("but pppd uses /var/run/pppd2.tdb"),
        "{report}"
    );
}

#[test]
#[ignore = "needs the test VM"]
fn the_name_of_an_authenticated_peer_is_part_of_the_key() {
    let mut world = World::new(2, KEEPER, KEEPER);
    for side in [&world.leaf, &world.hub] {
        side.host
            .shell("echo 'leaf hub secret *' > /etc/ppp/chap-secrets");
    }
    world.leaf.extra = "user = \"leaf\"\n".into();
    world.hub.extra = "require_auth = true\nremote_name = \"leaf\"\n".into();
    for side in [&mut world.leaf, &mut world.hub] {
        let name = if side.host.name == "hub" {
            "hub"
        } else {
            "leaf"
        };
        side.link_options = format!("[\"name\", \"{name}\"]");
    }
    world.leaf.extra.push_str("remote_name = \"hub\"\n");
    world.start();
    world.wait_for_links();

    // The wrong password: long waits, no storm.
    world
        .leaf
        .host
        .shell("echo 'leaf hub wrong *' > /etc/ppp/chap-secrets");
    assert_eq!(world.leaf.pppmon(&["restart", "kb"]).1, 0);
    host::wait_for("both links to wait", seconds(20), || {
        [0, 1]
            .iter()
            .all(|&n| world.leaf.link_state(n) == "auth-hold")
    });
    let status = world.leaf.pppmon(&["status", "--json"]).0;
    let status: pppmon::status::Status = serde_json::from_str(&status).unwrap();
    for link in &status.bundles[0].links {
        assert!(link.starts <= 3, "{link:?}");
        assert_eq!(link.family.as_deref(), Some("auth"), "{link:?}");
    }
}

#[test]
#[ignore = "needs the test VM"]
fn the_hub_assigns_an_address_and_the_leaf_keeps_it() {
    let mut world = World::new(2, KEEPER, KEEPER);
    world.leaf.addresses = Some(String::new());
    world.hub.addresses = Some(format!("local = \"{HUB_END}\"\nremote = \"pool\"\n"));
    world.hub.head = "[hub]\npool = \"10.77.0.2-10.77.0.9\"\n".into();
    world.start();
    let probe = world.observe();
    let unchanged = Unchanged::note(&world);
    let addresses = world.leaf.host.shell("ip -o -4 address show dev ppp0");
    assert!(
        addresses.contains(&format!("{LEAF_END} peer {HUB_END}/32")),
        "{addresses}"
    );
    world.hub.power_off(&world.relay);
    world.restart_hub();
    assert!(probe.first_reply_after(now(), seconds(20)).is_some());
    let after = world.leaf.host.shell("ip -o -4 address show dev ppp0");
    assert_eq!(after, addresses);
    unchanged.check(&world, &probe);
}

#[test]
#[ignore = "needs the test VM"]
fn a_stock_peer_works_too() {
    let (world, probe) = World::up(2, KEEPER, Care::Loop);
    let unchanged = Unchanged::note(&world);
    world.relay.set_cut(all(&world), true);
    sleep(seconds(6));
    world.relay.set_cut(all(&world), false);
    // The stock peer lost its own route with its interface; put it back as a hook would.
    world.hub.add_route_soon();
    let usable = probe.first_reply_after(now(), seconds(25));
    println!("stock peer, all pulled: usable after {usable:?}");
    assert!(usable.is_some());
    unchanged.check(&world, &probe);
}

#[test]
#[ignore = "needs the test VM"]
fn commands_do_what_they_say() {
    let (world, probe) = World::up(2, KEEPER, KEEPER);
    let unchanged = Unchanged::note(&world);
    let leaf = &world.leaf;
    assert_eq!(leaf.pppmon(&["down", "kb/link2"]), (String::new(), 0));
    host::wait_for("link2 to end", seconds(5), || {
        leaf.link_state(1) == "disabled"
    });
    assert_eq!(leaf.pppmon(&["up", "kb/link2"]), (String::new(), 0));
    host::wait_for("link2 to join", seconds(10), || {
        leaf.link_state(1) == "attached"
    });

    let (routes, code) = leaf.pppmon(&["routes"]);
    assert_eq!((routes.as_str(), code), ("kb: 10.99.0.0/24 dev ppp0\n", 0));
    let (text, code) = leaf.pppmon(&["restart", "kb", "nobody"]);
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("there is no bundle nobody"), "{text}");
    world.wait_for_links();
    assert_eq!(leaf.pppmon(&["resync", "kb"]), (String::new(), 0));
    world.wait_for_links();
    let (text, code) = leaf.pppmon(&["run"]);
    assert_eq!(code, 75, "{text}");
    // A configuration with a mistake changes nothing.
    let good = std::fs::read_to_string(leaf.config_path()).unwrap();
    std::fs::write(leaf.config_path(), format!("{good}nonsense = 1\n")).unwrap();
    kill(leaf.pid(), Signal::HUP);
    host::wait_for("the refusal", seconds(5), || {
        leaf.log_text().contains("unknown field `nonsense`")
    });
    std::fs::write(leaf.config_path(), good).unwrap();
    assert_eq!(leaf.pppmon(&["reload"]), (String::new(), 0));
    world.wait_for_links();

    let metrics = leaf.host.shell("cat /run/nightshift/pppmon/metrics.prom");
    assert!(
        metrics.contains("pppmon_bundle_up{bundle=\"kb\"} "),
        "{metrics}"
    );
    unchanged.check(&world, &probe);
}

#[test]
#[ignore = "needs the test VM"]
fn classic_mode_puts_routes_back_and_leaks_nothing() {
    let mut world = World::new(1, KEEPER, Care::Loop);
    world.leaf.extra = "mode = \"classic\"\nifname = \"dsl0\"\n".into();
    world.leaf.link_options = "[\"multilink\", \"mrru\", \"1500\"]".into();
    world.start();
    let host = &world.leaf.host;
    let route = |wanted: &str| host.shell("ip route show 10.50.0.0/16").contains(wanted);
    host::wait_for("the interface", seconds(20), || {
        host.shell("ip route replace 10.50.0.0/16 dev dsl0 metric 7 && echo ok") == "ok\n"
    });
    host::wait_for("the fallback", seconds(10), || route("unreachable"));
    let pids = world.leaf.pppds();
    kill(pids[0], Signal::KILL);
    host::wait_for("the route to go", seconds(5), || !route("dev dsl0"));
    assert!(route("unreachable"), "the fallback stands in");
    host::wait_for("the route to return", seconds(30), || {
        route("dev dsl0 scope link metric 7")
    });
}

#[test]
#[ignore = "needs the test VM"]
fn the_watchdog_escalates_and_a_dry_run_does_nothing() {
    let mut world = World::new(1, KEEPER, KEEPER);
    world.leaf.head = "[watchdog]\nping = [\"10.77.0.1\"]\ntimeout = \"2s\"\nboot_timeout = \
                       \"20s\"\naction = [\"relink\", \"restart-bundle\"]\n"
        .into();
    world.hub.head = "[watchdog]\nping = [\"10.77.0.2\"]\ntimeout = \"2s\"\nboot_timeout = \
                      \"20s\"\naction = [\"reboot\"]\ndry_run = true\n"
        .into();
    world.start();
    let probe = world.observe();
    drop(probe);
    // Until then the timeout after boot counts.
    host::wait_for("an answer to both", seconds(10), || {
        let answered = |log: String| log.contains("answered for the first time");
        answered(world.leaf.log_text()) && answered(world.hub.log_text())
    });
    assert!(
        !world.leaf.log_text().contains("watchdog:"),
        "it is content while all works"
    );
    world.relay.set_cut(all(&world), true);
    host::wait_for("both steps", seconds(12), || {
        let log = world.leaf.log_text();
        log.contains("restarting all links") && log.contains("restarting all bundles")
    });
    host::wait_for("the dry run", seconds(5), || {
        world
            .hub
            .log_text()
            .contains("restarting the machine (dry run: not done)")
    });
    world.relay.set_cut(all(&world), false);
    world.wait_for_links();
}
