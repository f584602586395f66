//! `blockfuse map`.

use std::fs;
use std::io::{self, Write};

use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::changes::State;
use crate::cli::MapArgs;
use crate::device::Sysfs;
use crate::error::Error;
use crate::map;

/// Prints the map of a device; 1 when it was compared with a state and changed.
pub fn run(args: &MapArgs) -> Result<Exit, Error> {
    let state = match &args.against {
        Some(path) => {
            let path = path.clone();
            let text = fs::read_to_string(&path).map_err(|source| Error::State {
                path: path.clone(),
                source,
            })?;
            Some(State::parse(&text).map_err(|damage| Error::DamagedState { path, damage })?)
        }
        None => None,
    };
    let map = map::of(&args.device, state.as_ref(), &Sysfs::default())?;
    let text = map
        .render(args.format)
        .map_err(|error| Error::Output(io::Error::from(error)))?;
    let mut out = Out::stdout();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    printed.map_err(Error::Output)?;
    let changed = state.is_some() && !map.is_same();
    Ok(if changed { Exit::Attention } else { Exit::Done })
}
