//! `certwatch replay`.

use std::io::Write as _;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::cli::Replay;
use crate::config::Settings;
use crate::error::Error;
use crate::finding::Severity;
use crate::replay::{Entry, replay};
use crate::when;

pub(super) fn run(args: &Replay, settings: &Settings) -> Result<Exit, Error> {
    if !args.at.is_empty() && args.at.len() != args.files.len() {
        return Err(Error::Usage(format!(
            "--at is given {} times for {} files; give it once per file, or not at all",
            args.at.len(),
            args.files.len()
        )));
    }
    let mut judge = settings.judge()?;
    let entries = replay(&mut judge, &args.host, &args.files, &args.at);
    let mut out = Out::stdout();
    let mut before = None;
    for entry in &entries {
        match entry {
            Entry::Judged { file, at, findings } => {
                if before.is_some_and(|before| *at < before) {
                    tracing::warn!(
                        file = %Escaped::path(file),
                        at = when::rfc3339(*at),
                        "observed before the file ahead of it; judged in the order given"
                    );
                }
                before = Some(*at);
                let severity = entry.severity().map_or("none", Severity::word);
                if args.json {
                    let findings: Vec<_> = findings
                        .iter()
                        .map(|f| {
                            serde_json::json!({
                                "code": f.code.as_str(),
                                "severity": f.severity.word(),
                                "text": f.text,
                            })
                        })
                        .collect();
                    let object = serde_json::json!({
                        "file": file.to_string_lossy(),
                        "at": when::rfc3339(*at),
                        "severity": severity,
                        "findings": findings,
                    });
                    writeln!(out, "{object}")?;
                    continue;
                }
                writeln!(
                    out,
                    "{}  {}  {severity}",
                    Escaped::path(file),
                    when::rfc3339(*at)
                )?;
                for f in findings {
                    writeln!(
                        out,
                        "  {:8} {}: {}",
                        f.severity,
                        f.code,
                        Escaped::text(&f.text)
                    )?;
                }
            }
            Entry::Skipped { file, reason } => {
                tracing::error!(file = %Escaped::path(file), "skipped: {reason}");
            }
        }
    }
    out.flush()?;
    let skipped = entries
        .iter()
        .filter(|e| matches!(e, Entry::Skipped { .. }))
        .count();
    let alarming = entries
        .iter()
        .any(|entry| entry.severity() >= Some(Severity::Warning));
    Ok(match (skipped, alarming) {
        (0, false) => Exit::Done,
        (0, true) => Exit::Attention,
        (n, _) if n == entries.len() => Exit::Failed,
        _ => Exit::Partial,
    })
}
