//! The daemon: metrics, probes on request, signals, and what it tells the service manager.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nightshift_testkit::{Signal, any, has, killed_by, wait_for, wait_value};

use crate::fleet::{Fleet, free_port};

const LIMIT: Duration = Duration::from_secs(30);

/// One HTTP request to the daemon; empty while nobody listens.
pub(crate) fn get(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return String::new();
    };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn watch_sweeps_serves_metrics_reloads_and_ends() {
    let mut fleet = Fleet::new(4);
    let targets = String::from_utf8(fleet.sandbox.read("targets")).unwrap();
    let (first_three, last) = targets.trim_end().rsplit_once('\n').unwrap();
    let file = fleet.sandbox.file("watched", format!("{first_three}\n"));
    let notified = UnixDatagram::bind(fleet.sandbox.join("notify")).unwrap();
    notified.set_read_timeout(Some(LIMIT)).unwrap();
    let told = || {
        let mut buffer = [0; 512];
        let n = notified.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..n]).into_owned()
    };
    let port = free_port();
    let watch = fleet
        .tool(&["watch", "--every", "1s", "--listen"])
        .arg(format!("127.0.0.1:{port}"))
        .arg("-f")
        .arg(&file)
        .env("NOTIFY_SOCKET", fleet.sandbox.join("notify"))
        .spawn();
    assert!(told().contains("READY=1"));
    assert!(told().contains("STATUS=watching"));

    let target = fleet.target(0);
    let metrics = get(port, "/metrics");
    for line in [
        format!("certwatch_leaf_not_after_seconds{{target=\"{target}\"}} "),
        format!("certwatch_path_not_after_seconds{{target=\"{target}\"}} "),
        format!("certwatch_leaf_lifetime_left_ratio{{target=\"{target}\"}} 0.77"),
        "certwatch_outcome_total{outcome=\"ok\"} ".to_owned(),
        "certwatch_open_events{severity=\"warning\"} 0\n".to_owned(),
        "certwatch_legacy_ratio 0.0000\n".to_owned(),
        "certwatch_store_errors_total 0\n".to_owned(),
    ] {
        assert!(metrics.contains(&line), "no {line} in {metrics}");
    }
    let probe = get(
        port,
        &format!("/probe?target={}", target.replace(':', "%3A")),
    );
    assert!(
        probe.contains("certwatch_outcome_total{outcome=\"ok\"} 1\n"),
        "{probe}"
    );
    let unlisted = last.split(' ').next().unwrap();
    let path = format!("/probe?target={unlisted}");
    assert!(get(port, &path).starts_with("HTTP/1.1 403 "));
    assert!(get(port, "/other").starts_with("HTTP/1.1 404 "));

    // A second one has to wait, in whichever form.
    fleet.scan().run().assert(75, "", has("another"));

    fleet.swap(0, "other");
    watch.wait_for_stderr("owner-changed", LIMIT);
    wait_for("the open event is counted", LIMIT, || {
        get(port, "/metrics").contains("certwatch_open_events{severity=\"warning\"} 1\n")
    });
    // A broken file is no reason to stop watching what was listed.
    fleet.sandbox.file("watched", "");
    watch.signal(Signal::HUP);
    watch.wait_for_stderr("no targets in", LIMIT);
    fleet.sandbox.file("watched", &targets);
    watch.signal(Signal::HUP);
    wait_value("the new target is known", LIMIT, || {
        get(port, &path).starts_with("HTTP/1.1 200 ").then_some(())
    });
    watch.signal(Signal::TERM);
    let out = watch.wait(LIMIT);
    assert_eq!(
        out.stderr_text().matches("owner-changed").count(),
        1,
        "{out}"
    );
    out.assert(killed_by(Signal::TERM), "", any());
    wait_for("the end is announced", LIMIT, || {
        told().contains("STOPPING=1")
    });
}
