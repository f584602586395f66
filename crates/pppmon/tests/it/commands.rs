//! Commands that need neither a supervisor nor a kernel with PPP.

use std::fs;
use std::process::{Command, Output};

fn pppmon(config: &str, arguments: &[&str]) -> (String, String, Option<i32>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pppmon.toml");
    let run = dir.path().join("run");
    let config = config.replace("@run@", &run.display().to_string());
    fs::write(&path, config).unwrap();
    let output: Output = Command::new(env!("CARGO_BIN_EXE_pppmon"))
        .args(arguments)
        .arg("--config")
        .arg(&path)
        .env_remove("NOTIFY_SOCKET")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| {
        let shown = path.display().to_string();
        String::from_utf8(bytes)
            .unwrap()
            .replace(&shown, "pppmon.toml")
    };
    (
        text(output.stdout),
        text(output.stderr),
        output.status.code(),
    )
}

const GOOD: &str = "[defaults]\nrun_dir = \"@run@\"\n[[bundle]]\nname = \"a\"\n[[bundle.link]]\n\
                    command = \"true\"\n";

#[test]
fn check_is_silent_about_a_good_configuration() {
    assert_eq!(
        pppmon(GOOD, &["check"]),
        (String::new(), String::new(), Some(0))
    );
}

#[test]
fn check_names_the_place_of_a_mistake() {
    let config = GOOD.replace("name = \"a\"", "name = \"a\"\nroutes = [\"nowhere\"]");
    let (out, err, code) = pppmon(&config, &["check"]);
    assert_eq!((out.as_str(), code), ("", Some(2)));
    assert_eq!(
        err,
        "pppmon: error: pppmon.toml:5:10: \"nowhere\" is not a network prefix (example: \
         10.99.0.0/24)\n"
    );
}

#[test]
fn print_cmd_prints_what_is_run() {
    let (out, err, code) = pppmon(GOOD, &["print-cmd", "a/link1"]);
    assert_eq!((err.as_str(), code), ("", Some(0)));
    assert!(
        out.starts_with("/usr/sbin/pppd pty true nodetach nopersist "),
        "{out}"
    );
    let (_, err, code) = pppmon(GOOD, &["print-cmd", "a/other"]);
    assert_eq!(code, Some(2));
    assert!(err.contains("no link a/other is configured"), "{err}");
}

#[test]
fn without_a_supervisor_commands_fail_with_a_hint() {
    for arguments in [
        &["status"][..],
        &["up", "a"],
        &["routes"],
        &["reload"],
        &["release"],
    ] {
        let (_, err, code) = pppmon(GOOD, arguments);
        assert_eq!(code, Some(3), "{arguments:?}");
        assert!(
            err.contains("no supervisor answers at") && err.contains("hint:"),
            "{err}"
        );
    }
}

#[test]
fn a_missing_or_simple_pppd_is_a_configuration_error() {
    let config = GOOD.replace("[defaults]\n", "[defaults]\npppd = \"/nonexistent\"\n");
    let (_, err, code) = pppmon(&config, &["run"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("cannot examine pppd /nonexistent"), "{err}");
    let config = GOOD.replace("[defaults]\n", "[defaults]\npppd = \"/bin/true\"\n");
    let (_, err, code) = pppmon(&config, &["run"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(
        err.contains("pppd /bin/true was built without multilink"),
        "{err}"
    );
}

#[test]
fn the_example_configuration_is_good() {
    let example = include_str!("../../dist/pppmon.toml.example");
    assert_eq!(
        pppmon(example, &["check"]),
        (String::new(), String::new(), Some(0))
    );
}

#[test]
fn every_flag_and_argument_has_help() {
    use clap::CommandFactory;
    fn walk(command: &clap::Command) {
        for argument in command.get_arguments() {
            let help = argument.get_long_help().or_else(|| argument.get_help());
            assert!(
                help.is_some(),
                "{} {}",
                command.get_name(),
                argument.get_id()
            );
        }
        command.get_subcommands().for_each(walk);
    }
    walk(&pppmon::cli::Cli::command());
}
