//! What may be sent at all: asked before every request, redirects included.
//!
//! A profile lists hosts, methods and paths; everything else is refused before a byte is sent.
//! This is what makes the tool unable to change anything at the portal, and unable to carry a
//! password anywhere but to it.

use regex::Regex;
use url::Url;

use crate::net::{Method, Request, plain_address};

/// An allowed kind of request.
#[derive(Debug, Clone)]
pub struct Allow {
    /// Its method.
    pub method: Method,
    /// What its path must match.
    pub path: Regex,
}

/// Hosts and requests of a profile.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Host names, lower case.
    pub hosts: Vec<String>,
    /// Kinds of request.
    pub allow: Vec<Allow>,
}

/// Why a request is not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not https.
    #[error("{step}: points to {url}, which is not https: refused before anything was sent")]
    Downgrade {
        /// What was being done.
        step: String,
        /// Where it pointed.
        url: String,
    },
    /// A host that the profile does not list for this step.
    #[error(
        "{step}: points to {url}, and the profile does not allow that host: refused before anything was sent"
    )]
    ForeignHost {
        /// What was being done.
        step: String,
        /// Where it pointed.
        url: String,
    },
    /// A method or path that the profile does not list.
    #[error("{step}: the profile does not allow {method} {url}: refused before anything was sent")]
    NotAllowed {
        /// What was being done.
        step: String,
        /// The method.
        method: Method,
        /// The address.
        url: String,
    },
    /// A redirect that would send a password again.
    #[error("{step}: status {status} asks to send the sign-in again, to {url}: refused")]
    SecretAgain {
        /// What was being done.
        step: String,
        /// The status.
        status: u16,
        /// Where to.
        url: String,
    },
}

impl Policy {
    /// Says whether `request` may be sent in `step`, whose own `hosts` narrow the profile's if
    /// there are any.
    pub fn check(&self, request: &Request, step: &str, hosts: &[String]) -> Result<(), Refused> {
        self.check_address(&request.url, step, hosts)?;
        let path = request.url.path();
        let allowed = self
            .allow
            .iter()
            .any(|allow| allow.method == request.method && allow.path.is_match(path));
        if allowed {
            return Ok(());
        }
        Err(Refused::NotAllowed {
            step: step.to_owned(),
            method: request.method,
            url: plain_address(&request.url),
        })
    }

    /// Says whether an address is https and at an allowed host.
    pub fn check_address(&self, url: &Url, step: &str, hosts: &[String]) -> Result<(), Refused> {
        let refused = || (step.to_owned(), plain_address(url));
        if url.scheme() != "https" {
            let (step, url) = refused();
            return Err(Refused::Downgrade { step, url });
        }
        let host = url.host_str().unwrap_or_default();
        // Names that parse as an address, a port of its own or a user name are never the
        // profile's: its hosts are plain names on the https port.
        let plain = url.port().is_none() && url.username().is_empty() && url.password().is_none();
        let listed = |hosts: &[String]| hosts.iter().any(|known| known == host);
        if plain && listed(&self.hosts) && (hosts.is_empty() || listed(hosts)) {
            return Ok(());
        }
        let (step, url) = refused();
        Err(Refused::ForeignHost { step, url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(method: Method, url: &str, step_hosts: &[&str]) -> Result<(), Refused> {
        let policy = Policy {
            hosts: vec!["www.portal.test".to_owned(), "apps.portal.test".to_owned()],
            allow: vec![
                Allow {
                    method: Method::Get,
                    path: Regex::new("^/ebilling/").unwrap(),
                },
                Allow {
                    method: Method::Post,
                    path: Regex::new("^/login$").unwrap(),
                },
            ],
        };
        let hosts: Vec<String> = step_hosts.iter().map(|host| (*host).to_owned()).collect();
        policy.check(
            &Request::new(method, Url::parse(url).unwrap()),
            "step",
            &hosts,
        )
    }

    #[test]
    fn only_what_is_listed_is_sent() {
        use Method::{Get, Post};
        assert!(verdict(Get, "https://www.portal.test/ebilling/list?x=1", &[]).is_ok());
        assert!(verdict(Post, "https://www.portal.test/login", &["www.portal.test"]).is_ok());
        for (method, url, hosts) in [
            (Post, "https://www.portal.test/ebilling/pay", &[][..]),
            (Get, "https://www.portal.test/account", &[]),
            (Get, "https://www.portal.test/x/../account", &[]),
            (Post, "https://www.portal.test/login", &["apps.portal.test"]),
            (Get, "https://evil.test/ebilling/", &[]),
            (Get, "https://www.portal.test.evil.test/ebilling/", &[]),
            (Get, "https://www.portal.test@evil.test/ebilling/", &[]),
            (Get, "https://user@www.portal.test/ebilling/", &[]),
            (Get, "https://www.portal.test:8443/ebilling/", &[]),
            (Get, "https://127.0.0.1/ebilling/", &[]),
        ] {
            assert!(verdict(method, url, hosts).is_err(), "{method} {url}");
        }
        let downgrade = verdict(Get, "http://www.portal.test/ebilling/", &[]).unwrap_err();
        assert!(matches!(downgrade, Refused::Downgrade { .. }));
    }
}
