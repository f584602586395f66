//! `certwatch check`: one look, no memory.

use std::io::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::chain::Chain;
use crate::classify::{self, classify};
use crate::cli::{Check, Format};
use crate::config::Settings;
use crate::error::Error;
use crate::finding::{Code, Finding, Severity, worst};
use crate::history::History;
use crate::import::distrusted;
use crate::knowledge::Knowledge;
use crate::observation::Observation;
use crate::outcome::{Outcome, Proof};
use crate::sweep;
use crate::target::Target;
use crate::when::{self, Unix};

/// What one address of one target showed.
struct Look {
    target: Target,
    addr: Option<IpAddr>,
    outcome: Outcome,
    proof: Proof,
    chain: Option<Arc<Chain>>,
    findings: Vec<Finding>,
}

pub(super) fn run(args: &Check, settings: &Settings) -> Result<Exit, Error> {
    let judge = settings.judge()?;
    let targets: Arc<[Target]> = args.targets.clone().into();
    let now = when::now();
    let mut looks = Vec::new();
    sweep::run(&targets, 0..targets.len(), &settings.sweep, |result| {
        let Some(result) = result else { return true };
        let chain = result
            .seen
            .presented
            .as_ref()
            .and_then(|p| judge.chain(p, now))
            .map(Arc::new);
        let target = targets[result.target].clone();
        let outcome = match &chain {
            Some(chain) if result.seen.outcome == Outcome::Ok => {
                classify::outcome_of(chain, target.name())
            }
            None if result.seen.presented.is_some() => Outcome::CertUnparseable,
            _ => result.seen.outcome.clone(),
        };
        let observation = Observation {
            target: target.clone(),
            vantage: settings.vantage.clone(),
            addr: result.addr,
            at: now,
            outcome: outcome.clone(),
            proof: result.seen.proof,
            chain: chain.clone(),
        };
        let knowledge = Knowledge {
            first_sight_cap: false,
            known_bad: chain
                .as_deref()
                .and_then(|chain| distrusted::reason(chain, &[])),
            tlsa: result.tlsa,
            expiring_share: settings.thresholds.0,
            expiring_now_share: settings.thresholds.1,
            ..Knowledge::default()
        };
        let mut findings = classify(&History::default(), &observation, &knowledge, now);
        // Without a memory every sight is the first; saying so would be noise.
        findings.retain(|finding| finding.code != Code::FIRST_SEEN);
        let (addr, proof) = (result.addr, result.seen.proof);
        looks.push(Look {
            target,
            addr,
            outcome,
            proof,
            chain,
            findings,
        });
        true
    })?;
    looks.sort_by(|a, b| (&a.target, a.addr).cmp(&(&b.target, b.addr)));
    let mut out = Out::stdout();
    let exit = match args.format {
        Format::Text => text(&mut out, &looks, now)?,
        Format::Json => json(&mut out, &looks)?,
        Format::Nagios => nagios(&mut out, &looks, now)?,
    };
    out.flush()?;
    Ok(exit)
}

fn exit(looks: &[Look]) -> Exit {
    if looks.iter().all(|look| look.chain.is_none()) {
        return Exit::Failed;
    }
    let alarming =
        |look: &Look| look.chain.is_none() || worst(&look.findings) >= Some(Severity::Warning);
    if looks.iter().any(alarming) {
        Exit::Attention
    } else {
        Exit::Done
    }
}

fn text(out: &mut Out, looks: &[Look], now: Unix) -> Result<Exit, Error> {
    for look in looks {
        write!(out, "{}", look.target)?;
        if let Some(addr) = look.addr.filter(|_| look.target.ip().is_none()) {
            write!(out, " [{addr}]")?;
        }
        writeln!(out, "  {}, key {}", look.outcome, look.proof.code())?;
        if let Some(chain) = &look.chain {
            let leaf = chain.leaf();
            writeln!(
                out,
                "  {}, {}, issued by {}, {}, until {} ({} left)",
                Escaped::text(leaf.subject.short()),
                leaf.key,
                Escaped::text(chain.issuer_name()),
                Escaped::text(&chain.owner.to_string()),
                when::date(leaf.not_after),
                when::span((leaf.not_after - now).max(0)),
            )?;
        }
        for f in &look.findings {
            writeln!(
                out,
                "  {:8} {}: {}",
                f.severity,
                f.code,
                Escaped::text(&f.text)
            )?;
        }
    }
    Ok(exit(looks))
}

fn json(out: &mut Out, looks: &[Look]) -> Result<Exit, Error> {
    for look in looks {
        let certificates: Vec<_> = look
            .chain
            .iter()
            .flat_map(|chain| &chain.certs)
            .map(|cert| {
                serde_json::json!({
                    "sha256": cert.sha256.to_string(),
                    "spki_sha256": cert.spki.to_string(),
                    "subject": cert.subject.text,
                    "issuer": cert.issuer.text,
                    "serial": cert.serial,
                    "not_before": when::rfc3339(cert.not_before),
                    "not_after": when::rfc3339(cert.not_after),
                    "key": cert.key.to_string(),
                    "dns_names": cert.dns_names,
                })
            })
            .collect();
        let findings: Vec<_> = look
            .findings
            .iter()
            .map(|f| serde_json::json!({"code": f.code.as_str(), "severity": f.severity.word(), "text": f.text}))
            .collect();
        let chain = look.chain.as_deref();
        let object = serde_json::json!({
            "target": look.target.to_string(),
            "address": look.addr.map(|addr| addr.to_string()),
            "outcome": look.outcome.to_string(),
            "proof": look.proof.code(),
            "trust": chain.map(|chain| chain.paths.trust.code()),
            "owner": chain.map(|chain| chain.owner.name.clone()),
            "level": chain.map(|chain| chain.level.code()),
            "severity": worst(&look.findings).map_or("none", Severity::word),
            "findings": findings,
            "certificates": certificates,
        });
        writeln!(out, "{object}")?;
    }
    Ok(exit(looks))
}

/// One line in the monitoring plug-in convention, whose exit codes replace the suite's: 0 OK,
/// 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
fn nagios(out: &mut Out, looks: &[Look], now: Unix) -> Result<Exit, Error> {
    let state = |look: &Look| match (&look.chain, worst(&look.findings)) {
        (None, _) => match look.outcome {
            Outcome::Dns => 3,
            _ => 2,
        },
        (_, Some(Severity::Critical)) => 2,
        (_, Some(Severity::Warning)) => 1,
        _ => 0,
    };
    // UNKNOWN ranks below CRITICAL, as the plug-in guidelines have it.
    let rank = |state: u8| [0u8, 1, 3, 2][usize::from(state)];
    let worst_look = looks.iter().max_by_key(|look| rank(state(look)));
    let code = worst_look.map_or(3, state);
    let word = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][usize::from(code)];
    let summary = match worst_look {
        Some(look) => {
            let worst_finding = look.findings.iter().max_by_key(|f| f.severity);
            match (code, worst_finding) {
                (0, _) | (_, None) => format!("{} {}", look.target, look.outcome),
                (_, Some(f)) => format!("{} {}: {}", look.target, f.code, f.text),
            }
        }
        None => "no target".to_owned(),
    };
    let days: Vec<String> = looks
        .iter()
        .filter_map(|look| {
            let left = look.chain.as_ref()?.leaf().not_after - now;
            let label = look.addr.filter(|_| looks.len() > 1).map_or_else(
                || "days_left".to_owned(),
                |addr| format!("'days_left {} {addr}'", look.target),
            );
            Some(format!("{label}={}", left.div_euclid(when::DAY)))
        })
        .collect();
    // `|` begins performance data; a certificate must not be able to write any.
    let summary = Escaped::text(&summary).to_string().replace('|', "/");
    write!(out, "CERTWATCH {word} - {summary}")?;
    if !days.is_empty() {
        write!(out, " | {}", days.join(" "))?;
    }
    writeln!(out)?;
    Ok(match code {
        0 => Exit::Done,
        1 => Exit::Attention,
        2 => Exit::Usage,
        _ => Exit::Failed,
    })
}
