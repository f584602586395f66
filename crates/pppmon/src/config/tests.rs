//! Mistakes and their places.

use super::*;
use std::path::Path;

fn settings(text: &str) -> Result<Settings, String> {
    let path = Path::new("/etc/p.toml");
    nightshift_common::config::parse::<FileLayer>(path, text.to_owned())
        .and_then(|loaded| resolve(&loaded))
        .map_err(|error| error.to_string())
}

#[test]
fn a_bundle_needs_a_name_and_a_link_only() {
    let settings =
        settings("[[bundle]]\nname = \"a\"\n[[bundle.link]]\ntty = \"/dev/ttyS0\"\n").unwrap();
    let bundle = &settings.bundles[0];
    assert_eq!(
        (bundle.mode, bundle.min_links, bundle.mrru),
        (Mode::Keeper, 1, 1500)
    );
    assert_eq!(bundle.links[0].name, "link1");
    assert_eq!(bundle.lcp_echo, (1, 2));
}

#[test]
fn every_mistake_has_its_place() {
    let a = "[[bundle]]\nname = \"a\"\n";
    let l = "[[bundle.link]]\ntty = \"/dev/ttyS0\"\n";
    let b = "[[bundle]]\nname = \"b\"\n";
    for (text, expected) in [
        (String::new(), "/etc/p.toml:1:1: no [[bundle]]"),
        (
            format!("{a}{l}{a}{l}"),
            "/etc/p.toml:6:8: the name a is already used",
        ),
        (
            format!("{a}{l}{b}{l}"),
            "/etc/p.toml:8:7: line /dev/ttyS0 is already used by bundle a",
        ),
        (
            format!("{a}{l}command = \"x\"\n"),
            "/etc/p.toml:5:11: a link is of one kind",
        ),
        (
            format!("{a}[[bundle.link]]\n"),
            "/etc/p.toml:2:8: link 1 of bundle a needs one of",
        ),
        (
            a.to_owned(),
            "/etc/p.toml:2:8: bundle a has no [[bundle.link]]",
        ),
        (
            format!("{a}min_links = 2\n{l}"),
            "/etc/p.toml:3:13: min_links 2 is not between 1 and 1",
        ),
        (
            format!("{a}ifname = \"much-too-long-name\"\n{l}"),
            "/etc/p.toml:3:10: ",
        ),
        (
            format!("{a}remote = \"nobody\"\n{l}"),
            "/etc/p.toml:3:10: \"nobody\" is neither",
        ),
        (
            format!("{a}remote = \"pool\"\n{l}"),
            "/etc/p.toml:3:10: remote = \"pool\" needs",
        ),
        (
            format!("{a}routes = [\"10.0.0.1/24\"]\n{l}"),
            "/etc/p.toml:3:10: \"10.0.0.1/24\" has",
        ),
        (
            format!("{a}speed = 3\n{l}"),
            "/etc/p.toml:3:1: unknown field `speed`",
        ),
        (
            format!("{a}fallback = \"none\"\n{l}"),
            "/etc/p.toml:3:12: fallback is for",
        ),
        (
            format!("{a}local = \"10.0.0.1\"\nremote = \"10.0.0.1\"\n{l}"),
            "/etc/p.toml:4:10: address 10.0.0.1 is already used",
        ),
        (
            format!("[defaults]\nlcp_echo = [0, 2]\n{a}{l}"),
            "/etc/p.toml:2:12: both",
        ),
        (
            format!("[defaults]\nmrru = 5000\n{a}{l}"),
            "/etc/p.toml:2:8: mrru 5000",
        ),
        (
            format!("[watchdog]\nping = []\ntimeout = \"60s\"\n{a}{l}"),
            "/etc/p.toml:3:11: the watchdog has nobody",
        ),
    ] {
        let error = settings(&text).unwrap_err();
        assert!(error.starts_with(expected), "{error}\nfor\n{text}");
    }
}

#[test]
fn the_boot_timeout_is_twice_the_timeout() {
    let settings = settings(
        "[watchdog]\nping = [\"10.0.0.1\"]\ntimeout = \"30s\"\n\
         [[bundle]]\nname = \"a\"\n[[bundle.link]]\ncommand = \"x\"\n",
    )
    .unwrap();
    assert_eq!(
        settings.watchdog.unwrap().boot_timeout,
        Duration::from_mins(1)
    );
}
