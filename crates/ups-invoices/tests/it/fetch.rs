//! The main job: sign in, list, download, prove, store; and again.

use nightshift_testkit::{any, has};
use ups_testportal::certificates::Authority;
use ups_testportal::portal::{Fault, Portal};

use crate::support::{Setup, files_in};

#[test]
fn sixty_invoices_in_three_formats_and_a_second_run_of_one_list() {
    let setup = Setup::new(60);
    // Sixty weeks are more than the 400 days that a fetch looks back by itself.
    let since = setup.portal.invoices[0].date.to_string();
    let fetch = ["fetch", "--since", &since];
    setup.classic(&fetch).run().assert(0, "", "");
    assert_eq!(setup.files(), setup.expected());
    assert_eq!(setup.files().len(), 180);
    assert_eq!((setup.portal.logins(), setup.portal.downloads()), (1, 180));
    setup.portal.forget();
    setup.classic(&fetch).run().assert(0, "", "");
    assert_eq!(
        (
            setup.portal.lists(),
            setup.portal.downloads(),
            setup.portal.logins()
        ),
        (1, 0, 0)
    );
    setup
        .classic(&["check", "--all"])
        .run()
        .assert(0, has("passed"), "");
    setup.classic(&["fsck"]).run().assert(0, "", "");
    setup
        .classic(&["list", "--missing"])
        .run()
        .assert(0, "", "");
}

#[test]
fn more_invoices_than_a_search_gives_are_found_by_splitting() {
    let setup = Setup::new(130);
    let since = setup.portal.invoices[0].date.to_string();
    setup
        .classic(&["fetch", "--formats", "pdf", "--since", &since])
        .run()
        .assert(0, "", "");
    assert_eq!(setup.files().len(), 130);
    assert!(setup.portal.lists() > 1);
}

#[test]
fn an_imported_session_reaches_the_json_portal_without_a_password() {
    let setup = Setup::new(5);
    let session = setup.portal.open_session();
    let cookies = setup.sandbox.file(
        "cookies.txt",
        format!("# Netscape HTTP Cookie File\n#HttpOnly_apps.portal.test\tFALSE\t/\tTRUE\t0\tJSESSIONID\t{session}\n"),
    );
    let cookies = cookies.to_str().unwrap();
    setup
        .json(&["session", "import", cookies])
        .run()
        .assert(0, has("imported 1 cookies"), "");
    setup.json(&["fetch"]).run().assert(0, "", "");
    assert_eq!(setup.files(), setup.expected());
    assert_eq!(setup.portal.logins(), 0);
    setup.portal.forget();
    setup.json(&["fetch"]).run().assert(0, "", "");
    assert_eq!((setup.portal.lists(), setup.portal.downloads()), (1, 0));
    setup.portal.sign_all_out();
    setup.json(&["fetch"]).run().assert(
        13,
        "",
        has("a person is needed: the imported session has ended"),
    );
    setup
        .json(&["session", "show"])
        .run()
        .assert(0, has("imported, 1 cookies"), "");
    setup.json(&["session", "clear"]).run().assert(0, "", "");
    setup
        .json(&["session", "show"])
        .run()
        .assert(0, has("no session"), "");
}

#[test]
fn an_expired_session_leads_to_one_sign_in() {
    let setup = Setup::new(2);
    setup.classic(&["fetch"]).run().assert(0, "", "");
    setup.portal.sign_all_out();
    setup.portal.forget();
    setup.classic(&["fetch"]).run().assert(0, "", "");
    assert_eq!((setup.portal.logins(), setup.portal.downloads()), (1, 0));
}

#[test]
fn a_code_is_tried_twice_and_the_password_once() {
    let setup = Setup::new(1);
    setup.portal.want_codes();
    let profile = String::from_utf8(setup.sandbox.read("profiles/portal-classic.toml")).unwrap();
    let step = "[[login]]\nname = \"code\"\nform = { id = \"codeForm\" }\nfill = { code = \"{totp}\" }\nrefused = { selector = [\"#codeError\"] }\n\n[list]\n";
    let profile = profile
        .replacen("[list]\n", step, 1)
        .replace("    { method = \"GET\", path = \"^/ebilling/\" },", "    { method = \"POST\", path = \"^/one-to-one/code$\" },\n    { method = \"GET\", path = \"^/ebilling/\" },");
    setup.sandbox.file("profiles/portal-classic.toml", profile);
    setup.classic(&["fetch"]).run().assert(0, "", "");
    assert_eq!(setup.portal.logins(), 1);
    assert_eq!(
        setup
            .portal
            .count(|request| request.path == "/one-to-one/code"),
        2
    );
}

#[test]
fn a_restated_invoice_is_kept_beside_the_first() {
    let setup = Setup::new(1);
    setup
        .classic(&["fetch", "--formats", "csv"])
        .run()
        .assert(0, "", "");
    setup.portal.restate();
    setup
        .classic(&["fetch", "--formats", "csv", "--all"])
        .run()
        .assert(0, "", "");
    let names: Vec<String> = setup.files().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 2);
    assert!(
        names.iter().any(|name| name.ends_with(".r2.csv")),
        "{names:?}"
    );
    setup
        .classic(&["alerts"])
        .run()
        .assert(1, has("was restated"), "");
    setup
        .classic(&["fetch", "--formats", "csv", "--all"])
        .run()
        .assert(0, "", "");
    assert_eq!(
        setup.files().len(),
        2,
        "the same content again is no revision"
    );
}

#[test]
fn later_is_waited_for() {
    let setup = Setup::new(1);
    setup.portal.set(Fault::Busy);
    let output = setup.classic(&["fetch"]).run().assert(0, "", "");
    assert!(output.elapsed().as_secs() >= 3);
    assert_eq!(setup.files().len(), 3);
}

#[test]
fn limits_dry_runs_and_two_runs_at_once() {
    let setup = Setup::new(3);
    setup
        .classic(&["-n", "fetch"])
        .run()
        .assert(0, has("would fetch"), "");
    assert_eq!((setup.files().len(), setup.portal.downloads()), (0, 0));
    setup
        .classic(&["fetch", "--limit", "2", "--exit-new"])
        .run()
        .assert(4, "", "");
    assert_eq!(setup.files().len(), 2);
    setup
        .portal
        .slow_down(std::time::Duration::from_millis(300));
    let running = setup.classic(&["fetch"]).spawn();
    nightshift_testkit::wait_for("the lock", std::time::Duration::from_secs(20), || {
        setup.portal.lists() > 2
    });
    setup
        .classic(&["fetch"])
        .run()
        .assert(75, "", has("another instance"));
    running
        .wait(std::time::Duration::from_mins(1))
        .assert(0, "", "");
    assert_eq!(setup.files(), setup.expected());
    setup
        .classic(&["--offline", "fetch"])
        .run()
        .assert(2, "", has("--offline"));
}

#[test]
fn what_left_the_portal_stays_and_is_marked() {
    let setup = Setup::new(2);
    setup.classic(&["fetch"]).run().assert(0, "", "");
    let newer = setup.portal.invoices[1].date.to_string();
    // A list that begins later says nothing about older invoices.
    setup
        .classic(&["fetch", "--since", &newer])
        .run()
        .assert(0, "", "");
    let text = setup
        .classic(&["show", &setup.portal.invoices[0].number])
        .run()
        .success()
        .stdout_text();
    assert!(!text.contains("gone"), "{text}");
    setup
        .classic(&["show", "--last"])
        .run()
        .assert(0, has(&setup.portal.invoices[1].number), "");
}

#[test]
fn damaged_files_are_fetched_again_with_an_alert() {
    let setup = Setup::new(1);
    setup.classic(&["fetch"]).run().assert(0, "", "");
    let (name, _) = setup.files().remove(0);
    setup.sandbox.file(format!("archive/{name}"), "damaged");
    setup
        .classic(&["fsck"])
        .run()
        .assert(1, has("differs from its sha256"), "");
    setup
        .classic(&["fetch"])
        .run()
        .assert(0, "", has("set aside"));
    let (aside, whole): (Vec<_>, Vec<_>) = setup
        .files()
        .into_iter()
        .partition(|(name, _)| name.contains(".aside"));
    assert_eq!(whole, setup.expected());
    assert_eq!(aside.len(), 1, "nothing is thrown away");
    setup
        .classic(&["alerts"])
        .run()
        .assert(1, has("damaged"), "");
    let private = files_in(setup.sandbox.join("state/sessions"));
    assert_eq!(private.len(), 1);
}

#[test]
fn another_issuer_of_the_certificate_is_alerted_once() {
    let setup = Setup::new(1);
    let fetch = ["fetch", "--formats", "pdf"];
    setup.classic(&fetch).run().assert(0, "", "");
    setup.classic(&["alerts"]).run().assert(0, "", "");
    let invoices = setup.portal.invoices.to_vec();
    let other = Portal::start_under(Authority::new("Another Authority"), invoices).unwrap();
    let both = setup.portal.authority.pem() + &other.authority.pem();
    setup.sandbox.file("ca.pem", both);
    let setup = Setup {
        portal: other,
        ..setup
    };
    setup.classic(&fetch).run().assert(0, "", "");
    let alerts = setup.classic(&["alerts"]).run().assert(
        1,
        has("www.portal.test is now issued by CN=Another Authority; before it was CN=Portal Test Authority"),
        "",
    );
    assert_eq!(
        alerts.stdout_text().matches("issuer ").count(),
        2,
        "one a host"
    );
    setup.classic(&fetch).run().assert(0, "", "");
    let again = setup.classic(&["alerts"]).run().assert(1, any(), "");
    assert_eq!(again.stdout_text(), alerts.stdout_text());
}

#[test]
fn show_config_prints_every_setting_with_its_origin() {
    let setup = Setup::new(1);
    setup.classic(&["--show-config"]).run().assert(
        0,
        has("check.tolerance = \"0.00\"  # default"),
        "",
    );
    setup
        .cmd(&[])
        .run()
        .assert(2, any(), has("a command is missing"));
}
