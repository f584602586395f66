//! The three forms of the farm's state: a table, JSON, and Prometheus' text format.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::NodeStatus;

/// The document's keys for the counters: ours, and distccd's.
const COUNTERS: &[(&str, &str)] = &[
    ("running", "current_load"),
    ("compile_ok", "compile_ok"),
    ("compile_error", "compile_error"),
    ("compile_timeout", "compile_timeout"),
    ("client_disconnect", "cli_disconnect"),
    ("rejected_bad_request", "rej_bad_req"),
    ("rejected_overload", "rej_overload"),
];

/// Name, type, help, and the samples: value of the label `result` (none if empty), distccd's key.
type Family = (
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// What Prometheus gets of distccd's counters.
const FAMILIES: &[Family] = &[
    (
        "running",
        "gauge",
        "Jobs running now.",
        &[("", "current_load")],
    ),
    (
        "jobs_total",
        "counter",
        "Jobs since distccd was started.",
        &[
            ("ok", "compile_ok"),
            ("error", "compile_error"),
            ("timeout", "compile_timeout"),
            ("disconnect", "cli_disconnect"),
            ("bad_request", "rej_bad_req"),
            ("overload", "rej_overload"),
        ],
    ),
    (
        "load1",
        "gauge",
        "Load average of the node over one minute.",
        &[("", "load1")],
    ),
];

/// One line per node.
pub fn print_table(nodes: &[NodeStatus], out: &mut impl Write) -> io::Result<()> {
    let width = nodes
        .iter()
        .map(|node| node.name.len())
        .max()
        .unwrap_or_default()
        .max(4);
    writeln!(
        out,
        "{:width$}  {:>7}  {:>5}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}",
        "NODE", "RUNNING", "SLOTS", "OK", "ERRORS", "TIMEOUTS", "REJECTED", "LOAD"
    )?;
    for node in nodes {
        let stats = match &node.stats {
            Ok(stats) => stats,
            Err(reason) => {
                writeln!(out, "{:width$}  {reason}", node.name)?;
                continue;
            }
        };
        let show = |keys: &[&str]| {
            let known: Vec<_> = keys.iter().filter_map(|key| stats.get(key)).collect();
            if known.is_empty() {
                "-".to_owned()
            } else {
                known.iter().sum::<f64>().to_string()
            }
        };
        writeln!(
            out,
            "{:width$}  {:>7}  {:>5}  {:>8}  {:>8}  {:>8}  {:>8}  {:>8}",
            node.name,
            show(&["current_load"]),
            node.slots,
            show(&["compile_ok"]),
            show(&["compile_error"]),
            show(&["compile_timeout"]),
            show(&["rej_bad_req", "rej_overload"]),
            show(&["load1"]),
        )?;
    }
    out.flush()
}

/// One document on one line.
pub fn print_json(nodes: &[NodeStatus], out: &mut impl Write) -> io::Result<()> {
    let entry = |node: &NodeStatus| match &node.stats {
        Err(reason) => {
            json!({"name": node.name, "slots": node.slots, "up": false, "detail": reason})
        }
        Ok(stats) => {
            let mut counters: Map<String, Value> = Map::new();
            for (name, key) in COUNTERS {
                counters.insert((*name).to_owned(), json!(stats.get(key)));
            }
            json!({
                "name": node.name, "slots": node.slots, "up": true, "counters": counters,
                "raw": stats.all(),
            })
        }
    };
    let entries: Vec<_> = nodes.iter().map(entry).collect();
    let ok = nodes.iter().all(|node| node.stats.is_ok());
    writeln!(out, "{}", json!({"nodes": entries, "ok": ok}))?;
    out.flush()
}

/// Prometheus' text format, version 0.0.4, for node_exporter's textfile collector.
pub fn print_prometheus(nodes: &[NodeStatus], out: &mut impl Write) -> io::Result<()> {
    let family = |out: &mut dyn Write, name: &str, kind: &str, help: &str| {
        writeln!(
            out,
            "# HELP ccfarm_node_{name} {help}\n# TYPE ccfarm_node_{name} {kind}"
        )
    };
    family(
        out,
        "up",
        "gauge",
        "Whether distccd's statistics could be read.",
    )?;
    for node in nodes {
        // Node names hold letters, digits, dots and dashes: nothing to escape in a label.
        let up = u8::from(node.stats.is_ok());
        writeln!(out, "ccfarm_node_up{{node=\"{}\"}} {up}", node.name)?;
    }
    family(
        out,
        "slots",
        "gauge",
        "Jobs the node takes at a time, from the farm file.",
    )?;
    for node in nodes {
        writeln!(
            out,
            "ccfarm_node_slots{{node=\"{}\"}} {}",
            node.name, node.slots
        )?;
    }
    for (name, kind, help, keys) in FAMILIES {
        family(out, name, kind, help)?;
        for node in nodes {
            let Ok(stats) = &node.stats else { continue };
            for (result, key) in *keys {
                let Some(value) = stats.get(key) else {
                    continue;
                };
                let label = if result.is_empty() {
                    String::new()
                } else {
                    format!(",result=\"{result}\"")
                };
                writeln!(
                    out,
                    "ccfarm_node_{name}{{node=\"{}\"{label}}} {value}",
                    node.name
                )?;
            }
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Stats;
    use crate::status::tests::ANSWER;

    fn nodes() -> Vec<NodeStatus> {
        vec![
            NodeStatus {
                name: "n1".to_owned(),
                slots: 4,
                stats: Ok(Stats::parse(ANSWER.as_bytes()).unwrap()),
            },
            NodeStatus {
                name: "n2".to_owned(),
                slots: 2,
                stats: Err("no connection".to_owned()),
            },
        ]
    }

    fn text(print: fn(&[NodeStatus], &mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&nodes(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_has_a_line_per_node() {
        let table = text(print_table);
        let lines: Vec<_> = table.lines().collect();
        assert!(lines[0].starts_with("NODE  RUNNING  SLOTS"), "{table}");
        let words: Vec<_> = lines[1].split_whitespace().collect();
        assert_eq!(words[..7], ["n1", "1", "4", "4", "0", "0", "0"], "{table}");
        assert_eq!(lines[2], "n2    no connection");
    }

    #[test]
    fn the_document_names_every_node_and_every_counter() {
        let document: Value = serde_json::from_str(&text(print_json)).unwrap();
        assert_eq!(document["ok"], false);
        assert_eq!(document["nodes"][0]["counters"]["compile_ok"], 4.0);
        assert_eq!(document["nodes"][0]["counters"]["rejected_overload"], 0.0);
        assert_eq!(document["nodes"][1]["up"], false);
        assert_eq!(document["nodes"][1]["detail"], "no connection");
    }

    #[test]
    fn prometheus_gets_help_type_and_samples() {
        let text = text(print_prometheus);
        for line in [
            "ccfarm_node_up{node=\"n1\"} 1\nccfarm_node_up{node=\"n2\"} 0\n",
            "# TYPE ccfarm_node_jobs_total counter\n",
            "ccfarm_node_jobs_total{node=\"n1\",result=\"ok\"} 4\n",
            "ccfarm_node_running{node=\"n1\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        assert!(
            !text.contains("{node=\"n2\",result"),
            "no counters of a node that is down"
        );
        assert!(
            !text.contains("node-secret"),
            "program names of the node stay out"
        );
    }
}
