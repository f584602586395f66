//! `ingest` and `fsck`: what is on disk, and what comes to be there.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;

use super::App;
use crate::archive::Archive;
use crate::clock::{Clock as _, SystemClock};
use crate::error::Error;
use crate::intake::Intake;
use crate::ledger::Ledger;
use crate::xml::XmlMap;
use crate::{alerts, fsck, ingest};

impl App {
    fn intake<'a>(
        &'a self,
        ledger: &'a mut Ledger,
        archive: &'a Archive,
        map: &'a XmlMap,
    ) -> Intake<'a> {
        Intake {
            ledger,
            archive,
            names: &self.settings.names,
            map,
            rules: self.rules(2),
            now: self.now,
            dry_run: self.global.dry_run,
        }
    }

    pub(super) fn ingest(&mut self, paths: Vec<PathBuf>, watch: bool) -> Result<Exit, Error> {
        let paths = match (paths.is_empty(), &self.settings.ingest) {
            (false, _) => paths,
            (true, Some(directory)) => vec![directory.clone()],
            (true, None) => {
                let what = "no PATH is given, and no [ingest] directory is configured";
                return Err(Error::Usage(what.to_owned()));
            }
        };
        let _lock = self.lock()?;
        let mut ledger = self.ledger()?;
        let archive = Archive::new(&self.settings.archive);
        let map = self.xml_map()?;
        loop {
            let outcome = {
                let mut intake = self.intake(&mut ledger, &archive, &map);
                intake.now = SystemClock.now();
                ingest::run(&paths, &self.settings, &mut intake)
            };
            if !self.global.dry_run && !outcome.stored.is_empty() {
                alerts::update(
                    &mut ledger,
                    self.settings.alerts,
                    self.today,
                    SystemClock.now(),
                )?;
            }
            if self.global.json {
                self.json(&serde_json::json!({
                    "exit": outcome.exit.code(),
                    "stored": outcome.stored,
                    "known": outcome.known,
                    "waiting": outcome.waiting.iter().map(|p| Escaped::path(p).to_string()).collect::<Vec<_>>(),
                }))?;
            } else {
                let verb = if self.global.dry_run {
                    "would store"
                } else {
                    "stored"
                };
                for path in &outcome.stored {
                    writeln!(self.out, "{verb} {path}")?;
                }
            }
            self.out.flush()?;
            if !watch {
                return Ok(outcome.exit);
            }
            std::thread::sleep(self.settings.settle.max(Duration::from_secs(1)));
        }
    }

    pub(super) fn fsck(&mut self, repair: bool) -> Result<Exit, Error> {
        let _lock = self.lock()?;
        let mut ledger = self.ledger()?;
        let archive = Archive::new(&self.settings.archive);
        let map = self.xml_map()?;
        let faults = fsck::run(&mut self.intake(&mut ledger, &archive, &map), repair)?;
        if self.global.json {
            self.json(&faults)?;
        } else {
            for fault in &faults {
                let done = fault
                    .repaired
                    .as_ref()
                    .map(|done| format!(": {done}"))
                    .unwrap_or_default();
                writeln!(
                    self.out,
                    "{}: {}{done}",
                    Escaped::text(&fault.path),
                    fault.what
                )?;
            }
        }
        Ok(if faults.is_empty() {
            Exit::Done
        } else {
            Exit::Attention
        })
    }
}
