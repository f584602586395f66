//! Asks every node for every compiler name and collects the verdicts.

pub(crate) mod report;

use std::thread;

use crate::probe::{Limits, Outcome, probe};
use crate::proto::Job;
use crate::source::{file_name, identity, target};
use crate::verdict::{self, Expected, Finding, Subject, Verdict};
pub use report::{Document, Row, print_json, print_text};

/// Everything doctor needs to know; the farm file gives it, or `probe`'s command line.
#[derive(Debug, Clone)]
pub struct Examination {
    /// The nodes, in the order of the report.
    pub nodes: Vec<Patient>,
    /// Compiler names, in the order of the report.
    pub names: Vec<String>,
    /// Flags of the identity probe.
    pub cflags: Vec<String>,
    /// The farm's triple, for hints.
    pub triple: Option<String>,
    /// What the device needs.
    pub expected: Expected,
    /// Time limits of each job.
    pub limits: Limits,
}

/// A node to be asked.
#[derive(Debug, Clone)]
pub struct Patient {
    /// Its name in the report.
    pub name: String,
    /// Where it is.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl Examination {
    /// Nodes in parallel, names of a node in order. One row per node and name, in file order.
    pub fn run(&self) -> Vec<Row> {
        thread::scope(|scope| {
            let nodes: Vec<_> = self
                .nodes
                .iter()
                .map(|node| scope.spawn(move || self.examine(node)))
                .collect();
            nodes
                .into_iter()
                .zip(&self.nodes)
                .flat_map(|(thread, node)| {
                    // A bug met on one node must not hide the verdicts on the others.
                    thread.join().unwrap_or_else(|_| self.lost(node))
                })
                .collect()
        })
    }

    fn examine(&self, node: &Patient) -> Vec<Row> {
        let mut hopeless: Option<Finding> = None;
        let mut rows = Vec::new();
        for name in &self.names {
            let finding = match &hopeless {
                Some(finding) => finding.clone(),
                None => self.ladder(node, name),
            };
            tracing::debug!(node = %node.name, compiler = %name, verdict = %finding.verdict);
            // Neither changes with the compiler's name, and a dead node costs the whole timeout.
            if matches!(finding.verdict, Verdict::Down | Verdict::RefusedClient) {
                hopeless = Some(finding.clone());
            }
            rows.push(Row {
                node: node.name.clone(),
                compiler: name.clone(),
                finding,
            });
        }
        rows
    }

    /// The target probe, then the identity probe. The first failure is the verdict.
    fn ladder(&self, node: &Patient, name: &str) -> Finding {
        let subject = Subject {
            node: &node.name,
            compiler: name,
            triple: self.triple.as_deref(),
        };
        let outcome = self.send(node, name, target(name), &["-O1".to_owned()]);
        let seen = match verdict::target(&outcome, &self.expected, subject) {
            Ok(seen) => seen,
            Err(finding) => return finding,
        };
        let mut flags = self.cflags.clone();
        // Without .comment the whole objects of device and node are equal byte for byte.
        flags.push("-fno-ident".to_owned());
        let outcome = self.send(node, name, identity(name), &flags);
        verdict::identity(&outcome, &seen, &self.expected, subject)
    }

    fn send(&self, node: &Patient, name: &str, source: Vec<u8>, flags: &[String]) -> Outcome {
        probe(
            &node.host,
            node.port,
            &job(name, source, flags),
            self.limits,
        )
    }

    fn lost(&self, node: &Patient) -> Vec<Row> {
        let finding = Finding {
            verdict: Verdict::BadReply,
            detail: "internal error while probing".to_owned(),
            hint: Some("please report this".to_owned()),
        };
        let row = |name: &String| Row {
            node: node.name.clone(),
            compiler: name.clone(),
            finding: finding.clone(),
        };
        self.names.iter().map(row).collect()
    }
}

/// The command line of a probe, as distcc sends it.
pub(crate) fn job(name: &str, source: Vec<u8>, flags: &[String]) -> Job {
    let file = file_name(name);
    let words = [name]
        .into_iter()
        .chain(flags.iter().map(String::as_str))
        .chain(["-c", file, "-o", "probe.o"]);
    Job {
        argv: words.map(|word| word.as_bytes().to_vec()).collect(),
        source,
    }
}
