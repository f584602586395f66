//! Events: findings that were reported, once each, and what became of them.

use serde::{Deserialize, Serialize};

use crate::db::{DbError, Row, Value};
use crate::finding::{Code, Finding, Severity};
use crate::store::Store;
use crate::when::Unix;

/// A finding in its stored form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) code: String,
    pub(crate) severity: String,
    pub(crate) text: String,
    /// SHA-256 of the certificate it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) evidence: Option<String>,
}

impl From<&Finding> for Stored {
    fn from(finding: &Finding) -> Self {
        Self {
            code: finding.code.to_string(),
            severity: finding.severity.to_string(),
            text: finding.text.clone(),
            evidence: finding.evidence.map(|hash| hash.to_string()),
        }
    }
}

/// An event to be recorded.
#[derive(Debug)]
pub(crate) struct NewEvent<'a> {
    pub(crate) target: i64,
    pub(crate) vantage: i64,
    pub(crate) at: Unix,
    pub(crate) old_chain: Option<i64>,
    pub(crate) new_chain: Option<i64>,
    pub(crate) findings: &'a [Finding],
}

/// A recorded event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) id: i64,
    pub(crate) target_id: i64,
    pub(crate) target: String,
    pub(crate) vantage: String,
    pub(crate) at: Unix,
    pub(crate) severity: Severity,
    pub(crate) old_chain: Option<i64>,
    pub(crate) new_chain: Option<i64>,
    pub(crate) findings: Vec<Stored>,
    /// `open`, `settling`, `accepted`, `rejected` or `closed`.
    pub(crate) state: String,
    pub(crate) who: String,
    pub(crate) note: String,
}

/// Which events to list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) open: bool,
    pub(crate) since: Option<Unix>,
    pub(crate) severity: Option<Severity>,
    pub(crate) target: Option<i64>,
}

const COLUMNS: &str = "SELECT e.id, e.target, t.name, v.name, e.at, e.severity, e.old_chain, \
    e.new_chain, e.findings, e.state, e.who, e.note FROM event e \
    JOIN target t ON t.id = e.target JOIN vantage v ON v.id = e.vantage";

/// A roll-out in progress closes by itself; this is its only row-19 severity below warning.
const SETTLING: &[Code] = &[Code::SPLIT_ADDRESS, Code::SPLIT_PORT, Code::SPLIT_VANTAGE];

impl Store {
    /// Records findings as one event per (target, new chain, codes). `None` if each of them was
    /// recorded for this chain before, in one event and at its severity or above; a worse
    /// repetition reopens the event, and so does the absence of a chain that had come back.
    pub(crate) fn add_event(&mut self, event: &NewEvent<'_>) -> Result<Option<i64>, DbError> {
        let Some(severity) = crate::finding::worst(event.findings) else {
            return Ok(None);
        };
        let rank = rank(severity);
        let mut codes: Vec<&str> = event.findings.iter().map(|f| f.code.as_str()).collect();
        codes.sort_unstable();
        codes.dedup();
        let codes = codes.join(",");
        let stored: Vec<Stored> = event.findings.iter().map(Stored::from).collect();
        let findings = serde_json::to_string(&stored).unwrap_or_default();
        let settling = severity == Severity::Notice
            && event
                .findings
                .iter()
                .any(|finding| SETTLING.contains(&finding.code));
        // Info is for the record; nobody has to close it.
        let state = match severity {
            Severity::Info => "closed",
            _ if settling => "settling",
            _ => "open",
        };
        let chain = event.new_chain.unwrap_or(0);
        let before = self.db.query(
            "SELECT id, at, codes, findings FROM event
             WHERE target = $1 AND coalesce(new_chain, 0) = $2",
            &[event.target.into(), chain.into()],
        )?;
        // Without a chain there is nothing that tells one occasion from the next but time.
        let recovered = if chain == 0 && !before.is_empty() {
            self.last_chain(event.target)?
        } else {
            i64::MIN
        };
        let stands = |row: &Row| row.int(1) >= recovered && covers(row.text(3), event.findings);
        if before.iter().any(stands) {
            return Ok(None);
        }
        if let Some(before) = before.iter().find(|row| row.text(2) == codes) {
            self.db.execute(
                "UPDATE event SET severity = $1, findings = $2, state = $3, at = $4, told = 0
                 WHERE id = $5",
                &[
                    rank.into(),
                    findings.into(),
                    state.into(),
                    event.at.into(),
                    before.int(0).into(),
                ],
            )?;
            return Ok(Some(before.int(0)));
        }
        let row = self.one(
            "INSERT INTO event (target, vantage, at, codes, severity, old_chain, new_chain,
                findings, state, who, note, told)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '', '', 0)
             ON CONFLICT DO NOTHING RETURNING id",
            &[
                event.target.into(),
                event.vantage.into(),
                event.at.into(),
                codes.into(),
                rank.into(),
                event.old_chain.into(),
                event.new_chain.into(),
                findings.into(),
                state.into(),
            ],
        )?;
        Ok(row.map(|row| row.int(0)))
    }

    /// When `target` last showed a chain.
    fn last_chain(&mut self, target: i64) -> Result<Unix, DbError> {
        let row = self.one(
            "SELECT max(last_seen) FROM run WHERE target = $1 AND chain IS NOT NULL",
            &[target.into()],
        )?;
        Ok(row.map_or(0, |row| row.int(0)))
    }

    /// Events of a vantage that nobody was told of yet, oldest first: those of the last sweep,
    /// and those of a run that was killed, or could not notify, after it had recorded them.
    pub(crate) fn untold(&mut self, vantage: i64) -> Result<Vec<Event>, DbError> {
        let rows = self.db.query(
            &format!("{COLUMNS} WHERE e.told = 0 AND e.vantage = $1 ORDER BY e.at, e.id"),
            &[vantage.into()],
        )?;
        Ok(rows.iter().map(event).collect())
    }

    /// Remembers that events were printed and sent.
    pub(crate) fn told(&mut self, events: &[Event]) -> Result<(), DbError> {
        self.transaction(|store| {
            for event in events {
                store.db.execute(
                    "UPDATE event SET told = 1 WHERE id = $1",
                    &[event.id.into()],
                )?;
            }
            Ok(())
        })
    }

    /// Events, newest first.
    pub(crate) fn events(&mut self, filter: &Filter) -> Result<Vec<Event>, DbError> {
        let rows = self.db.query(
            &format!(
                "{COLUMNS} WHERE (e.state IN ('open', 'settling') OR $1 = 0) AND e.at >= $2
                 AND e.severity >= $3 AND (e.target = $4 OR $5 = 1) ORDER BY e.at DESC, e.id DESC"
            ),
            &[
                i64::from(filter.open).into(),
                filter.since.unwrap_or(i64::MIN).into(),
                filter.severity.map_or(0, rank).into(),
                filter.target.unwrap_or(0).into(),
                i64::from(filter.target.is_none()).into(),
            ],
        )?;
        Ok(rows.iter().map(event).collect())
    }

    pub(crate) fn event(&mut self, id: i64) -> Result<Option<Event>, DbError> {
        let row = self.one(&format!("{COLUMNS} WHERE e.id = $1"), &[id.into()])?;
        Ok(row.as_ref().map(event))
    }

    /// Ends an event by a decision or by time.
    pub(crate) fn close_event(
        &mut self,
        id: i64,
        state: &str,
        who: &str,
        note: &str,
    ) -> Result<(), DbError> {
        self.db.execute(
            "UPDATE event SET state = $1, who = $2, note = $3, told = 1 WHERE id = $4",
            &[state.into(), who.into(), note.into(), id.into()],
        )?;
        Ok(())
    }

    /// Open events per severity, for the metrics.
    pub(crate) fn open_counts(&mut self) -> Result<Vec<(Severity, i64)>, DbError> {
        let rows = self.db.query(
            "SELECT severity, count(*) FROM event WHERE state IN ('open', 'settling')
             GROUP BY severity",
            &[],
        )?;
        let count = |severity| {
            rows.iter()
                .find(|row| row.int(0) == rank(severity))
                .map_or(0, |row| row.int(1))
        };
        Ok(Severity::ALL
            .into_iter()
            .map(|severity| (severity, count(severity)))
            .collect())
    }

    /// Settling events of `target`, to be closed when its members agree again.
    pub(crate) fn settle(&mut self, target: i64) -> Result<u64, DbError> {
        self.db.execute(
            "UPDATE event SET state = 'closed', note = 'settled' WHERE target = $1
             AND state = 'settling'",
            &[Value::Int(target)],
        )
    }
}

/// Whether the stored findings of an event say all of `findings`, at their severity or above.
fn covers(stored: &str, findings: &[Finding]) -> bool {
    let stored: Vec<Stored> = serde_json::from_str(stored).unwrap_or_default();
    findings.iter().all(|finding| {
        stored.iter().any(|known| {
            let severity = known.severity.parse::<Severity>().ok();
            known.code == finding.code.as_str() && severity >= Some(finding.severity)
        })
    })
}

fn rank(severity: Severity) -> i64 {
    match severity {
        Severity::Info => 1,
        Severity::Notice => 2,
        Severity::Warning => 3,
        Severity::Critical => 4,
    }
}

fn event(row: &Row) -> Event {
    let severity = Severity::ALL.into_iter().find(|s| rank(*s) == row.int(5));
    Event {
        id: row.int(0),
        target_id: row.int(1),
        target: row.text(2).to_owned(),
        vantage: row.text(3).to_owned(),
        at: row.int(4),
        severity: severity.unwrap_or(Severity::Critical),
        old_chain: row.optional_int(6),
        new_chain: row.optional_int(7),
        findings: serde_json::from_str(row.text(8)).unwrap_or_default(),
        state: row.text(9).to_owned(),
        who: row.text(10).to_owned(),
        note: row.text(11).to_owned(),
    }
}
