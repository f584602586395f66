//! `certwatch import`: lists, other memories, other vantages' runs.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::cert::Cert;
use crate::chain::Presented;
use crate::cli::{Import, ImportKind};
use crate::config::Settings;
use crate::db::sqlite::Open;
use crate::digest::Sha256;
use crate::error::Error;
use crate::import::{ccadb, certpatrol, distrusted};
use crate::outcome::{Outcome, Proof};
use crate::protocol::Protocol;
use crate::runfile::RunFile;
use crate::sct;
use crate::store::Store;
use crate::store::runs::RunRow;
use crate::store::verdicts::{Kind, Verdict};
use crate::target::Target;
use crate::when;

pub(super) fn run(args: &Import, settings: &Settings) -> Result<Exit, Error> {
    match args.kind {
        // The add-on's memory is a database, which its own reader opens.
        ImportKind::Certpatrol => certpatrol(&args.file, settings),
        kind => {
            // Everything is read and checked before the store is touched.
            let text = std::fs::read(&args.file).map_err(|source| Error::Read {
                path: args.file.clone(),
                source,
            })?;
            let fail = |reason: String| Error::Import {
                path: args.file.clone(),
                reason,
            };
            match kind {
                ImportKind::Ccadb => {
                    let records = ccadb::parse(&text)
                        .map_err(|error| fail(nightshift_common::error::chain(&error)))?;
                    let mut store = settings.open(Open::Create)?;
                    let total = store.transaction(|store| store.import_ccadb(&records))?;
                    tracing::info!(read = records.len(), total, "CCADB records imported");
                }
                ImportKind::Loglist => {
                    let logs = sct::parse(&text).map_err(fail)?;
                    let mut store = settings.open(Open::Create)?;
                    let total = store.transaction(|store| store.import_logs(&logs))?;
                    tracing::info!(read = logs.len(), total, "CT logs imported");
                }
                ImportKind::Distrusted => {
                    let text = String::from_utf8_lossy(&text);
                    let entries = distrusted::parse(&text)
                        .map_err(|(line, reason)| fail(format!("line {line}: {reason}")))?;
                    let mut store = settings.open(Open::Create)?;
                    store.transaction(|store| store.import_distrusted(&entries))?;
                    tracing::info!(read = entries.len(), "known-bad entries imported");
                }
                _ => {
                    let file = RunFile::read(&text)
                        .map_err(|(line, reason)| fail(format!("line {line}: {reason}")))?;
                    return runs(&file, settings, fail);
                }
            }
            Ok(Exit::Done)
        }
    }
}

/// Replaces the runs of the file's vantage by the file's.
fn runs(
    file: &RunFile,
    settings: &Settings,
    fail: impl Fn(String) -> Error,
) -> Result<Exit, Error> {
    if file.vantage == settings.vantage {
        return Err(fail(format!(
            "these runs are of vantage {}, which is this one; --vantage names this one differently",
            file.vantage
        )));
    }
    let certificates: HashMap<String, Arc<[u8]>> = file
        .certificates
        .iter()
        .map(|der| (Sha256::of(der).to_string(), Arc::from(der.as_slice())))
        .collect();
    let mut prepared = Vec::new();
    for run in &file.runs {
        let protocol: Protocol = run.protocol.parse().map_err(&fail)?;
        let host = crate::target::host(&run.host).map_err(&fail)?;
        let target = Target {
            host,
            port: run.port,
            protocol,
            sni: run.sni.clone(),
        };
        let ders: Option<Vec<Arc<[u8]>>> = run
            .chain
            .iter()
            .map(|hash| certificates.get(hash).cloned())
            .collect();
        let ders = ders.ok_or_else(|| fail(format!("a certificate of {target} is missing")))?;
        if Outcome::parse(&run.outcome).is_none() {
            return Err(fail(format!("{target}: unknown outcome")));
        }
        prepared.push((run, target, Presented { ders }));
    }
    let mut store = settings.open(Open::Create)?;
    store.transaction(|store| {
        let vantage = store.vantage(&file.vantage)?;
        store.forget_runs(vantage)?;
        for (run, target, presented) in &prepared {
            let chain = if presented.ders.is_empty() {
                None
            } else {
                Some(store.chain(presented, 0)?)
            };
            let row = RunRow {
                target: store.target(target, "")?,
                vantage,
                addr: &run.addr,
                chain,
                outcome: &run.outcome,
                proof: Proof::from_code(&run.proof),
                at: run.first,
                alarm: 0,
            };
            let id = store.add_run(&row)?;
            store.extend_run(id, run.last, run.n)?;
        }
        Ok(())
    })?;
    let events = crate::engine::review_vantages(&mut store, settings)?;
    tracing::info!(runs = prepared.len(), vantage = %Escaped::text(&file.vantage), "imported");
    let mut out = Out::stdout();
    for event in &events {
        super::print_event(&mut out, event)?;
    }
    out.flush()?;
    store.told(&events)?;
    Ok(if events.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    })
}

/// Takes the sites of a Certificate Patrol database as first sightings of vantage `certpatrol`.
fn certpatrol(path: &Path, settings: &Settings) -> Result<Exit, Error> {
    let memories = certpatrol::read(path).map_err(|error| Error::Import {
        path: path.to_owned(),
        reason: format!("no Certificate Patrol database: {error}"),
    })?;
    let mut store = settings.open(Open::Create)?;
    store.transaction(|store| {
        let vantage = store.vantage("certpatrol")?;
        for memory in &memories.found {
            remember(store, vantage, memory)?;
        }
        Ok(())
    })?;
    tracing::info!(
        sites = memories.found.len(),
        "Certificate Patrol memories imported"
    );
    if memories.skipped > 0 {
        tracing::warn!(
            sites = memories.skipped,
            "without a certificate or a readable host, skipped"
        );
        return Ok(Exit::Partial);
    }
    Ok(Exit::Done)
}

fn remember(
    store: &mut Store,
    vantage: i64,
    memory: &certpatrol::Memory,
) -> Result<(), crate::db::DbError> {
    let Some(leaf) = Cert::parse(&memory.der) else {
        return Ok(());
    };
    let target = store.target(&memory.target, "")?;
    let chain = store.chain(
        &Presented {
            ders: vec![Arc::clone(&leaf.der)],
        },
        0,
    )?;
    let at = if memory.stored > 0 {
        memory.stored
    } else {
        leaf.not_before + when::DAY
    };
    store.add_run(&RunRow {
        target,
        vantage,
        addr: "",
        chain: Some(chain),
        outcome: "incomplete",
        proof: Proof::None,
        at,
        alarm: 0,
    })?;
    if memory.issuer_only {
        store.add_verdict(&Verdict {
            kind: Kind::Accept,
            target: Some(target),
            subject: &Presented {
                ders: vec![leaf.der],
            }
            .hash()
            .to_string(),
            who: "certpatrol",
            why: "the user had asked for the issuer to be checked only",
            at,
            until: None,
        })?;
    }
    Ok(())
}
