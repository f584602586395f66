//! What distccd's statistics port says about each node.

mod report;

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::thread;

use nightshift_common::error::chain;

use crate::farm::Farm;
use crate::probe::{Deadlined, Limits, connect};
pub use report::{print_json, print_prometheus, print_table};

/// Longest answer read, in bytes; distccd's is about 800.
const MAX_ANSWER: u64 = 64 << 10;

/// One node's answer.
#[derive(Debug)]
pub struct NodeStatus {
    /// The node's name.
    pub name: String,
    /// Its slots in the farm file.
    pub slots: u16,
    /// The counters, or why there are none.
    pub stats: Result<Stats, String>,
}

/// distccd's counters. Keys are distccd's, without their prefix `dcc_`; unknown ones are kept, so
/// that a newer distccd loses nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats(BTreeMap<String, f64>);

impl Stats {
    /// Reads the lines between the `<distccstats>` tags: a key, a blank, a number, perhaps a unit.
    pub fn parse(answer: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(answer);
        let (_, body) = text.split_once("<distccstats>")?;
        let (body, _) = body.split_once("</distccstats>")?;
        let number = |line: &str| {
            let mut words = line.split_ascii_whitespace();
            let key = words.next()?.strip_prefix("dcc_")?;
            // Values that are no numbers are names of programs on the node: nobody's business.
            let value: f64 = words.next()?.parse().ok()?;
            value.is_finite().then(|| (key.to_owned(), value))
        };
        Some(Self(body.lines().filter_map(number).collect()))
    }

    /// The value of a key; `None` if this distccd does not know it, or says -1 for unknown.
    pub fn get(&self, key: &str) -> Option<f64> {
        self.0.get(key).copied().filter(|value| *value >= 0.0)
    }

    /// All of them, by key.
    pub fn all(&self) -> &BTreeMap<String, f64> {
        &self.0
    }
}

/// Asks every node that has a `stats_port`, in parallel; in file order.
pub fn ask(farm: &Farm) -> Vec<NodeStatus> {
    thread::scope(|scope| {
        let threads: Vec<_> = farm
            .nodes
            .iter()
            .filter_map(|node| Some((node, node.stats_port?)))
            .map(|(node, port)| {
                scope.spawn(move || NodeStatus {
                    name: node.name.to_string(),
                    slots: node.slots,
                    stats: fetch(node.host.as_ref(), port, farm.limits),
                })
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    })
}

fn fetch(host: &str, port: u16, limits: Limits) -> Result<Stats, String> {
    let stream = connect(host, port, limits.connect).map_err(|down| chain(&down))?;
    // distccd 3.4 is known to hang here; the deadline covers the whole exchange.
    let mut stream = Deadlined::new(stream, limits.job);
    let mut answer = Vec::new();
    let outcome = stream
        .write_all(b"GET / HTTP/1.0\r\n\r\n")
        .and_then(|()| stream.take(MAX_ANSWER).read_to_end(&mut answer));
    match (Stats::parse(&answer), outcome) {
        // distccd closes with our request unread, so the answer may end in a reset.
        (Some(stats), _) => Ok(stats),
        (None, Err(error)) if error.kind() == io::ErrorKind::ConnectionReset => {
            Err("reset: this host is not allowed, or no statistics on this port".to_owned())
        }
        (None, Err(error)) => Err(format!("no answer: {error}")),
        (None, Ok(_)) => Err("the answer holds no distcc statistics".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What distccd 3.4 answers, with the node's biggest process renamed.
    pub(super) const ANSWER: &str = include_str!("status/fixtures/distccd-3.4.txt");

    #[test]
    fn the_answer_of_distccd_is_read() {
        let stats = Stats::parse(ANSWER.as_bytes()).unwrap();
        assert_eq!(stats.get("tcp_accept"), Some(5.0));
        assert_eq!(stats.get("compile_ok"), Some(4.0));
        assert_eq!(stats.get("max_kids"), Some(4.0));
        assert!(stats.get("free_space").is_some(), "a number with a unit");
        assert_eq!(stats.get("max_RSS_name"), None, "names are not kept");
        assert_eq!(stats.get("free_mem"), None, "only newer ones have it");
    }

    #[test]
    fn unknown_keys_are_kept_and_minus_one_means_unknown() {
        let stats =
            Stats::parse(b"x<distccstats>\ndcc_new_key 7\ndcc_io_rate -1\nodd\n</distccstats>");
        let stats = stats.unwrap();
        assert_eq!(stats.get("new_key"), Some(7.0));
        assert_eq!(stats.get("io_rate"), None);
        assert_eq!(Stats::parse(b"<html>hello</html>"), None);
    }

    proptest! {
        #[test]
        fn random_answers_never_panic(text in ".{0,200}") {
            let _ = Stats::parse(text.as_bytes());
            let _ = Stats::parse(format!("<distccstats>{text}</distccstats>").as_bytes());
        }
    }
}
