//! A cookie jar that only ever serves the hosts of one profile.
//!
//! Because it sends nothing to any other host, it needs no public suffix list: a cookie set for a
//! whole registry suffix would still reach the profile's own hosts only. Session cookies are kept
//! in the file too: a sign-in is one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

/// A cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Its value: a secret.
    pub value: String,
    /// Host, or domain if `subdomains`.
    pub domain: String,
    /// Whether hosts below `domain` get it.
    pub subdomains: bool,
    /// Path prefix.
    pub path: String,
    /// Seconds since 1970 at which it ends; `None` for the session.
    pub expires: Option<i64>,
}

/// Cookies in the order they were set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jar {
    cookies: Vec<Cookie>,
}

/// Most cookies of one jar; browsers keep about as many per site.
const MOST: usize = 300;
/// Longest name and value together (RFC 6265 section 6.1).
const LONGEST: usize = 4096;

impl Jar {
    /// Takes a `Set-Cookie` header that came with a response from `url`.
    ///
    /// Ignored: a domain that is not the host's own or above it, one without a dot, and a cookie
    /// that is too long.
    pub fn set(&mut self, header: &str, url: &Url, now: Timestamp) {
        let Some(host) = url.host_str() else { return };
        if let Some(cookie) = parse(header, host, url.path(), now) {
            self.put(cookie, now);
        }
    }

    /// Puts a cookie in, in place of one of the same name, domain and path; an expired one only
    /// takes the old one out.
    pub fn put(&mut self, cookie: Cookie, now: Timestamp) {
        let same = |old: &Cookie| {
            old.name == cookie.name && old.domain == cookie.domain && old.path == cookie.path
        };
        let place = self.cookies.iter().position(same);
        let expired = cookie.expires.is_some_and(|end| end <= now.as_second());
        match (place, expired) {
            (Some(at), true) => {
                self.cookies.remove(at);
            }
            (Some(at), false) => self.cookies[at] = cookie,
            (None, true) => {}
            (None, false) => {
                if self.cookies.len() == MOST {
                    self.cookies.remove(0);
                }
                self.cookies.push(cookie);
            }
        }
    }

    /// The `Cookie` header for a request to `url`; longer paths first.
    #[must_use]
    pub fn header(&self, url: &Url, now: Timestamp) -> Option<String> {
        let host = url.host_str()?;
        let mut fitting: Vec<&Cookie> = self
            .cookies
            .iter()
            .filter(|cookie| {
                cookie.expires.is_none_or(|end| end > now.as_second())
                    && (host == cookie.domain
                        || cookie.subdomains && is_below(host, &cookie.domain))
                    && path_fits(url.path(), &cookie.path)
            })
            .collect();
        fitting.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let pairs: Vec<String> = fitting
            .iter()
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// All cookies.
    #[must_use]
    pub fn cookies(&self) -> &[Cookie] {
        &self.cookies
    }

    /// When the last of its cookies with an end ends; `None` if there is none.
    #[must_use]
    pub fn ends(&self) -> Option<Timestamp> {
        let last = self
            .cookies
            .iter()
            .filter_map(|cookie| cookie.expires)
            .max()?;
        Timestamp::from_second(last).ok()
    }
}

fn parse(header: &str, host: &str, request_path: &str, now: Timestamp) -> Option<Cookie> {
    let mut parts = header.split(';');
    let (name, value) = parts.next()?.split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let unprintable = |text: &str| text.bytes().any(|b| b < 0x20 || b == 0x7f);
    if name.is_empty()
        || name.len() + value.len() > LONGEST
        || unprintable(name)
        || unprintable(value)
    {
        return None;
    }
    let mut cookie = Cookie {
        name: name.to_owned(),
        value: value.to_owned(),
        domain: host.to_owned(),
        subdomains: false,
        path: default_path(request_path).to_owned(),
        expires: None,
    };
    let mut max_age = None;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim();
        match key.trim().to_ascii_lowercase().as_str() {
            "domain" if !value.is_empty() => {
                let domain = value.trim_start_matches('.').to_ascii_lowercase();
                if !domain.contains('.') || !(host == domain || is_below(host, &domain)) {
                    return None;
                }
                cookie.domain = domain;
                cookie.subdomains = true;
            }
            "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
            "expires" => cookie.expires = parse_date(value).or(cookie.expires),
            "max-age" => max_age = value.parse::<i64>().ok().or(max_age),
            _ => {}
        }
    }
    if let Some(seconds) = max_age {
        cookie.expires = Some(now.as_second().saturating_add(seconds));
    }
    Some(cookie)
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        // An address has no domains above it.
        && host.parse::<std::net::IpAddr>().is_err()
}

fn default_path(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

fn path_fits(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'))
}

/// Dates of `Expires` by the tolerant rules of RFC 6265 section 5.1.1.
fn parse_date(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    let separator = |c: char| !(c.is_ascii_alphanumeric() || c == ':');
    for token in text.split(separator).filter(|token| !token.is_empty()) {
        let number = token.parse::<i16>().ok();
        if token.contains(':') && time.is_none() {
            let parts: Vec<i8> = token
                .split(':')
                .filter_map(|part| part.parse().ok())
                .collect();
            if let [hour, minute, second] = parts[..] {
                time = Some((hour, minute, second));
            }
        } else if day.is_none()
            && let Some(number) = number.filter(|number| (1..=31).contains(number))
        {
            day = i8::try_from(number).ok();
        } else if month.is_none()
            && let Some(name) = token.get(..3)
            && let Some(at) = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(name))
        {
            month = i8::try_from(at + 1).ok();
        } else if let Some(number) = number
            && year.is_none()
        {
            year = Some(match number {
                0..=69 => number + 2000,
                70..=99 => number + 1900,
                _ => number,
            });
        }
    }
    let (hour, minute, second) = time?;
    let date = jiff::civil::DateTime::new(year?, month?, day?, hour, minute, second, 0).ok()?;
    Some(jiff::tz::TimeZone::UTC.to_timestamp(date).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn now() -> Timestamp {
        "2026-02-14T12:00:00Z".parse().unwrap()
    }

    fn header_after(set: &[&str], from: &str, to: &str) -> Option<String> {
        let mut jar = Jar::default();
        for header in set {
            jar.set(header, &url(from), now());
        }
        jar.header(&url(to), now())
    }

    #[test]
    fn cookies_go_to_their_host_and_path() {
        let from = "https://www.portal.test/a/page";
        for (set, to, wanted) in [
            ("s=1", "https://www.portal.test/a/x", Some("s=1")),
            ("s=1", "https://www.portal.test/b", None),
            ("s=1; Path=/", "https://www.portal.test/b", Some("s=1")),
            ("s=1; Path=/", "https://apps.portal.test/b", None),
            (
                "s=1; Path=/; Domain=.portal.test",
                "https://apps.portal.test/b",
                Some("s=1"),
            ),
            (
                "s=1; Path=/; Domain=evil.test",
                "https://www.portal.test/",
                None,
            ),
            ("s=1; Path=/; Domain=test", "https://www.portal.test/", None),
            ("s=1; Path=/; Max-Age=0", "https://www.portal.test/", None),
            (
                "s=1; Path=/; Expires=Sat, 14 Feb 2026 11:59:59 GMT",
                "https://www.portal.test/",
                None,
            ),
            (
                "s=1; Path=/; Expires=Saturday, 14-Feb-26 12:00:01 GMT",
                "https://www.portal.test/",
                Some("s=1"),
            ),
            ("s=1; Path=/ab", "https://www.portal.test/abc", None),
        ] {
            assert_eq!(
                header_after(&[set], from, to).as_deref(),
                wanted,
                "{set} {to}"
            );
        }
    }

    #[test]
    fn a_later_cookie_replaces_and_an_expired_one_removes() {
        let page = "https://www.portal.test/";
        assert_eq!(
            header_after(&["s=1", "s=2"], page, page).as_deref(),
            Some("s=2")
        );
        assert_eq!(header_after(&["s=1", "s=; Max-Age=0"], page, page), None);
    }

    #[test]
    fn a_jar_keeps_session_cookies_through_its_file_form() {
        let mut jar = Jar::default();
        jar.set("s=1", &url("https://www.portal.test/"), now());
        let text = serde_json::to_string(&jar).unwrap();
        assert_eq!(serde_json::from_str::<Jar>(&text).unwrap(), jar);
    }
}
