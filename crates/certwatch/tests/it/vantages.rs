//! More than one vantage point: in one store, and through exported files.

use nightshift_testkit::{Cmd, NetNs, PostgresServer, has, has_all, needs};

use crate::fleet::{Fleet, free_port, next_second};

#[test]
fn compare_names_what_only_one_vantage_sees() {
    let mut fleet = Fleet::new(2);
    fleet
        .tool_at("north", &["compare"])
        .run()
        .assert(3, "", has("there is none"));
    let scan = |fleet: &Fleet, vantage: &str| {
        let targets = fleet.sandbox.join("targets");
        fleet.tool_at(vantage, &["scan", "-f"]).arg(targets).run()
    };
    scan(&fleet, "north").assert(0, "", "");
    scan(&fleet, "south").assert(0, "", "");
    fleet.tool(&["compare"]).run().assert(0, "", "");
    fleet.swap(0, "0");
    scan(&fleet, "south").assert(0, "", "");
    let target = fleet.target(0);
    fleet.tool(&["compare"]).run().assert(
        1,
        has_all([target.as_str(), "only seen by north", "only seen by south"]),
        "",
    );
    fleet
        .tool(&["compare", "--vantages", "north,south", "--json"])
        .run()
        .assert(
            1,
            has_all(["\"quorum\":false", "\"vantages\":[\"south\"]"]),
            "",
        );
    fleet
        .tool(&["compare", "--vantages", "east"])
        .run()
        .assert(2, "", has("no vantage east"));
}

#[test]
fn a_run_file_is_taken_whole_or_not_at_all() {
    let fleet = Fleet::new(2);
    let file = fleet.sandbox.join("south.runs");
    fleet
        .tool_at("south", &["scan", "-f"])
        .arg(fleet.sandbox.join("targets"))
        .run()
        .assert(0, "", "");
    fleet
        .tool_at("south", &["export"])
        .arg(&file)
        .run()
        .assert(0, "", "");
    let text = fleet.sandbox.read("south.runs");
    let half = fleet.sandbox.file("half", &text[..text.len() / 2]);
    let import = |file| fleet.tool_at("north", &["import", "run"]).arg(file).run();
    import(&half).assert(3, "", has("half: line "));
    // Twice: a file replaces what the same vantage said before.
    import(&file).assert(0, "", "");
    import(&file).assert(0, "", "");
    fleet
        .tool(&["show", &fleet.target(0), "--history"])
        .run()
        .assert(0, has("from south"), "");
}

mod privileged {
    use super::*;

    /// A server, one observer beside it, and another one behind a proxy that begins to intercept:
    /// the class of attack that no rule about issuers sees, for the proxy's CA has the same owner.
    #[test]
    #[ignore = "needs root"]
    fn a_proxy_before_one_vantage_is_told_by_the_other() {
        needs::root();
        let [server, proxy, north, south] =
            ["cw-server", "cw-proxy", "cw-north", "cw-south"].map(NetNs::new);
        north.connect("10.77.1.2/24", &server, "10.77.1.1/24", "n0");
        proxy.connect("10.77.2.2/24", &server, "10.77.2.1/24", "p0");
        south.connect("10.77.1.3/24", &proxy, "10.77.1.1/24", "s0");
        let port = free_port();
        let mut fleet = Fleet::within(&server, port, 3, None);
        let mut interceptor = Fleet::within(&proxy, port, 3, Some(&format!("10.77.2.1:{port}")));
        let mut roots = fleet.sandbox.read("roots.pem");
        roots.extend(interceptor.sandbox.read("roots.pem"));
        fleet.sandbox.file("roots.pem", roots);
        let targets = [0, 1, 2].map(|n| format!("10.77.1.1:{port} sni=h{n}.fleet.test\n"));
        let targets = targets.concat();
        let targets = fleet.sandbox.file("targets", targets);

        let database = PostgresServer::new();
        let shared = database.database("certwatch");
        let own = |vantage: &str| fleet_store(&fleet, vantage);
        let (north_store, south_store) = (own("north"), own("south"));
        let mut tool = |store: &str, vantage: &str, args: &[&str]| -> Cmd {
            fleet.keep_at(store);
            fleet.tool_at(vantage, args)
        };
        let mut scan = |ns: &NetNs, vantage: &str, own: &str| {
            [shared.as_str(), own].map(|store| {
                tool(store, vantage, &["scan", "-f"])
                    .arg(&targets)
                    .in_netns(ns)
                    .run()
            })
        };
        for _ in 0..2 {
            for out in scan(&north, "north", &north_store) {
                out.assert(0, "", "");
            }
            for out in scan(&south, "south", &south_store) {
                out.assert(0, "", "");
            }
        }
        interceptor.intercept();
        next_second();
        for out in scan(&south, "south", &south_store) {
            let out = out.assert(1, has("issuer-unseen"), "");
            assert!(!out.stdout_text().contains("split-vantage"), "{out}");
        }
        next_second();
        for out in scan(&north, "north", &north_store) {
            out.assert(0, "", "");
        }
        let [out, alone] = scan(&south, "south", &south_store);
        out.assert(
            1,
            has_all([
                "critical",
                "split-vantage",
                "vantage north still serves the old one",
            ]),
            "",
        );
        // With a memory of its own it cannot know.
        alone.assert(0, "", "");
        tool(&shared, "north", &["compare"]).run().assert(
            1,
            has_all(["only seen by south", "only seen by north"]),
            "",
        );

        let file = interceptor.sandbox.join("south.runs");
        tool(&south_store, "south", &["export"])
            .arg(&file)
            .run()
            .assert(0, "", "");
        tool(&north_store, "north", &["import", "run"])
            .arg(&file)
            .run()
            .assert(
                1,
                has_all(["critical", "split-vantage", "vantage north"]),
                "",
            );
        tool(&north_store, "north", &["compare"])
            .run()
            .assert(1, has("only seen by south"), "");
        tool(&north_store, "north", &["import", "run"])
            .arg(&file)
            .run()
            .assert(0, "", "");
    }

    fn fleet_store(fleet: &Fleet, vantage: &str) -> String {
        let path = fleet.sandbox.join(format!("{vantage}.db"));
        path.display().to_string()
    }
}
