//! The parts that talk to the kernel, and the database beside the tool of its own format.

use std::fs::File;
use std::process::Command;

use pppmon::net::Netlink;
use pppmon::phantom::{Report, Resync};
use pppmon::seq::Width;
use pppmon::sys;
use pppmon::tdb::Tdb;
use pppmon::unit::{Frame, Unit};

use super::host::whole_processor;

fn modules() {
    let modules = ["ppp_generic", "ppp_async", "ppp_synctty", "pppoe", "dummy"];
    assert!(
        Command::new("modprobe")
            .arg("-a")
            .args(modules)
            .status()
            .unwrap()
            .success()
    );
}

fn resync(unit: &Unit, width: Width) -> Report {
    let mut netlink = Netlink::open().unwrap();
    let mut resync = Resync::begin(unit, width).unwrap();
    loop {
        if let Some(report) = resync.step(unit, &mut netlink).unwrap() {
            return report;
        }
    }
}

#[test]
#[ignore = "needs the test VM"]
fn counters_come_back_to_zero_as_often_as_needed() {
    let _alone = whole_processor();
    modules();
    let unit = Unit::create(1500, Width::Long).unwrap();
    // Past round 128 a receiver that was reset by its flag would be deaf for good.
    for round in 0..140 {
        let report = resync(&unit, Width::Long);
        assert!(report.sent_before <= round + 1, "{report:?}");
        assert_eq!(report.burnt, 0);
    }
    assert_eq!(unit.read().unwrap(), Frame::NoChannels);
}

#[test]
#[ignore = "needs the test VM"]
fn short_numbers_always_return_to_zero() {
    let _alone = whole_processor();
    modules();
    let unit = Unit::create(1500, Width::Short).unwrap();
    let first = resync(&unit, Width::Short);
    assert_eq!((first.sent_before, first.burnt), (1, 0xfff));
    assert_eq!(
        resync(&unit, Width::Short).sent_before,
        1,
        "the probe itself is number 0"
    );
}

#[test]
#[ignore = "needs the test VM"]
fn the_upper_half_is_burnt_to_the_fragment() {
    let _alone = whole_processor();
    modules();
    let unit = Unit::create(1500, Width::Long).unwrap();
    let mut netlink = Netlink::open().unwrap();
    // Send half the range out of the unit, through a session that swallows it.
    netlink.add_dummy("swallow", 12).unwrap();
    {
        let session = sys::pppoe_session("swallow", 3).unwrap();
        let channel = File::options()
            .read(true)
            .write(true)
            .open("/dev/ppp")
            .unwrap();
        sys::ppp_attach_channel(&channel, sys::ppp_channel(&session).unwrap()).unwrap();
        sys::ppp_connect(&channel, unit.number()).unwrap();
        let mut frame = vec![0; 64_000];
        frame[..2].copy_from_slice(&[0xc0, 0x57]);
        for _ in 0..=(0x80_0000 / 16_000) {
            unit.write(&frame).unwrap();
        }
    }
    netlink.delete_link("swallow").unwrap();
    let report = resync(&unit, Width::Long);
    assert!(report.sent_before >= 0x80_0000, "{report:?}");
    assert_eq!(report.sent_before + report.burnt, 1 << 24, "{report:?}");
    assert_eq!(
        resync(&unit, Width::Long).sent_before,
        1,
        "the probe itself is number 0"
    );
    let device = format!("pppburn{}", unit.number());
    assert!(
        netlink.interface(&device).unwrap().is_none(),
        "the device is gone"
    );
}

#[test]
#[ignore = "needs the test VM"]
fn the_database_is_what_its_own_tool_reads_and_writes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pppd2.tdb");
    let tool = |arguments: &[&str]| {
        let output = Command::new("tdbtool")
            .arg(&path)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let tdb = Tdb::open(&path).unwrap();
    for n in 0..300 {
        let value = "v".repeat(n % 70 + 1);
        tdb.store(format!("UNIT={n}").as_bytes(), value.as_bytes())
            .unwrap();
    }
    for n in (0..300).step_by(3) {
        assert!(tdb.delete(format!("UNIT={n}").as_bytes()).unwrap());
    }
    for n in 0..40 {
        tdb.store(format!("PPPD_PID={n}").as_bytes(), b"pppd1")
            .unwrap();
    }
    assert!(tool(&["check"]).contains("Database integrity is OK"));
    assert!(tool(&["show", "UNIT=4"]).contains("vvvv"));
    tool(&["insert", "UNIT=1000", "by the tool"]);
    tool(&["delete", "UNIT=1"]);
    assert_eq!(tdb.fetch(b"UNIT=1000").unwrap().unwrap(), b"by the tool");
    assert_eq!(tdb.fetch(b"UNIT=1").unwrap(), None);
    assert!(tool(&["check"]).contains("Database integrity is OK"));
}
