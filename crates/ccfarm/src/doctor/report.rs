//! The two forms of doctor's answer: lines for people, one JSON document for programs.

use std::io::{self, Write};

use nightshift_common::exit::Exit;
use serde::Serialize;

use crate::verdict::{Finding, Verdict};

/// The verdict on one node and one compiler name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The node's name.
    pub node: String,
    /// The compiler name it was sent.
    pub compiler: String,
    /// What came of it.
    pub finding: Finding,
}

/// The JSON document. Fields are added, never removed or renamed.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    nodes: Vec<Entry<'a>>,
    ok: bool,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    name: &'a str,
    compiler: &'a str,
    verdict: Verdict,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl<'a> Document<'a> {
    /// One entry per row, in the same order.
    pub fn new(rows: &'a [Row]) -> Self {
        let nodes = rows
            .iter()
            .map(|row| Entry {
                name: &row.node,
                compiler: &row.compiler,
                verdict: row.finding.verdict,
                detail: &row.finding.detail,
                hint: row.finding.hint.as_deref(),
            })
            .collect();
        Self {
            nodes,
            ok: exit_of(rows) == Exit::Done,
        }
    }
}

/// One aligned line per row, and the hint under it.
pub fn print_text(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let width = |text: fn(&Row) -> &str| {
        rows.iter()
            .map(|row| text(row).chars().count())
            .max()
            .unwrap_or_default()
    };
    let node = width(|row| &row.node);
    let compiler = width(|row| &row.compiler);
    let mut last_hint = None;
    for row in rows {
        let Finding {
            verdict,
            detail,
            hint,
        } = &row.finding;
        writeln!(
            out,
            "{:node$}  {:compiler$}  {verdict:16}  {detail}",
            row.node, row.compiler
        )?;
        // The same advice under every name of a node would bury the verdicts.
        if let Some(hint) = hint
            && last_hint != Some((&row.node, hint))
        {
            writeln!(out, "    hint: {hint}")?;
            last_hint = Some((&row.node, hint));
        }
    }
    out.flush()
}

/// One document on one line.
pub fn print_json(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &Document::new(rows))?;
    writeln!(out)?;
    out.flush()
}

/// 0 if every verdict is `ok`, 3 if every one is `down`, otherwise 1.
pub(crate) fn exit_of(rows: &[Row]) -> Exit {
    let all = |verdict| rows.iter().all(|row| row.finding.verdict == verdict);
    if all(Verdict::Ok) {
        Exit::Done
    } else if all(Verdict::Down) {
        Exit::Failed
    } else {
        Exit::Attention
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(node: &str, compiler: &str, verdict: Verdict, hint: Option<&str>) -> Row {
        Row {
            node: node.to_owned(),
            compiler: compiler.to_owned(),
            finding: Finding {
                verdict,
                detail: "because".to_owned(),
                hint: hint.map(str::to_owned),
            },
        }
    }

    #[test]
    fn lines_are_aligned_and_a_repeated_hint_is_said_once() {
        let rows = [
            row("n1", "gcc", Verdict::Ok, None),
            row("box", "gcc", Verdict::Down, Some("wake it")),
            row("box", "/usr/bin/gcc", Verdict::Down, Some("wake it")),
        ];
        let mut out = Vec::new();
        print_text(&rows, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "n1   gcc           ok                because\n\
             box  gcc           down              because\n    \
             hint: wake it\n\
             box  /usr/bin/gcc  down              because\n"
        );
    }

    #[test]
    fn the_document_has_the_documented_form() {
        let rows = [row("n1", "gcc", Verdict::WrongTarget, None)];
        let mut out = Vec::new();
        print_json(&rows, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"nodes\":[{\"name\":\"n1\",\"compiler\":\"gcc\",\"verdict\":\"wrong-target\",\
             \"detail\":\"because\"}],\"ok\":false}\n"
        );
    }

    #[test]
    fn the_exit_code_follows_the_verdicts() {
        let ok = row("a", "gcc", Verdict::Ok, None);
        let down = row("b", "gcc", Verdict::Down, None);
        let wrong = row("c", "gcc", Verdict::WrongTarget, None);
        assert_eq!(exit_of(std::slice::from_ref(&ok)), Exit::Done);
        assert_eq!(exit_of(std::slice::from_ref(&down)), Exit::Failed);
        assert_eq!(exit_of(&[ok.clone(), down]), Exit::Attention);
        assert_eq!(exit_of(&[ok, wrong]), Exit::Attention);
    }
}
