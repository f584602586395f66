//! bench and status: what the nodes can do and what they are doing.

use std::io::{IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use nightshift_common::atomic;
use nightshift_common::exit::Exit;
use nightshift_common::flags::SharedFlags;
use nightshift_common::lock::InstanceLock;
use nightshift_common::output::Out;
use nightshift_common::signals::{SIGINT, SIGTERM, Signals};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{FILE_MODE, load};
use crate::cli::{Bench, Status};
use crate::error::{Error, at};
use crate::farm::Farm;
use crate::{bench, status};

/// Held while the farm file is rewritten.
const LOCK: &str = "/run/nightshift/ccfarm.lock";
/// Seconds between two looks of `status --watch`.
const WATCH_SECONDS: i64 = 2;

pub(super) fn bench(shared: &SharedFlags, args: &Bench) -> Result<Exit, Error> {
    let farm = load(shared, &args.farm)?;
    if args.device_time.is_some_and(|time| time.0.is_zero()) {
        return Err(Error::Usage(
            "--device-time must be longer than zero".to_owned(),
        ));
    }
    // Taken first: nobody wants to wait for the measurement to learn that it cannot be written.
    let lock = || InstanceLock::acquire(Path::new(LOCK));
    let _lock = args.write.then(lock).transpose()?;
    let curves = bench::run(&farm, &args.jobs);
    let advice = bench::advise(&curves, args.device_time.map(|time| time.0));
    let print = if args.json {
        bench::print_json
    } else {
        bench::print_text
    };
    print(&curves, advice, &mut Out::stdout()).map_err(Error::Output)?;
    if args.write {
        let slots: Vec<_> = curves.iter().map(|curve| curve.slots).collect();
        write_slots(&farm, &slots)?;
    }
    Ok(exit_of(curves.iter().map(|curve| curve.points.is_ok())))
}

fn write_slots(farm: &Farm, slots: &[u16]) -> Result<(), Error> {
    let text = std::fs::read_to_string(&farm.path).map_err(at("read", &farm.path))?;
    // The positions are those of the file as it was loaded.
    let present = Farm::parse(&farm.path, text.clone())?;
    let unchanged = present.nodes.len() == farm.nodes.len()
        && present
            .nodes
            .iter()
            .zip(&farm.nodes)
            .all(|(a, b)| a.slots_at == b.slots_at);
    if !unchanged {
        let source = std::io::Error::other("it was changed while the nodes were measured");
        return Err(at("rewrite", &farm.path)(source));
    }
    let text = farm.with_slots(&text, slots);
    Ok(atomic::replace_with(
        &farm.path,
        FILE_MODE,
        text.as_bytes(),
    )?)
}

pub(super) fn status(shared: &SharedFlags, args: &Status) -> Result<Exit, Error> {
    let farm = load(shared, &args.farm)?;
    if farm.nodes.iter().all(|node| node.stats_port.is_none()) {
        return Err(Error::Usage(
            "no node of the farm has a stats_port".to_owned(),
        ));
    }
    let mut out = Out::stdout();
    if args.watch {
        return watch(&farm, &mut out);
    }
    let nodes = status::ask(&farm);
    let written = match &args.prometheus {
        Some(path) if path.as_os_str() != "-" => {
            // By rename: the collector must not read half a file.
            atomic::replace(path, FILE_MODE, |file| {
                status::print_prometheus(&nodes, file)
            })?;
            Ok(())
        }
        Some(_) => status::print_prometheus(&nodes, &mut out),
        None if args.json => status::print_json(&nodes, &mut out),
        None => status::print_table(&nodes, &mut out),
    };
    written.map_err(Error::Output)?;
    Ok(exit_of(nodes.iter().map(|node| node.stats.is_ok())))
}

fn watch(farm: &Farm, out: &mut Out) -> Result<Exit, Error> {
    let signals = Signals::listen(&[SIGINT, SIGTERM]).map_err(Error::Signals)?;
    let terminal = std::io::stdout().is_terminal();
    loop {
        let nodes = status::ask(farm);
        if terminal {
            // Home, then clear to the end: no flicker.
            write!(out, "\x1b[H\x1b[J").map_err(Error::Output)?;
        }
        status::print_table(&nodes, out).map_err(Error::Output)?;
        let pause = Timespec {
            tv_sec: WATCH_SECONDS,
            tv_nsec: 0,
        };
        // An interrupted wait only means that a signal has come, which is looked at next.
        let _ = poll(
            &mut [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)],
            Some(&pause),
        );
        if let Some(signal) = signals.ending() {
            return Ok(Exit::Signal(signal));
        }
        if out.closed() {
            return Ok(Exit::Done);
        }
    }
}

/// 0 if all answered, 3 if none did, 4 otherwise.
fn exit_of(answered: impl Iterator<Item = bool>) -> Exit {
    let answered: Vec<_> = answered.collect();
    match answered.iter().filter(|&&yes| yes).count() {
        count if count == answered.len() => Exit::Done,
        0 => Exit::Failed,
        _ => Exit::Partial,
    }
}
