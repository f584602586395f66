//! Sign-ins that outlive a run: the cookie jar in a private file, and sessions a person imported.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::archive::make_private;
use crate::mech::jar::{Cookie, Jar};
use crate::profile::Profile;

/// A session on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its cookies.
    pub jar: Jar,
    /// Headers that came with an import.
    pub headers: Vec<(String, String)>,
    /// Whether a person imported it: then no password is ever asked for.
    pub imported: bool,
}

/// A session cannot be kept or imported.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The file.
    #[error("{}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Writing it.
    #[error(transparent)]
    Write(#[from] nightshift_common::atomic::Error),
    /// The source of an import.
    #[error("line {line}: {reason}")]
    CookiesTxt {
        /// Line, counted from 1.
        line: usize,
        /// What is wrong, without any value.
        reason: &'static str,
    },
    /// The source of an import.
    #[error("not a HAR file: {0}")]
    Har(String),
    /// Nothing of use.
    #[error("no cookie in it is for a host of profile {0}")]
    Nothing(String),
}

impl Session {
    /// Path of an account's session.
    #[must_use]
    pub fn path(directory: &Path, account: &str) -> PathBuf {
        directory.join(format!("{account}.json"))
    }

    /// Loads it; `None` if there is none.
    pub fn load(path: &Path) -> Result<Option<Self>, SessionError> {
        let file = |source| SessionError::File {
            path: path.to_owned(),
            source,
        };
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|error| file(std::io::Error::other(error.to_string()))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(file(error)),
        }
    }

    /// Saves it for its owner alone, whole or not at all.
    pub fn save(&self, path: &Path) -> Result<(), SessionError> {
        let file = |source| SessionError::File {
            path: path.to_owned(),
            source,
        };
        make_private(path.parent().unwrap_or(path)).map_err(file)?;
        let text = serde_json::to_string(self).map_err(|e| file(std::io::Error::other(e)))?;
        nightshift_common::atomic::replace_with(path, 0o600, text.as_bytes())?;
        Ok(())
    }

    /// Imports what a signed-in browser exported: a HAR file, or cookies.txt.
    pub fn import(text: &str, profile: &Profile, now: Timestamp) -> Result<Self, SessionError> {
        let session = if text.trim_start().starts_with('{') {
            from_har(text, profile, now)?
        } else {
            let mut jar = Jar::default();
            for cookie in cookies_txt(text)? {
                if reaches(&cookie, &profile.policy.hosts) {
                    jar.put(cookie, now);
                }
            }
            Self {
                jar,
                headers: Vec::new(),
                imported: true,
            }
        };
        if session.jar.cookies().is_empty() {
            return Err(SessionError::Nothing(profile.name.clone()));
        }
        Ok(session)
    }
}

/// Reads Netscape cookies.txt: seven tab-separated fields; `#HttpOnly_` is a prefix of the
/// domain, not a comment; an end of 0 means the session's.
pub fn cookies_txt(text: &str) -> Result<Vec<Cookie>, SessionError> {
    let mut cookies = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let wrong = |reason| SessionError::CookiesTxt {
            line: index + 1,
            reason,
        };
        let line = line.trim_end_matches('\r');
        let line = line.strip_prefix("#HttpOnly_").unwrap_or(line);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split('\t').collect();
        let [domain, subdomains, path, _secure, expires, name, value] = fields[..] else {
            return Err(wrong(
                "not seven fields between tabs: is this a cookies.txt?",
            ));
        };
        let expires: i64 = expires
            .parse()
            .map_err(|_number| wrong("the end is no number"))?;
        if name.is_empty() || !path.starts_with('/') {
            return Err(wrong(
                "a cookie without name, or a path that does not begin with /",
            ));
        }
        cookies.push(Cookie {
            name: name.to_owned(),
            value: value.to_owned(),
            domain: domain.trim_start_matches('.').to_ascii_lowercase(),
            subdomains: subdomains.eq_ignore_ascii_case("TRUE") || domain.starts_with('.'),
            path: path.to_owned(),
            expires: (expires != 0).then_some(expires),
        });
    }
    Ok(cookies)
}

fn reaches(cookie: &Cookie, hosts: &[String]) -> bool {
    hosts.iter().any(|host| {
        *host == cookie.domain
            || cookie.subdomains
                && host
                    .strip_suffix(&cookie.domain)
                    .is_some_and(|r| r.ends_with('.'))
    })
}

#[derive(Deserialize)]
struct Har {
    log: HarLog,
}

#[derive(Deserialize)]
struct HarLog {
    entries: Vec<HarEntry>,
}

#[derive(Deserialize)]
struct HarEntry {
    request: HarRequest,
}

#[derive(Deserialize)]
struct HarRequest {
    url: String,
    headers: Vec<HarPair>,
    #[serde(default)]
    cookies: Vec<HarPair>,
}

#[derive(Deserialize)]
struct HarPair {
    name: String,
    value: String,
}

/// The cookies and headers that the browser last sent to the profile's hosts.
fn from_har(text: &str, profile: &Profile, now: Timestamp) -> Result<Session, SessionError> {
    let har: Har = serde_json::from_str(text).map_err(|error| {
        // serde's text could quote a value.
        SessionError::Har(format!("line {} column {}", error.line(), error.column()))
    })?;
    let mut session = Session {
        imported: true,
        ..Session::default()
    };
    for request in har.log.entries.into_iter().map(|entry| entry.request) {
        let Ok(url) = url::Url::parse(&request.url) else {
            continue;
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        if url.scheme() != "https" || !profile.policy.hosts.contains(&host) {
            continue;
        }
        for cookie in request.cookies {
            let HarPair { name, value } = cookie;
            let cookie = Cookie {
                name,
                value,
                domain: host.clone(),
                subdomains: false,
                path: "/".to_owned(),
                expires: None,
            };
            session.jar.put(cookie, now);
        }
        for header in request.headers {
            let name = header.name.to_ascii_lowercase();
            if profile.session_headers.contains(&name) {
                session.headers.retain(|(known, _)| *known != name);
                session.headers.push((name, header.value));
            }
        }
    }
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn profile() -> Profile {
        crate::profile::load("ups-billing-center", Path::new("/nonexistent")).unwrap()
    }

    fn now() -> Timestamp {
        "2026-02-14T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn cookies_txt_keeps_only_the_profiles_hosts() {
        let text = "# Netscape HTTP Cookie File\n\
            .ups.com\tTRUE\t/\tTRUE\t0\tsid\tsecret\n\
            #HttpOnly_billing.ups.com\tFALSE\t/\tTRUE\t1999999999\thttp\tonly\n\
            .example.org\tTRUE\t/\tTRUE\t0\tother\tx\n\
            ups.com\tFALSE\t/\tTRUE\t0\thostonly\tx\n";
        let session = Session::import(text, &profile(), now()).unwrap();
        let names: Vec<&str> = session
            .jar
            .cookies()
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(names, ["sid", "http"]);
        assert!(session.imported);
    }

    #[test]
    fn har_brings_cookies_and_the_headers_of_the_profile() {
        let text = r#"{"log":{"entries":[{"request":{"url":"https://billing.ups.com/x","headers":[{"name":"X-CSRF-Token","value":"t"},{"name":"Accept","value":"a"}],"cookies":[{"name":"s","value":"1"}]}},{"request":{"url":"https://tracker.example/x","headers":[],"cookies":[{"name":"s","value":"2"}]}}]}}"#;
        let session = Session::import(text, &profile(), now()).unwrap();
        assert_eq!(
            session.headers,
            [("x-csrf-token".to_owned(), "t".to_owned())]
        );
        assert_eq!(session.jar.cookies().len(), 1);
    }

    #[test]
    fn what_is_no_export_says_so_without_quoting_it() {
        for text in [
            "a=b; c=d",
            "x\ty\tz",
            ".ups.com\tTRUE\t/\tTRUE\tsoon\tname\thunter22",
        ] {
            let error = Session::import(text, &profile(), now())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("line 1") && !error.contains("hunter22"),
                "{error}"
            );
        }
        assert!(matches!(
            Session::import("{\"log\":3}", &profile(), now()),
            Err(SessionError::Har(_))
        ));
        assert!(matches!(
            Session::import("", &profile(), now()),
            Err(SessionError::Nothing(_))
        ));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "(#HttpOnly_)?[a-z.\t\n0/#-]{0,80}") {
            let _ = cookies_txt(&text);
        }
    }
}
