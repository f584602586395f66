//! Exit codes and messages that need no node.

use nightshift_testkit::{Sandbox, has, has_all};

use crate::ccfarm;
use crate::fake_node::{AMD64, Behaviour, FakeNode};
use crate::farm::FarmFile;

#[test]
fn init_writes_a_valid_farm_and_never_overwrites() {
    let sandbox = Sandbox::new();
    let file = sandbox.join("farm.toml");
    ccfarm().arg("init").arg(&file).run().success();
    ccfarm()
        .args(["--show-config", "doctor", "--farm"])
        .arg(&file)
        .run()
        .success();
    let text = sandbox.read("farm.toml");
    ccfarm()
        .arg("init")
        .arg(&file)
        .run()
        .assert(3, "", has("cannot create"));
    assert_eq!(sandbox.read("farm.toml"), text);
}

#[test]
fn show_config_prints_every_value_with_its_origin() {
    let sandbox = Sandbox::new();
    let file = FarmFile::new().node("n1", "10.0.0.1", 3632).write(&sandbox);
    let output = ccfarm()
        .args(["doctor", "--show-config"])
        .env("CCFARM_FARM", &file)
        .run();
    output.assert(
        0,
        has_all([
            format!(
                "target.triple = \"arm-linux-gnueabi\"  # {}:5",
                file.display()
            ),
            "ccache.max_size = \"2G\"  # default".to_owned(),
            "probe.connect_timeout = \"30s\"".to_owned(),
        ]),
        "",
    );
}

#[test]
fn an_empty_farm_variable_is_an_error() {
    ccfarm()
        .arg("doctor")
        .env("CCFARM_FARM", "")
        .run()
        .assert(2, "", has("--farm"));
}

#[test]
fn a_missing_farm_file_names_the_way_out() {
    ccfarm()
        .args(["doctor", "--farm", "/nonexistent/farm.toml"])
        .run()
        .assert(
            2,
            "",
            has_all([
                "cannot read the farm file /nonexistent/farm.toml",
                "hint: `ccfarm init FILE`",
            ]),
        );
}

#[test]
fn a_mistake_is_reported_with_its_place_and_nothing_is_sent() {
    let node = FakeNode::start(Behaviour::Object(AMD64));
    let sandbox = Sandbox::new();
    let mut farm = FarmFile::new().node("n1", "127.0.0.1", node.address.port());
    farm.connect_timeout = "soon";
    let path = farm.write(&sandbox);
    ccfarm().args(["doctor", "--farm"]).arg(&path).run().assert(
        2,
        "",
        has_all([
            format!("{}:3:", path.display()),
            "\"soon\" is not a duration".to_owned(),
        ]),
    );
    assert!(node.jobs().is_empty());
}

#[test]
fn a_bad_command_line_is_a_usage_error() {
    for args in [
        &["doctor", "--nonsense"][..],
        &["doctor", "--strict"],
        &["probe"],
        &["probe", "box:0"],
        &["reference", "--via", "env"],
        &["-v"],
        &["init", "--show-config"],
    ] {
        let output = ccfarm().args(args).run();
        assert_eq!(output.ending(), 2.into(), "{args:?}\n{output}");
        assert_eq!(output.stdout_text(), "", "{args:?}");
    }
}

#[test]
fn probe_without_a_farm_reports_facts_and_judges_nothing() {
    let node = FakeNode::start(Behaviour::Object(AMD64));
    ccfarm()
        .arg("probe")
        .arg(node.address.to_string())
        .run()
        .assert(0, has("ELF64 x86-64, gcc 12.2.0"), "");
    let output = ccfarm()
        .arg("probe")
        .arg(node.address.to_string())
        .args(["--cc", "a", "--cc", "b++", "--json"])
        .run();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["nodes"][1]["compiler"], "b++");
}
