//! What a run leaves besides documents: alerts, runs, good pages, issuers.

use rusqlite::{OptionalExtension as _, params};

use super::records::Alert;
use super::{Ledger, LedgerError, doing};

impl Ledger {
    /// Raises an alert unless the same one was raised before; `true` if it is new.
    pub fn raise(
        &mut self,
        kind: &str,
        key: &str,
        text: &str,
        now: &str,
    ) -> Result<bool, LedgerError> {
        let sql = "insert into alert (kind, key, text, raised) values (?1, ?2, ?3, ?4)
                   on conflict do nothing";
        let added = self
            .connection
            .execute(sql, params![kind, key, text, now])
            .map_err(doing("raise an alert"))?;
        Ok(added == 1)
    }

    /// Alerts that nobody acknowledged; with `unnotified`, only those not yet sent.
    pub fn alerts(&self, unnotified: bool) -> Result<Vec<Alert>, LedgerError> {
        let sql = "select id, kind, text, raised from alert
                   where acknowledged is null and (not ?1 or notified is null) order by id";
        let alert = |row: &rusqlite::Row<'_>| {
            Ok(Alert {
                id: row.get(0)?,
                kind: row.get(1)?,
                text: row.get(2)?,
                raised: row.get(3)?,
            })
        };
        self.rows(sql, params![unnotified], alert, "list alerts")
    }

    /// Acknowledges an alert; `false` if there is none of that id open.
    pub fn acknowledge(&mut self, id: i64, now: &str) -> Result<bool, LedgerError> {
        let sql = "update alert set acknowledged = ?2 where id = ?1 and acknowledged is null";
        let changed = self
            .connection
            .execute(sql, params![id, now])
            .map_err(doing("acknowledge"))?;
        Ok(changed == 1)
    }

    /// Notes that alerts were sent.
    pub fn notified(&mut self, ids: &[i64], now: &str) -> Result<(), LedgerError> {
        for id in ids {
            self.connection
                .execute(
                    "update alert set notified = ?2 where id = ?1",
                    params![id, now],
                )
                .map_err(doing("note a notification"))?;
        }
        Ok(())
    }

    /// Notes the start of a run and gives its id.
    pub fn run_starts(&mut self, command: &str, now: &str) -> Result<i64, LedgerError> {
        self.connection
            .execute(
                "insert into run (command, started) values (?1, ?2)",
                params![command, now],
            )
            .map_err(doing("note a run"))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Notes its end.
    pub fn run_ends(
        &mut self,
        id: i64,
        exit: u8,
        requests: u64,
        logins: u64,
        now: &str,
    ) -> Result<(), LedgerError> {
        let sql = "update run set ended = ?2, exit = ?3, requests = ?4, logins = ?5 where id = ?1";
        let (requests, logins) = (requests.cast_signed(), logins.cast_signed());
        self.connection
            .execute(sql, params![id, now, exit, requests, logins])
            .map(|_| ())
            .map_err(doing("note a run"))
    }

    /// The last good page's skeleton of a step.
    pub fn skeleton(&self, profile: &str, step: &str) -> Result<Option<String>, LedgerError> {
        self.connection
            .query_row(
                "select text from skeleton where profile = ?1 and step = ?2",
                params![profile, step],
                |row| row.get(0),
            )
            .optional()
            .map_err(doing("look up a skeleton"))
    }

    /// Keeps the skeleton of a good page.
    pub fn keep_skeleton(
        &mut self,
        profile: &str,
        step: &str,
        text: &str,
        now: &str,
    ) -> Result<(), LedgerError> {
        let sql = "insert into skeleton values (?1, ?2, ?3, ?4) on conflict (profile, step)
                   do update set text = excluded.text, seen = excluded.seen
                   where text <> excluded.text";
        self.connection
            .execute(sql, params![profile, step, text, now])
            .map(|_| ())
            .map_err(doing("keep a skeleton"))
    }

    /// Notes who issued a host's certificate; gives who did before, if that was somebody else.
    pub fn note_issuer(
        &mut self,
        host: &str,
        issuer: &str,
        now: &str,
    ) -> Result<Option<String>, LedgerError> {
        let before: Option<String> = self
            .connection
            .query_row("select issuer from issuer where host = ?1", [host], |row| {
                row.get(0)
            })
            .optional()
            .map_err(doing("look up an issuer"))?;
        let sql = "insert into issuer values (?1, ?2, ?3) on conflict (host)
                   do update set issuer = excluded.issuer, seen = excluded.seen";
        self.connection
            .execute(sql, params![host, issuer, now])
            .map_err(doing("note an issuer"))?;
        Ok(before.filter(|before| before != issuer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alerts_are_raised_once_and_stay_acknowledged() {
        let mut ledger = Ledger::in_memory().unwrap();
        assert!(ledger.raise("due", "1", "text", "t").unwrap());
        assert!(!ledger.raise("due", "1", "text", "t").unwrap());
        let id = ledger.alerts(false).unwrap()[0].id;
        assert!(ledger.acknowledge(id, "t").unwrap());
        assert!(!ledger.acknowledge(id, "t").unwrap());
        assert!(ledger.alerts(false).unwrap().is_empty());
        assert!(!ledger.raise("due", "1", "text", "t").unwrap());
    }
}
