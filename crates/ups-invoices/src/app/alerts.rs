//! `alerts`: show, acknowledge, send.

use std::io::Write as _;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::notice::Notice;

use super::App;
use crate::alerts;
use crate::error::Error;

impl App {
    pub(super) fn alerts(&mut self, ack: Option<i64>, notify: bool) -> Result<Exit, Error> {
        let mut ledger = self.ledger()?;
        let now = self.now.to_string();
        if let Some(id) = ack {
            if ledger.acknowledge(id, &now)? {
                return Ok(Exit::Done);
            }
            return Err(Error::Usage(format!("no open alert has the number {id}")));
        }
        alerts::update(&mut ledger, self.settings.alerts, self.today, self.now)?;
        if notify {
            let fresh = ledger.alerts(true)?;
            if fresh.is_empty() {
                return Ok(Exit::Done);
            }
            let Some(channel) = &self.notify else {
                return Err(Error::Usage("[alerts] notify is not configured".to_owned()));
            };
            let lines: Vec<String> = fresh
                .iter()
                .map(|alert| {
                    format!(
                        "{} {}: {}",
                        alert.id,
                        alert.kind,
                        Escaped::text(&alert.text)
                    )
                })
                .collect();
            let body = lines.join("\n") + "\n";
            let json = serde_json::to_string(&fresh).unwrap_or_default();
            let subject = format!("ups-invoices: {} new alerts", fresh.len());
            channel.send(&Notice {
                subject: &subject,
                body: &body,
                json: Some(&json),
            })?;
            let ids: Vec<i64> = fresh.iter().map(|alert| alert.id).collect();
            ledger.notified(&ids, &now)?;
            return Ok(Exit::Attention);
        }
        let open = ledger.alerts(false)?;
        if self.global.json {
            self.json(&open)?;
        } else {
            for alert in &open {
                writeln!(
                    self.out,
                    "{:>4}  {:<10}  {}",
                    alert.id,
                    alert.kind,
                    Escaped::text(&alert.text)
                )?;
            }
        }
        Ok(if open.is_empty() {
            Exit::Done
        } else {
            Exit::Attention
        })
    }
}
