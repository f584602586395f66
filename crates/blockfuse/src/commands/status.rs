//! `blockfuse status`.

use std::io::{self, Write};

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::human::ByteSize;
use nightshift_common::output::Out;

use crate::cli::AskArgs;
use crate::client;
use crate::control::Request;
use crate::error::Error;
use crate::status::{Name, Status};

/// Prints what a mount serves; 1 when something needs attention.
pub fn run(args: &AskArgs) -> Result<Exit, Error> {
    let mountpoint = client::find(&args.mountpoint)?;
    let status: Status = client::ask(&mountpoint, Request::Status)?;
    let mut out = Out::stdout();
    let printed = if args.json {
        serde_json::to_writer_pretty(&mut out, &status)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        print(&mut out, &status)
    };
    printed.and_then(|()| out.flush()).map_err(Error::Output)?;
    Ok(if status.has_problem() {
        Exit::Attention
    } else {
        Exit::Done
    })
}

fn print(out: &mut impl Write, status: &Status) -> io::Result<()> {
    writeln!(
        out,
        "{} on {}, process {}",
        Escaped::name(&status.source),
        Escaped::name(&status.mountpoint),
        status.pid
    )?;
    let names: Vec<_> = status
        .entries
        .iter()
        .map(|entry| {
            let name = Name {
                name: entry.name.clone(),
                name_bytes: entry.name_bytes.clone(),
            };
            Escaped::name(&name.to_bytes()).to_string()
        })
        .collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, entry) in names.iter().zip(&status.entries) {
        let size = ByteSize(entry.size).approx();
        let state = match &entry.engine {
            None => "idle".to_owned(),
            Some(engine) => match &entry.reason {
                Some(reason) => format!("open {}x, {engine} engine: {reason}", entry.opens),
                None => format!("open {}x, {engine} engine", entry.opens),
            },
        };
        write!(out, "{name:width$}  {size:>9}  {state}")?;
        if entry.errors > 0 {
            write!(out, "; {} failed reads", entry.errors)?;
        }
        if let Some(last) = &entry.last_error {
            write!(
                out,
                ", the last of {} bytes at {}: {}",
                last.length, last.offset, last.error
            )?;
        }
        if let Some(problem) = &entry.problem {
            write!(out, "; {problem}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}
