//! `certwatch export`: this vantage's runs, for another store.

use std::collections::HashSet;
use std::io::Write as _;

use nightshift_common::atomic;
use nightshift_common::exit::Exit;

use crate::cli::Export;
use crate::config::Settings;
use crate::db::sqlite::Open;
use crate::error::Error;
use crate::runfile::{Run, RunFile};

pub(super) fn run(args: &Export, settings: &Settings) -> Result<Exit, Error> {
    let mut store = settings.open(Open::Existing)?;
    let mut file = RunFile {
        vantage: settings.vantage.clone(),
        ..RunFile::default()
    };
    let mut seen = HashSet::new();
    for row in store.exported_runs(&settings.vantage)? {
        let mut chain = Vec::new();
        if let Some(id) = row.chain {
            for der in store.presented(id)?.ders {
                let hash = crate::digest::Sha256::of(&der);
                chain.push(hash.to_string());
                if seen.insert(hash) {
                    file.certificates.push(der.to_vec());
                }
            }
        }
        file.runs.push(Run { chain, ..row.run });
    }
    if file.runs.is_empty() {
        return Err(Error::Usage(format!(
            "vantage {} has seen nothing yet",
            settings.vantage
        )));
    }
    let mut text = Vec::new();
    file.write(&mut text)?;
    atomic::replace(&args.file, 0o644, |out| out.write_all(&text))
        .map_err(|error| Error::Failed(nightshift_common::error::chain(&error)))?;
    Ok(Exit::Done)
}
