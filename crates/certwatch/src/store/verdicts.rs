//! What people decided, with who and why: accepted and rejected chains, pins, silenced targets and
//! codes, own keys.

use crate::db::{DbError, Row};
use crate::digest::Sha256;
use crate::history::{Pin, Verdicts};
use crate::store::Store;
use crate::when::Unix;

/// A decision to be recorded.
#[derive(Debug, Clone)]
pub(crate) struct Verdict<'a> {
    pub(crate) kind: Kind,
    pub(crate) target: Option<i64>,
    /// What it is about: a hash, an owner, a code; the form depends on the kind.
    pub(crate) subject: &'a str,
    pub(crate) who: &'a str,
    pub(crate) why: &'a str,
    pub(crate) at: Unix,
    pub(crate) until: Option<Unix>,
}

/// The kinds of decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Accept,
    Reject,
    /// A leaf or issuer key of a rejected chain; holds for every target.
    RejectKey,
    PinLeafKey,
    PinIssuerKey,
    PinOwner,
    PinRoot,
    IgnoreTarget,
    IgnoreCode,
    /// A key of the administrator's own.
    Authorize,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::RejectKey => "reject-key",
            Self::PinLeafKey => "pin-leaf-key",
            Self::PinIssuerKey => "pin-issuer-key",
            Self::PinOwner => "pin-owner",
            Self::PinRoot => "pin-root",
            Self::IgnoreTarget => "ignore-target",
            Self::IgnoreCode => "ignore-code",
            Self::Authorize => "authorize",
        }
    }
}

impl Store {
    pub(crate) fn add_verdict(&mut self, verdict: &Verdict<'_>) -> Result<(), DbError> {
        self.db.execute(
            "INSERT INTO verdict (kind, target, subject, who, why, at, until)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                verdict.kind.word().into(),
                verdict.target.into(),
                verdict.subject.into(),
                verdict.who.into(),
                verdict.why.into(),
                verdict.at.into(),
                verdict.until.into(),
            ],
        )?;
        Ok(())
    }

    /// Drops earlier decisions of one kind on one subject of one target, so that a later one
    /// stands alone.
    pub(crate) fn drop_verdicts(
        &mut self,
        kind: Kind,
        target: Option<i64>,
        subject: Option<&str>,
    ) -> Result<(), DbError> {
        self.db.execute(
            "DELETE FROM verdict WHERE kind = $1 AND coalesce(target, 0) = $2
             AND (subject = $3 OR $4 = 1)",
            &[
                kind.word().into(),
                target.unwrap_or(0).into(),
                subject.unwrap_or("").into(),
                i64::from(subject.is_none()).into(),
            ],
        )?;
        Ok(())
    }

    /// The decisions that bear on judging `target`.
    pub(crate) fn verdicts_on(&mut self, target: i64) -> Result<Verdicts, DbError> {
        let rows = self.db.query(
            "SELECT kind, subject FROM verdict WHERE target = $1 OR kind = 'reject-key' ORDER BY id",
            &[target.into()],
        )?;
        let mut verdicts = Verdicts::default();
        for row in &rows {
            let hash = row.text(1).parse::<Sha256>().ok();
            match (row.text(0), hash) {
                ("accept", Some(hash)) => {
                    verdicts.accepted.insert(hash);
                }
                ("reject", Some(hash)) => {
                    verdicts.rejected.insert(hash);
                }
                ("reject-key", Some(hash)) => {
                    verdicts.rejected_keys.insert(hash);
                }
                ("pin-leaf-key", Some(hash)) => verdicts.pins.push(Pin::LeafKey(hash)),
                ("pin-issuer-key", Some(hash)) => verdicts.pins.push(Pin::IssuerKey(hash)),
                ("pin-root", Some(hash)) => verdicts.pins.push(Pin::Root(hash)),
                ("pin-owner", _) => verdicts.pins.push(Pin::Owner(row.text(1).to_owned())),
                _ => {}
            }
        }
        Ok(verdicts)
    }

    /// Whether `target` is silenced as a whole at `now`.
    pub(crate) fn is_ignored(&mut self, target: i64, now: Unix) -> Result<bool, DbError> {
        let row = self.one(
            "SELECT count(*) FROM verdict WHERE kind = 'ignore-target' AND target = $1
             AND (until IS NULL OR until > $2)",
            &[target.into(), now.into()],
        )?;
        Ok(row.is_some_and(|row| row.int(0) > 0))
    }

    /// Codes silenced everywhere at `now`.
    pub(crate) fn ignored_codes(&mut self, now: Unix) -> Result<Vec<String>, DbError> {
        let rows = self.db.query(
            "SELECT subject FROM verdict WHERE kind = 'ignore-code'
             AND (until IS NULL OR until > $1)",
            &[now.into()],
        )?;
        Ok(rows.iter().map(|row| row.text(0).to_owned()).collect())
    }

    /// Whether `key` was authorised as the administrator's own.
    pub(crate) fn is_own_key(&mut self, key: &Sha256) -> Result<bool, DbError> {
        let row = self.one(
            "SELECT count(*) FROM verdict WHERE kind = 'authorize' AND subject = $1",
            &[key.to_string().into()],
        )?;
        Ok(row.is_some_and(|row| row.int(0) > 0))
    }

    /// The decisions on `target`, oldest first: kind, subject, who, why, when.
    pub(crate) fn audit(&mut self, target: i64) -> Result<Vec<Row>, DbError> {
        self.db.query(
            "SELECT kind, subject, who, why, at FROM verdict WHERE target = $1 ORDER BY id",
            &[target.into()],
        )
    }
}
