//! `blockfuse list`.

use nightshift_testkit::{Sandbox, has};
use serde_json::Value;

use crate::mounted::blockfuse;

#[test]
fn every_entry_is_listed_with_its_reason_and_nothing_to_export_is_1() {
    let sandbox = Sandbox::new();
    sandbox.file("file", "x");
    sandbox.symlink("/dev/null", "null");
    sandbox.symlink("nowhere", "dangling");
    sandbox.dir("sub");
    let expected = "\
dangling             left out: dangling link
file                 left out: regular file
null                 left out: character device
sub                  left out: directory
";
    blockfuse(["list"])
        .arg(sandbox.path())
        .run()
        .assert(1, expected, "");
    let output = blockfuse(["list", "--json"]).arg(sandbox.path()).run();
    let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(listed[0]["name"], "dangling");
    assert_eq!(listed[0]["exported"], false);
    assert_eq!(listed[0]["reason"], "dangling link");
    assert_eq!(listed[0]["size"], Value::Null);
    assert_eq!(listed[1]["path"], *sandbox.join("file").to_string_lossy());
}

#[test]
fn regular_files_are_exported_on_request() {
    let sandbox = Sandbox::new();
    sandbox.file("image", vec![0; 1 << 20]);
    blockfuse(["list", "--include-files"])
        .arg(sandbox.path())
        .run()
        .assert(0, "image   1.00 MiB  exported\n", "");
}

#[test]
fn a_missing_source_is_a_failure() {
    blockfuse(["list", "/nonexistent"]).run().assert(
        3,
        "",
        has("cannot read the source directory /nonexistent: No such file or directory"),
    );
}

mod privileged {
    use nightshift_testkit::LoopDevice;

    use super::*;
    use crate::source::{MIB, Source};

    #[test]
    #[ignore = "needs root"]
    fn devices_have_size_number_and_identity() {
        let source = Source::new();
        let device = source.noisy("disk", MIB + 512);
        let output = blockfuse(["list", "--json", "--probe"])
            .arg(source.path())
            .run()
            .success();
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
        let entry = &listed[0];
        assert_eq!(entry["name"], "disk");
        assert_eq!(entry["size"], MIB + 512);
        assert_eq!(entry["exported"], true);
        assert!(entry["reason"].is_null() && entry["problem"].is_null());
        assert!(entry["device"].as_str().unwrap().starts_with("7:"));
        assert_eq!(entry["identity"], format!("name:{}", device.name()));
    }

    #[test]
    #[ignore = "needs root"]
    fn a_probe_finds_what_a_scan_cannot_know() {
        let source = Source::new();
        let device = LoopDevice::of_size(MIB);
        source.link("disk", &device);
        std::fs::File::options()
            .write(true)
            .open(device.backing())
            .unwrap()
            .set_len(0)
            .unwrap();
        blockfuse(["list"]).arg(source.path()).run().success();
        blockfuse(["list", "--probe"])
            .arg(source.path())
            .run()
            .assert(
                1,
                has("exported, but cannot be read: Input/output error"),
                "",
            );
    }
}
