//! /metrics and /probe for Prometheus: a few hundred lines of text over HTTP/1.1, one request at a
//! time, served by a thread of its own. It answers listed targets only, so nobody can use it to
//! look at other people's machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::config::Settings;
use crate::finding::Severity;
use crate::sweep;
use crate::target::Target;
use crate::when::{self, Unix};

/// A request line and headers; Prometheus sends a few hundred bytes.
const MAX_REQUEST: usize = 8 * 1024;
/// How long a client may take to send its request or to take the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is served, updated after each sweep.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) targets: Vec<Target>,
    pub(crate) dates: Vec<Dates>,
    /// Results per kind since the start.
    pub(crate) outcomes: BTreeMap<&'static str, usize>,
    /// Results per kind in the last sweep.
    pub(crate) last_outcomes: BTreeMap<&'static str, usize>,
    pub(crate) open: Vec<(Severity, i64)>,
    pub(crate) last_sweep: Unix,
    pub(crate) store_errors: u64,
}

/// The dates of a target's current chain, of its address that ends first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dates {
    pub(crate) target: String,
    pub(crate) not_before: Unix,
    pub(crate) not_after: Unix,
    /// When the path ends; 0 if there is no valid one.
    pub(crate) path_end: Unix,
}

impl Metrics {
    /// The exposition text. The presented chain is reported whether expired or not: a metric that
    /// vanishes when a certificate expires alarms nobody.
    pub(crate) fn render(&self, now: Unix) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, rows: Vec<(String, String)>| {
            let _ = writeln!(
                text,
                "# HELP certwatch_{name} {help}\n# TYPE certwatch_{name} {kind}"
            );
            for (labels, value) in rows {
                let _ = writeln!(text, "certwatch_{name}{labels} {value}");
            }
        };
        let per_target = |value: &dyn Fn(&Dates) -> Option<String>| -> Vec<(String, String)> {
            self.dates
                .iter()
                .filter_map(|d| Some((format!("{{target=\"{}\"}}", label(&d.target)), value(d)?)))
                .collect()
        };
        family(
            "leaf_not_after_seconds",
            "gauge",
            "End of the presented certificate, unix time.",
            per_target(&|d| Some(d.not_after.to_string())),
        );
        family(
            "path_not_after_seconds",
            "gauge",
            "First end of a certificate on the valid path, unix time.",
            per_target(&|d| (d.path_end > 0).then(|| d.path_end.to_string())),
        );
        family(
            "leaf_lifetime_left_ratio",
            "gauge",
            "Share of the certificate's lifetime left; below 0 after its end.",
            per_target(&|d| {
                let share = crate::cert::share(d.not_after - now, d.not_after - d.not_before);
                Some(format!("{share:.4}"))
            }),
        );
        let outcomes = |map: &BTreeMap<&'static str, usize>| -> Vec<(String, String)> {
            map.iter()
                .map(|(kind, n)| (format!("{{outcome=\"{kind}\"}}"), n.to_string()))
                .collect()
        };
        family(
            "outcome_total",
            "counter",
            "Probes by outcome.",
            outcomes(&self.outcomes),
        );
        let total: usize = self.last_outcomes.values().sum();
        let legacy = self.last_outcomes.get("legacy").copied().unwrap_or(0);
        let share = |part: usize, whole: usize| {
            crate::cert::share(
                i64::try_from(part).unwrap_or(i64::MAX),
                i64::try_from(whole).unwrap_or(i64::MAX),
            )
        };
        family(
            "legacy_ratio",
            "gauge",
            "Share of addresses that needed the cleartext hello when last seen.",
            vec![(String::new(), format!("{:.4}", share(legacy, total)))],
        );
        family(
            "open_events",
            "gauge",
            "Events nobody has decided on.",
            self.open
                .iter()
                .map(|(severity, n)| (format!("{{severity=\"{severity}\"}}"), n.to_string()))
                .collect(),
        );
        family(
            "last_sweep_timestamp_seconds",
            "gauge",
            "End of the last sweep, unix time; 0 before the first.",
            vec![(String::new(), self.last_sweep.to_string())],
        );
        family(
            "store_errors_total",
            "counter",
            "Sweeps lost because the store could not be used.",
            vec![(String::new(), self.store_errors.to_string())],
        );
        text
    }
}

/// A label value as the exposition format wants it.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// Serves on `address` until the process ends.
pub(crate) fn serve(
    address: SocketAddr,
    metrics: Arc<Mutex<Metrics>>,
    settings: Arc<Settings>,
) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || {
            for stream in listener.incoming() {
                let answered = stream.and_then(|stream| answer(stream, &metrics, &settings));
                if let Err(error) = answered {
                    tracing::debug!("a request for metrics failed: {error}");
                }
            }
        })?;
    Ok(())
}

fn answer(mut stream: TcpStream, metrics: &Mutex<Metrics>, settings: &Settings) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    while !request.windows(4).any(|w| w == b"\r\n\r\n") && request.len() < MAX_REQUEST {
        let n = stream.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        request.extend_from_slice(&buffer[..n]);
    }
    let text = String::from_utf8_lossy(&request);
    let mut words = text.split_whitespace();
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (status, body) = match (method, path) {
        ("GET", "/metrics") => ("200 OK", lock(metrics).render(when::now())),
        ("GET", "/") => (
            "200 OK",
            "certwatch: /metrics, /probe?target=HOST:PORT\n".to_owned(),
        ),
        ("GET", path) => match path.strip_prefix("/probe?target=") {
            Some(target) => probe(&decode(target), metrics, settings),
            None => ("404 Not Found", "no such page\n".to_owned()),
        },
        _ => (
            "405 Method Not Allowed",
            "only GET is answered\n".to_owned(),
        ),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Probes one listed target now.
fn probe(text: &str, metrics: &Mutex<Metrics>, settings: &Settings) -> (&'static str, String) {
    let wanted = text.parse::<Target>().ok();
    let listed = wanted.and_then(|wanted| {
        let metrics = lock(metrics);
        metrics
            .targets
            .iter()
            .find(|t| **t == wanted || (t.host == wanted.host && t.port == wanted.port))
            .cloned()
    });
    let Some(target) = listed else {
        return ("403 Forbidden", "not a listed target\n".to_owned());
    };
    let Ok(judge) = settings.judge() else {
        return (
            "500 Internal Server Error",
            "the roots cannot be read\n".to_owned(),
        );
    };
    let now = when::now();
    let targets: Arc<[Target]> = vec![target.clone()].into();
    let mut results = Metrics::default();
    let probed = sweep::run(&targets, 0..targets.len(), &settings.sweep, |result| {
        let Some(result) = result else { return true };
        let chain = result
            .seen
            .presented
            .as_ref()
            .and_then(|p| judge.chain(p, now));
        let outcome = match &chain {
            Some(chain) if result.seen.outcome == crate::outcome::Outcome::Ok => {
                crate::classify::outcome_of(chain, target.name())
            }
            _ => result.seen.outcome,
        };
        *results.outcomes.entry(outcome.kind()).or_default() += 1;
        if let Some(chain) = chain {
            results.dates.push(Dates {
                target: match result.addr {
                    Some(addr) if target.ip().is_none() => format!("{target} {addr}"),
                    _ => target.to_string(),
                },
                not_before: chain.leaf().not_before,
                not_after: chain.leaf().not_after,
                path_end: chain.path_end(),
            });
        }
        true
    });
    if probed.is_err() {
        return (
            "500 Internal Server Error",
            "no resources for a probe\n".to_owned(),
        );
    }
    results.last_outcomes.clone_from(&results.outcomes);
    ("200 OK", results.render(now))
}

/// `%3A` and its kin.
fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let Some(byte) = escaped {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn lock(metrics: &Mutex<Metrics>) -> std::sync::MutexGuard<'_, Metrics> {
    metrics.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expired_certificate_keeps_its_metrics() {
        let metrics = Metrics {
            dates: vec![Dates {
                target: "a.example:443".to_owned(),
                not_before: 0,
                not_after: 100,
                path_end: 0,
            }],
            ..Metrics::default()
        };
        let text = metrics.render(150);
        assert!(text.contains("certwatch_leaf_not_after_seconds{target=\"a.example:443\"} 100\n"));
        assert!(
            text.contains("certwatch_leaf_lifetime_left_ratio{target=\"a.example:443\"} -0.5000\n")
        );
        assert!(!text.contains("path_not_after_seconds{"));
    }

    #[test]
    fn percent_signs_are_decoded_and_broken_ones_kept() {
        assert_eq!(decode("a.example%3A443"), "a.example:443");
        assert_eq!(decode("100%"), "100%");
        assert_eq!(decode("%zz"), "%zz");
    }
}
