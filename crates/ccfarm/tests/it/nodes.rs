//! bench, status, env and run, against fake nodes.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use nightshift_testkit::{Sandbox, has, has_all, killed_by};
use rustix::process::Signal;

use crate::ccfarm;
use crate::fake_node::{ARMEL, Behaviour, FakeNode};
use crate::farm::FarmFile;

/// Answers each connection with these bytes.
fn stats_server(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // The client may have gone; the next one is served all the same.
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(answer);
        }
    });
    port
}

const ANSWER: &[u8] = include_bytes!("../../src/status/fixtures/distccd-3.4.txt");

fn farm_with_stats(sandbox: &Sandbox, ports: &[u16]) -> std::path::PathBuf {
    let mut farm = FarmFile::new();
    for (number, port) in ports.iter().enumerate() {
        let extra: &'static str = format!("stats_port = {port}\n").leak();
        farm.nodes
            .push((format!("n{number}"), "127.0.0.1".to_owned(), 3632, extra));
    }
    farm.connect_timeout = "1s";
    farm.write(sandbox)
}

#[test]
fn status_tells_each_node_s_counters_and_who_does_not_answer() {
    let sandbox = Sandbox::new();
    let up = stats_server(ANSWER);
    let both = farm_with_stats(&sandbox, &[up, 1]);
    let status = |args: &[&str]| {
        ccfarm()
            .args(["status", "--farm"])
            .arg(&both)
            .args(args)
            .run()
    };
    status(&[]).assert(
        4,
        has_all(["NODE  RUNNING", "n0          1      2         4"]),
        "",
    );
    status(&["--prometheus", "-"]).assert(
        4,
        has_all([
            "ccfarm_node_up{node=\"n0\"} 1",
            "ccfarm_node_up{node=\"n1\"} 0",
        ]),
        "",
    );
    let document: serde_json::Value = serde_json::from_slice(&status(&["--json"]).stdout).unwrap();
    assert_eq!(document["nodes"][0]["counters"]["compile_ok"], 4.0);
    assert_eq!(document["nodes"][1]["up"], false);

    let file = sandbox.join("ccfarm.prom");
    ccfarm()
        .args(["status", "--prometheus"])
        .arg(&file)
        .env("CCFARM_FARM", farm_with_stats(&sandbox, &[up]))
        .run()
        .assert(0, "", "");
    assert!(
        String::from_utf8(sandbox.read("ccfarm.prom"))
            .unwrap()
            .contains("_up{node=\"n0\"} 1")
    );

    ccfarm()
        .args(["status", "--farm"])
        .arg(farm_with_stats(&sandbox, &[1]))
        .run()
        .assert(3, has("cannot connect"), "");
    ccfarm()
        .args(["status", "--farm"])
        .arg(FarmFile::new().node("n1", "127.0.0.1", 1).write(&sandbox))
        .run()
        .assert(2, "", has("no node of the farm has a stats_port"));
}

#[test]
fn status_is_not_fooled_by_another_service() {
    let sandbox = Sandbox::new();
    let port = stats_server(b"HTTP/1.0 200 OK\r\n\r\n<html>hello</html>");
    ccfarm()
        .args(["status", "--farm"])
        .arg(farm_with_stats(&sandbox, &[port]))
        .run()
        .assert(3, has("n0    the answer holds no distcc statistics"), "");
}

#[test]
fn watching_goes_on_until_a_signal() {
    let sandbox = Sandbox::new();
    let farm = farm_with_stats(&sandbox, &[stats_server(ANSWER)]);
    let running = ccfarm()
        .args(["status", "--watch", "--farm"])
        .arg(farm)
        .spawn();
    running.wait_for_stdout("n0", std::time::Duration::from_secs(30));
    running.signal(Signal::TERM);
    let output = running.wait(std::time::Duration::from_secs(30));
    output.assert(killed_by(Signal::TERM), has("NODE"), "");
}

#[test]
fn bench_measures_real_objects_only_and_writes_slots_on_request() {
    let sandbox = Sandbox::new();
    let good = FakeNode::start(Behaviour::Object(ARMEL));
    let refusing = FakeNode::start(Behaviour::Hangup);
    let mut farm = FarmFile::new()
        .node("good", "127.0.0.1", good.address.port())
        .node("bad", "127.0.0.1", refusing.address.port());
    farm.nodes[0].3 = "cpus = 1 # a comment\n";
    let path = farm.write(&sandbox);
    let output = ccfarm()
        .args([
            "bench",
            "--jobs",
            "1,2",
            "--device-time",
            "1h",
            "--json",
            "--farm",
        ])
        .arg(&path)
        .run();
    assert_eq!(output.ending(), 4.into(), "{output}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["nodes"][0]["curve"][1]["jobs"], 2);
    assert_eq!(document["nodes"][0]["slots"], 1, "limited by cpus");
    assert!(
        document["nodes"][1]["detail"]
            .as_str()
            .unwrap()
            .contains("refused-compiler")
    );
    assert_eq!(document["enough_slots"], 1);
    assert_eq!(document["make_jobs"], 2);
    // MIN_JOBS at one at a time, three rounds of two.
    assert_eq!(good.jobs().len(), 5 + 6);

    ccfarm()
        .args(["bench", "--jobs", "0", "--farm"])
        .arg(&path)
        .run()
        .assert(2, "", has("--jobs"));
    let down = FarmFile::new().node("n1", "127.0.0.1", 1).write(&sandbox);
    ccfarm()
        .args(["bench", "--jobs", "1", "--farm"])
        .arg(down)
        .run()
        .assert(3, has("n1: down: cannot connect"), "");
}

#[test]
fn env_prints_and_run_sets_the_same_environment() {
    let sandbox = Sandbox::new();
    let farm = FarmFile::new()
        .node("n1", "10.77.0.2", 3632)
        .write(&sandbox);
    let env = ccfarm().args(["env", "--farm"]).arg(&farm).run();
    let hosts = "10.77.0.2:3632/2 --localslots=1 --localslots_cpp=2";
    env.assert(0, has(format!("export DISTCC_HOSTS=\"{hosts}\"\n")), "");

    let run = |command: &[&str]| {
        ccfarm()
            .args(["run", "--farm"])
            .arg(&farm)
            .arg("--")
            .args(command)
            .run()
    };
    run(&["sh", "-c", "echo $DISTCC_HOSTS; echo $PATH"]).assert(
        0,
        has_all([hosts, "/usr/local/lib/ccfarm/bin:/usr/local/sbin:"]),
        "",
    );
    run(&["sh", "-c", "exit 42"]).assert(42, "", "");
    run(&["sh", "-c", "kill -TERM $$"]).assert(killed_by(Signal::TERM), "", "");
    run(&["/nonexistent/program"]).assert(3, "", has("cannot run /nonexistent/program"));
    ccfarm()
        .args(["run", "--farm"])
        .arg(&farm)
        .run()
        .assert(2, "", has("COMMAND"));
}
