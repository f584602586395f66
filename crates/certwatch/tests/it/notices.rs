//! Who is told, by what, and what happens when nobody listens.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use nightshift_testkit::{any, has, has_all};

use crate::fleet::Fleet;

fn script(fleet: &Fleet, name: &str, text: &str) -> PathBuf {
    let path = fleet.sandbox.file(name, format!("#!/bin/sh\n{text}"));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn config(fleet: &Fleet, text: &str) -> PathBuf {
    fleet.sandbox.file("config", text)
}

#[test]
fn a_hook_gets_the_events_as_json_and_what_it_refused_is_told_again() {
    let mut fleet = Fleet::new(3);
    let out = fleet.sandbox.join("out");
    let hook = script(
        &fleet,
        "hook",
        &format!(
            "test -e {0}.ready || exit 1\nprintf '%s\\n' \"$NIGHTSHIFT_SUBJECT\" > {0}\ncat >> {0}\n",
            out.display()
        ),
    );
    let config = config(
        &fleet,
        &format!(
            "[notify.hook]\ncommand = [{:?}]\n",
            hook.display().to_string()
        ),
    );
    let scan = |fleet: &Fleet| fleet.scan().arg("--config").arg(&config);
    scan(&fleet).run().assert(0, "", "");
    scan(&fleet).run().assert(0, "", "");
    assert!(!out.exists(), "there was nothing to say");
    fleet.swap(0, "other");
    scan(&fleet)
        .run()
        .assert(4, has("owner-changed"), has("not notified"));
    fleet.sandbox.file("out.ready", "");
    scan(&fleet).run().assert(1, has("owner-changed"), "");
    scan(&fleet).run().assert(0, "", "");
    let said = std::fs::read_to_string(&out).unwrap();
    let (subject, json) = said.split_once('\n').unwrap();
    assert!(
        subject.starts_with("certwatch: warning: 127.1.1.1:"),
        "{subject}"
    );
    let events: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(events.as_array().unwrap().len(), 1);
    assert_eq!(events[0]["severity"], "warning");
    assert_eq!(events[0]["vantage"], "here");
    assert!(
        events[0]["findings"][0]["code"]
            .as_str()
            .unwrap()
            .starts_with("owner-changed")
    );
}

#[test]
fn a_mail_has_one_subject_line_and_the_events_in_its_body() {
    let mut fleet = Fleet::new(3);
    let out = fleet.sandbox.join("mail");
    let sendmail = script(&fleet, "sendmail", &format!("cat > {}\n", out.display()));
    let config = config(
        &fleet,
        &format!(
            "[notify.mail]\nto = [\"root\"]\nfrom = \"watch@example.org\"\ncommand = [{:?}, \"-t\"]\n",
            sendmail.display().to_string()
        ),
    );
    let scan = |fleet: &Fleet| fleet.scan().arg("--config").arg(&config);
    scan(&fleet).run().assert(0, "", "");
    scan(&fleet).run().assert(0, "", "");
    fleet.swap(0, "other");
    fleet.swap(1, "other");
    scan(&fleet).run().assert(1, any(), "");
    let mail = std::fs::read_to_string(&out).unwrap();
    let (head, body) = mail.split_once("\n\n").unwrap();
    assert!(
        head.contains("To: root") && head.contains("From: watch@example.org"),
        "{head}"
    );
    assert_eq!(head.matches("Subject: certwatch: ").count(), 1, "{head}");
    assert!(head.contains(": 2 events"), "{head}");
    assert_eq!(body.matches("owner-changed").count(), 2, "{body}");
}

#[test]
fn a_rule_of_the_administrator_has_the_last_word() {
    let mut fleet = Fleet::new(3);
    let config = config(
        &fleet,
        "[[rule]]\ntarget = \"127.1.1.1\"\nseverity = \"none\"\n\
         [[rule]]\ncode = \"owner-changed\"\nseverity = \"critical\"\n",
    );
    let scan = |fleet: &Fleet| fleet.scan().arg("--config").arg(&config);
    scan(&fleet).run().assert(0, "", "");
    scan(&fleet).run().assert(0, "", "");
    fleet.swap(0, "other");
    scan(&fleet).run().assert(0, "", "");
    fleet.swap(1, "other");
    scan(&fleet)
        .run()
        .assert(1, has_all(["critical", "owner-changed"]), "");
}
