//! `accept`, `reject`, `pin`, `ignore`, `authorize`: decisions with who and why.

use std::io::Write as _;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::cert::Cert;
use crate::chain::{Chain, Judge};
use crate::cli::{Authorize, Decide, Ignore, PinArgs};
use crate::config::Settings;
use crate::db::sqlite::Open;
use crate::digest::Sha256;
use crate::error::Error;
use crate::finding::Code;
use crate::pem;
use crate::store::Store;
use crate::store::events::{Event, Filter};
use crate::store::verdicts::{Kind, Verdict};
use crate::target::Target;
use crate::when;

pub(super) fn accept(args: &Decide, settings: &Settings) -> Result<Exit, Error> {
    decide(args, settings, "accepted", |store, judge, event, chain| {
        let hash = chain.hash.to_string();
        store.drop_verdicts(Kind::Reject, Some(event.target_id), Some(&hash))?;
        for key in [chain.leaf().spki, chain.issuer.id] {
            store.drop_verdicts(
                Kind::RejectKey,
                Some(event.target_id),
                Some(&key.to_string()),
            )?;
        }
        add(store, Kind::Accept, Some(event.target_id), &hash, &args.why)?;
        // An accepted chain teaches its issuer.
        let mut cache = std::collections::HashMap::new();
        let now = when::now();
        let mut history = store.history(event.target_id, judge, &mut cache, now)?;
        history.learn(chain, now, None);
        store.set_issuers(event.target_id, &history.issuers)?;
        store.close_event(event.id, "accepted", &super::who(), &args.why)?;
        Ok(())
    })
}

pub(super) fn reject(args: &Decide, settings: &Settings) -> Result<Exit, Error> {
    decide(args, settings, "rejected", |store, judge, event, chain| {
        let hash = chain.hash.to_string();
        store.drop_verdicts(Kind::Accept, Some(event.target_id), Some(&hash))?;
        add(store, Kind::Reject, Some(event.target_id), &hash, &args.why)?;
        add(
            store,
            Kind::RejectKey,
            Some(event.target_id),
            &chain.leaf().spki.to_string(),
            &args.why,
        )?;
        // The issuer's key too, unless the target had it before: then the CA is not the culprit.
        let mut cache = std::collections::HashMap::new();
        let mut history = store.history(event.target_id, judge, &mut cache, when::now())?;
        let others = history
            .sightings
            .iter()
            .any(|s| s.chain.hash != chain.hash && s.chain.issuer.id == chain.issuer.id);
        if !others {
            add(
                store,
                Kind::RejectKey,
                Some(event.target_id),
                &chain.issuer.id.to_string(),
                &args.why,
            )?;
            history
                .issuers
                .retain(|issuer| issuer.key != chain.issuer.id);
            store.set_issuers(event.target_id, &history.issuers)?;
        }
        store.close_event(event.id, "rejected", &super::who(), &args.why)?;
        Ok(())
    })
}

/// Runs a decision on one event, or on all open events of a target, in one transaction.
fn decide(
    args: &Decide,
    settings: &Settings,
    state: &str,
    mut decision: impl FnMut(&mut Store, &Judge, &Event, &Chain) -> Result<(), crate::db::DbError>,
) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let judge = settings.judge_with(&mut store)?;
    let events = if let Ok(id) = args.what.parse::<i64>() {
        vec![store.event(id)?.ok_or(Error::UnknownEvent(id))?]
    } else {
        let wanted: Target = args
            .what
            .parse()
            .map_err(|error| Error::Usage(format!("{error}")))?;
        let (id, target) = super::find_target(&mut store, &wanted)?;
        let filter = Filter {
            open: true,
            target: Some(id),
            ..Filter::default()
        };
        let events = store.events(&filter)?;
        if events.is_empty() {
            return Err(Error::Usage(format!("{target} has no open event")));
        }
        events
    };
    let mut cache = std::collections::HashMap::new();
    store.transaction(|store| {
        for event in &events {
            let chain = match event.new_chain {
                Some(id) => store.judged(id, &judge, &mut cache, event.at)?,
                None => None,
            };
            match chain {
                Some(chain) => decision(store, &judge, event, &chain)?,
                // Nothing was presented, so there is nothing to remember but the decision.
                None => store.close_event(event.id, state, &super::who(), &args.why)?,
            }
        }
        Ok(())
    })?;
    Ok(Exit::Done)
}

fn add(
    store: &mut Store,
    kind: Kind,
    target: Option<i64>,
    subject: &str,
    why: &str,
) -> Result<(), crate::db::DbError> {
    store.add_verdict(&Verdict {
        kind,
        target,
        subject,
        who: &super::who(),
        why,
        at: when::now(),
        until: None,
    })
}

pub(super) fn pin(args: &PinArgs, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let judge = settings.judge_with(&mut store)?;
    let (id, target) = super::find_target(&mut store, &args.target)?;
    let kinds = [
        Kind::PinLeafKey,
        Kind::PinIssuerKey,
        Kind::PinOwner,
        Kind::PinRoot,
    ];
    if args.what.none {
        store.transaction(|store| {
            kinds
                .iter()
                .try_for_each(|kind| store.drop_verdicts(*kind, Some(id), None))
        })?;
        return Ok(Exit::Done);
    }
    let runs = store.shown_runs(id, &judge, when::now())?;
    let Some(chain) = runs.iter().find_map(|run| run.chain.as_ref()) else {
        return Err(Error::Usage(format!(
            "{target} never showed a chain to pin"
        )));
    };
    let (kind, subject) = if args.what.leaf_key {
        (Kind::PinLeafKey, chain.leaf().spki.to_string())
    } else if args.what.issuer_key {
        (Kind::PinIssuerKey, chain.issuer.id.to_string())
    } else if args.what.owner {
        (Kind::PinOwner, chain.owner.name.clone())
    } else {
        let root = chain.anchor().ok_or_else(|| {
            Error::Usage(format!(
                "the chain of {target} ends in no root that could be pinned"
            ))
        })?;
        (Kind::PinRoot, root.to_string())
    };
    store.transaction(|store| {
        store.drop_verdicts(kind, Some(id), None)?;
        add(store, kind, Some(id), &subject, &args.why)
    })?;
    Ok(Exit::Done)
}

pub(super) fn ignore(args: &Ignore, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let who = super::who();
    // A host called like a code would be a curious thing; codes win.
    let (kind, target, subject) = if let Ok(code) = args.what.parse::<Code>() {
        (Kind::IgnoreCode, None, code.to_string())
    } else {
        let wanted: Target = args
            .what
            .parse()
            .map_err(|error| Error::Usage(format!("{error}")))?;
        let (id, target) = super::find_target(&mut store, &wanted)?;
        (Kind::IgnoreTarget, Some(id), target.to_string())
    };
    store.add_verdict(&Verdict {
        kind,
        target,
        subject: &subject,
        who: &who,
        why: &args.why,
        at: when::now(),
        until: args.until,
    })?;
    Ok(Exit::Done)
}

pub(super) fn authorize(args: &Authorize, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Create)?;
    let mut out = Out::stdout();
    let mut keys: Vec<Sha256> = Vec::new();
    for path in &args.paths {
        let text = std::fs::read(path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let fail = |reason: &str| Error::Import {
            path: path.clone(),
            reason: reason.to_owned(),
        };
        let mut found = Vec::new();
        for block in pem::blocks(&text) {
            if block.label.contains("PRIVATE KEY") {
                return Err(fail(
                    "holds a private key; give the certificate or the public key",
                ));
            }
            found.extend(key_of(&block));
        }
        if found.is_empty() {
            return Err(fail("no certificate, signing request or public key in it"));
        }
        for key in found {
            writeln!(out, "{}  {key}", Escaped::path(path))?;
            keys.push(key);
        }
    }
    store.transaction(|store| {
        keys.iter()
            .try_for_each(|key| add(store, Kind::Authorize, None, &key.to_string(), &args.why))
    })?;
    out.flush()?;
    Ok(Exit::Done)
}

/// The key a PEM block is about.
fn key_of(block: &pem::Block) -> Option<Sha256> {
    use x509_parser::certification_request::X509CertificationRequest;
    use x509_parser::prelude::FromDer;
    match block.label.as_str() {
        "CERTIFICATE" | "TRUSTED CERTIFICATE" => Cert::parse(&block.der).map(|cert| cert.spki),
        "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => {
            let (_, request) = X509CertificationRequest::from_der(&block.der).ok()?;
            Some(Sha256::of(
                request.certification_request_info.subject_pki.raw,
            ))
        }
        "PUBLIC KEY" => Some(Sha256::of(&block.der)),
        _ => None,
    }
}
