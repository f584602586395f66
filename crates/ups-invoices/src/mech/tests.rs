//! The browser against a scripted transport that keeps what it was asked.

use std::cell::RefCell;
use std::rc::Rc;

use regex::Regex;

use super::*;
use crate::clock::SteppedClock;
use crate::policy::Allow;

type Script = Rc<RefCell<Vec<Result<Response, TransportError>>>>;

#[derive(Clone, Default)]
struct Scripted {
    answers: Script,
    asked: Rc<RefCell<Vec<Request>>>,
}

impl Transport for Scripted {
    fn send(&mut self, request: &Request) -> Result<Response, TransportError> {
        self.asked.borrow_mut().push(request.clone());
        self.answers.borrow_mut().remove(0)
    }
}

#[expect(clippy::unnecessary_wraps, reason = "scripts mix answers and errors")]
fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Result<Response, TransportError> {
    let headers = headers
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    Ok(Response {
        status,
        headers,
        body: body.as_bytes().to_vec(),
        leaf: None,
    })
}

fn start() -> Timestamp {
    "2026-02-14T12:00:00Z".parse().unwrap()
}

fn browser(
    clock: &SteppedClock,
    answers: Vec<Result<Response, TransportError>>,
) -> (Browser<'_>, Scripted) {
    let scripted = Scripted {
        answers: Rc::new(RefCell::new(answers)),
        ..Scripted::default()
    };
    let any = |method| Allow {
        method,
        path: Regex::new("^/").unwrap(),
    };
    let policy = Policy {
        hosts: vec!["www.portal.test".to_owned(), "apps.portal.test".to_owned()],
        allow: vec![any(Method::Get), any(Method::Post)],
    };
    let pace = Pace {
        delay: Duration::from_secs(3),
        jitter: Duration::ZERO,
        max_requests: 40,
        deadline: start().checked_add(Duration::from_mins(10)).unwrap(),
    };
    (
        Browser::new(Box::new(scripted.clone()), clock, policy, pace),
        scripted,
    )
}

const STEP: Step<'static> = Step {
    name: "test",
    hosts: &[],
};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn login() -> Request {
    let body = b"password=secret".to_vec();
    let mut request = Request::post(
        url("https://www.portal.test/login"),
        "application/x-www-form-urlencoded",
        body,
    );
    request.secret = true;
    request
}

#[test]
fn redirects_are_followed_with_cookies_and_pace() {
    let clock = SteppedClock::new(start());
    let (mut browser, scripted) = browser(
        &clock,
        vec![
            answer(
                302,
                &[
                    ("location", "/next"),
                    ("set-cookie", "s=1; Path=/; Domain=portal.test"),
                ],
                "",
            ),
            answer(303, &[("location", "https://apps.portal.test/end#x")], ""),
            answer(200, &[("content-type", "text/html")], "<p>done"),
        ],
    );
    let page = browser.go(login(), STEP, false).unwrap();
    assert_eq!(page.url.as_str(), "https://apps.portal.test/end");
    let asked = scripted.asked.borrow();
    assert_eq!(asked[1].method, Method::Get);
    assert!(asked[1].body.is_none() && !asked[1].secret);
    assert!(
        asked[2]
            .headers
            .contains(&("cookie".to_owned(), "s=1".to_owned()))
    );
    assert_eq!(clock.sleeps(), [Duration::from_secs(3); 2]);
}

#[test]
fn a_login_is_never_sent_again() {
    for status in [307, 308] {
        let clock = SteppedClock::new(start());
        let (mut browser, scripted) = browser(
            &clock,
            vec![answer(
                status,
                &[("location", "https://apps.portal.test/login")],
                "",
            )],
        );
        let error = browser.go(login(), STEP, false).unwrap_err();
        assert!(
            matches!(error, BrowseError::Refused(Refused::SecretAgain { .. })),
            "{error}"
        );
        assert_eq!(scripted.asked.borrow().len(), 1);
    }
    let clock = SteppedClock::new(start());
    let (mut browser, scripted) = browser(&clock, vec![answer(503, &[], "")]);
    assert!(matches!(
        browser.go(login(), STEP, true),
        Err(BrowseError::Busy { tries: 1, .. })
    ));
    assert_eq!(scripted.asked.borrow().len(), 1);
}

#[test]
fn downgrades_and_foreign_hosts_are_refused_before_sending() {
    for (target, downgrade) in [
        ("http://www.portal.test/x", true),
        ("https://evil.test/x", false),
        ("//evil.test/", false),
    ] {
        for status in [302, 307] {
            let clock = SteppedClock::new(start());
            let (mut browser, scripted) =
                browser(&clock, vec![answer(status, &[("location", target)], "")]);
            let error = browser
                .open(&url("https://www.portal.test/"), STEP)
                .unwrap_err();
            let is_downgrade = matches!(error, BrowseError::Refused(Refused::Downgrade { .. }));
            assert_eq!(is_downgrade, downgrade, "{target} {error}");
            assert_eq!(scripted.asked.borrow().len(), 1);
        }
    }
}

#[test]
fn later_means_later_and_only_where_it_is_safe() {
    let clock = SteppedClock::new(start());
    let (mut browser, _) = browser(
        &clock,
        vec![
            answer(429, &[("retry-after", "30")], ""),
            answer(503, &[], ""),
            answer(200, &[], "x"),
        ],
    );
    browser
        .open(&url("https://www.portal.test/"), STEP)
        .unwrap();
    let waited: Duration = clock.sleeps().iter().sum();
    assert!(waited >= Duration::from_secs(30 + 4), "{waited:?}");
}

#[test]
fn a_server_that_stays_busy_ends_the_run_inside_its_deadline() {
    let clock = SteppedClock::new(start());
    let answers = (0..20)
        .map(|_| answer(503, &[("retry-after", "100")], ""))
        .collect();
    let (mut browser, scripted) = browser(&clock, answers);
    let error = browser
        .open(&url("https://www.portal.test/"), STEP)
        .unwrap_err();
    assert!(
        matches!(error, BrowseError::Busy { status: 503, .. }),
        "{error}"
    );
    assert!(clock.now() <= start().checked_add(Duration::from_mins(10)).unwrap());
    assert!(scripted.asked.borrow().len() > 3);
}

#[test]
fn circles_and_budgets_end() {
    let clock = SteppedClock::new(start());
    let answers = (0..50)
        .map(|_| answer(302, &[("location", "/again")], ""))
        .collect();
    let (mut browser, _) = browser(&clock, answers);
    assert!(matches!(
        browser.open(&url("https://www.portal.test/"), STEP),
        Err(BrowseError::Circle { .. })
    ));
    assert!(matches!(
        browser.open(&url("https://www.portal.test/"), STEP),
        Err(BrowseError::Circle { .. })
    ));
    assert!(matches!(
        browser.open(&url("https://www.portal.test/"), STEP),
        Err(BrowseError::Budget(40))
    ));
}

#[test]
fn a_quick_meta_refresh_is_followed() {
    let clock = SteppedClock::new(start());
    let html = [("content-type", "text/html")];
    let (mut browser, _) = browser(
        &clock,
        vec![
            answer(200, &html, "<meta http-equiv=refresh content='0;url=/b'>"),
            answer(200, &html, "<a href=c>Next page</a>"),
        ],
    );
    let page = browser
        .open(&url("https://www.portal.test/a"), STEP)
        .unwrap();
    assert_eq!(page.url.path(), "/b");
    assert_eq!(page.link("Next").unwrap().path(), "/c");
}

#[test]
fn the_character_set_comes_from_header_meta_or_bytes() {
    let page = |kind: &str, body: &[u8]| {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Page::new(
            url("https://www.portal.test/"),
            Response {
                status: 200,
                headers,
                body: body.to_vec(),
                leaf: None,
            },
        )
    };
    assert_eq!(
        page("text/html; charset=ISO-8859-1", b"Z\xfcrich").text(),
        "Zürich"
    );
    assert_eq!(
        page("text/html", b"<meta charset='windows-1252'>\xfc").text(),
        "<meta charset='windows-1252'>ü"
    );
    assert_eq!(page("text/html", "ü".as_bytes()).text(), "ü");
}
