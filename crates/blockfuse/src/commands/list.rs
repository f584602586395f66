//! `blockfuse list`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::human::ByteSize;
use nightshift_common::output::Out;
use rustix::io::Errno;
use serde::Serialize;

use crate::cli::ListArgs;
use crate::error::Error;
use crate::scan::{Entry, Found, Options, Scanner, Target, Verdict};
use crate::snapshots::Snapshots;
use crate::status::Name;

/// One element of `list --json`.
#[derive(Debug, Serialize)]
struct Listed {
    #[serde(flatten)]
    name: Name,
    path: String,
    device: Option<String>,
    size: Option<u64>,
    identity: Option<String>,
    exported: bool,
    reason: Option<String>,
    /// What is wrong with something that is exported all the same.
    problem: Option<String>,
}

/// Prints what would be exported and why the rest would not.
///
/// 1 when nothing would, or when something is lost to an error.
pub fn run(args: &ListArgs, options: &Options) -> Result<Exit, Error> {
    let failed = |source| Error::Source {
        path: args.source.clone(),
        source,
    };
    let source = args.source.canonicalize().map_err(failed)?;
    let entries = Scanner::default().scan(&source, options).map_err(failed)?;
    let snapshots = Snapshots::in_scan(&entries);
    let mut lost = false;
    let listed: Vec<_> = entries
        .iter()
        .map(|entry| {
            let path = source.join(&entry.path);
            let listed = describe(entry, &path, &snapshots, args.probe);
            lost |= listed.problem.is_some();
            lost |= matches!(&entry.verdict, Verdict::LeftOut(reason, _) if reason.is_failure());
            listed
        })
        .collect();
    let nothing = !listed.iter().any(|listed| listed.exported);
    let mut out = Out::stdout();
    let printed = if args.json {
        print_json(&mut out, &listed)
    } else {
        print_table(&mut out, &entries, &listed)
    };
    printed.and_then(|()| out.flush()).map_err(Error::Output)?;
    Ok(if nothing || lost {
        Exit::Attention
    } else {
        Exit::Done
    })
}

fn describe(entry: &Entry, path: &Path, snapshots: &Snapshots, probe: bool) -> Listed {
    let (found, reason) = match &entry.verdict {
        Verdict::Exported(found) => (Some(found), None),
        Verdict::LeftOut(reason, found) => (found.as_ref(), Some(reason.to_string())),
    };
    let exported = reason.is_none();
    let problem = found.filter(|_| exported).and_then(|found| {
        snapshots
            .problem(found)
            .map(str::to_owned)
            .or_else(|| probe.then(|| probed(path, found)).flatten())
    });
    Listed {
        name: Name::of(&entry.path),
        path: path.to_string_lossy().into_owned(),
        device: found.and_then(|found| match found.target {
            Target::Device(number) => Some(format!("{}:{}", number.major, number.minor)),
            Target::File { .. } => None,
        }),
        size: found.map(|found| found.size),
        identity: found.map(|found| found.identity.as_os_str().to_string_lossy().into_owned()),
        exported,
        reason,
        problem,
    }
}

/// Opens a device and reads its first byte; tells what came of it, if it was bad.
fn probed(path: &Path, found: &Found) -> Option<String> {
    let attempt = File::open(path).and_then(|file| {
        // A direct read would need alignment; one byte through the cache tells as much.
        io::Read::read_exact(&mut &file, &mut [0])
    });
    let error = attempt.err().filter(|_| found.size > 0)?;
    Some(match Errno::from_io_error(&error) {
        Some(Errno::NOMEDIUM) => "no medium".to_owned(),
        Some(Errno::NXIO) => "no such device".to_owned(),
        Some(Errno::ACCESS | Errno::PERM) => "no permission".to_owned(),
        _ => format!("cannot be read: {error}"),
    })
}

fn print_json(out: &mut Out, listed: &[Listed]) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, listed)?;
    writeln!(out)
}

fn print_table(out: &mut Out, entries: &[Entry], listed: &[Listed]) -> io::Result<()> {
    let names: Vec<_> = entries
        .iter()
        .map(|entry| Escaped::path(&entry.path).to_string())
        .collect();
    let width = names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    for (name, entry) in names.iter().zip(listed) {
        let size = entry
            .size
            .map(|size| ByteSize(size).approx())
            .unwrap_or_default();
        let verdict = match (&entry.reason, &entry.problem) {
            (Some(reason), _) => format!("left out: {reason}"),
            (None, Some(problem)) => format!("exported, but {problem}"),
            (None, None) => "exported".to_owned(),
        };
        writeln!(out, "{name:width$}  {size:>9}  {verdict}")?;
    }
    Ok(())
}
