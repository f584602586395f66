use nightshift_common::error::chain;

use super::*;

fn parse(text: &str) -> Result<Farm, String> {
    Farm::parse(Path::new("farm.toml"), text.to_owned()).map_err(|error| chain(&error))
}

const SMALL: &str = r#"
[target]
triple = "arm-linux-gnueabi"
elf = { class = 32, machine = "arm" }
[[node]]
name = "n1"
host = "10.77.0.2"
slots = 4
"#;

#[test]
fn the_example_is_a_valid_farm() {
    let farm = parse(EXAMPLE).unwrap();
    assert_eq!(farm.nodes.len(), 1);
    assert_eq!(farm.target.float, Some(Float::Soft));
    assert_eq!(farm.target.cflags.words(), ["-O2", "-march=armv5te"]);
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let farm = parse(SMALL).unwrap();
    let names: Vec<_> = farm.target.names.iter().map(ToString::to_string).collect();
    assert_eq!(
        names,
        ["arm-linux-gnueabi-gcc", "/usr/bin/arm-linux-gnueabi-gcc"]
    );
    assert_eq!(farm.limits.connect, Duration::from_secs(3));
    assert_eq!(farm.limits.job, Duration::from_secs(30));
    assert_eq!(farm.nodes[0].port, DISTCC_PORT);
    assert_eq!(farm.nodes[0].sandbox, Sandbox::None);
    assert_eq!(farm.ccache.max_size, ByteSize(2 << 30));
    assert!(farm.ccache.guard && !farm.client.fallback);
    assert_eq!(farm.target.float, Some(Float::Soft), "told by the triple");
}

#[test]
fn tables_and_inline_tables_mean_the_same() {
    let inline = "client = { fallback = true }\n".to_owned() + SMALL;
    let table = SMALL.to_owned() + "[client]\nfallback = true\n";
    assert!(parse(&inline).unwrap().client.fallback);
    assert!(parse(&table).unwrap().client.fallback);
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let cases = [
        (
            "slots = 4",
            "slots = 0",
            "farm.toml:8:9: slots is 1 to 512, not 0",
        ),
        (
            "slots = 4",
            "slots = 513",
            "farm.toml:8:9: slots is 1 to 512, not 513",
        ),
        (
            "slots = 4",
            "slots = 4\nport = 0",
            "farm.toml:9:8: a port is 1 to 65535",
        ),
        (
            "slots = 4",
            "slots = 4\ncpus = 0",
            "farm.toml:9:8: cpus is at least 1",
        ),
        (
            "class = 32",
            "class = 16",
            "farm.toml:4:17: class is 32 or 64, not 16",
        ),
        (
            "\"n1\"",
            "\"n 1\"",
            "farm.toml:6:8: \"n 1\" is not a node name",
        ),
        (
            "\"arm\"",
            "\"vax\"",
            "farm.toml:4:31: unknown machine \"vax\"",
        ),
        (
            "slots = 4",
            "slots = 4\n[[node]]\nname = \"n1\"\nhost = \"h\"\nslots = 1",
            "farm.toml:10:8: a node named \"n1\" stands above",
        ),
        (
            "[target]",
            "[probe]\ntimeout = \"0s\"\n[target]",
            "farm.toml:3:11: a timeout must be",
        ),
        (
            "[target]",
            "[client]\nallow = [\"10.0.0.0/40\"]\n[target]",
            "farm.toml:3:",
        ),
        (
            "[target]",
            "[target]\nnames = []",
            "farm.toml:3:9: names is empty",
        ),
        (
            "[target]",
            "[clent]\n[target]",
            "farm.toml:2:2: unknown field `clent`",
        ),
    ];
    for (from, to, message) in cases {
        let text = SMALL.replacen(from, to, 1);
        let error = parse(&text).unwrap_err();
        assert!(error.starts_with(message), "wanted {message}, got {error}");
    }
}

#[test]
fn a_farm_without_nodes_is_refused() {
    let text = SMALL.split("[[node]]").next().unwrap();
    assert!(parse(text).unwrap_err().contains("no [[node]]"));
}

#[test]
fn new_slots_change_nothing_else_in_the_file() {
    let text =
        SMALL.to_owned() + "# a comment\n[[node]]\nname = \"n2\"\nhost = \"h\"\nslots = 12 # why\n";
    let farm = parse(&text).unwrap();
    let changed = farm.with_slots(&text, &[10, 3]);
    let wanted = text
        .replace("slots = 4", "slots = 10")
        .replace("slots = 12", "slots = 3");
    assert_eq!(changed, wanted);
}
