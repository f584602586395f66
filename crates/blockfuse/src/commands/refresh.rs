//! `blockfuse refresh`.

use std::io::{self, Write};

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::output::Out;

use crate::cli::AskArgs;
use crate::client;
use crate::control::Request;
use crate::error::Error;
use crate::status::Refreshed;

/// Lets the daemon look at its source again and prints what changed; 4 when some entries could
/// not be examined.
pub fn run(args: &AskArgs) -> Result<Exit, Error> {
    let mountpoint = client::find(&args.mountpoint)?;
    let refreshed: Refreshed = client::ask(&mountpoint, Request::Refresh)?;
    let mut out = Out::stdout();
    let printed = if args.json {
        serde_json::to_writer_pretty(&mut out, &refreshed)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        print(&mut out, &refreshed)
    };
    printed.and_then(|()| out.flush()).map_err(Error::Output)?;
    if refreshed.failed > 0 {
        tracing::warn!(
            entries = refreshed.failed,
            "some entries could not be examined"
        );
        return Ok(Exit::Partial);
    }
    Ok(Exit::Done)
}

fn print(out: &mut impl Write, refreshed: &Refreshed) -> io::Result<()> {
    for (sign, names, remark) in [
        ('+', &refreshed.came, ""),
        ('-', &refreshed.went, ""),
        ('~', &refreshed.replaced, " (another device)"),
        ('~', &refreshed.changed, ""),
    ] {
        for name in names {
            writeln!(out, "{sign} {}{remark}", Escaped::name(&name.to_bytes()))?;
        }
    }
    Ok(())
}
