//! Device-mapper snapshots that have overflowed.
//!
//! A snapshot whose store is full becomes invalid: every read fails while the size stays what it
//! was. A backup of it is worthless, so it is named wherever devices are listed.

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::{Command, Stdio};

use crate::scan::{Entry, Found, Verdict};

/// States of the snapshots in the system, by device-mapper name.
#[derive(Debug, Default)]
pub struct Snapshots(HashMap<OsString, &'static str>);

impl Snapshots {
    /// Asks `dmsetup`, if any of these is a device of device-mapper.
    pub fn among<'a>(devices: impl IntoIterator<Item = &'a Found>) -> Self {
        let mapped = |found: &Found| {
            found
                .facts
                .as_ref()
                .is_some_and(|facts| facts.dm_name.is_some())
        };
        if !devices.into_iter().any(mapped) {
            return Self::default();
        }
        let asked = Command::new("dmsetup")
            .args(["status", "--target", "snapshot"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        match asked {
            Ok(output) => Self::parse(&output.stdout),
            Err(error) => {
                // Without dmsetup a read of an invalid snapshot still fails, only later.
                tracing::debug!(%error, "cannot ask dmsetup for the state of snapshots");
                Self::default()
            }
        }
    }

    /// The same for the entries of a scan.
    pub fn in_scan(entries: &[Entry]) -> Self {
        Self::among(entries.iter().filter_map(|entry| match &entry.verdict {
            Verdict::Exported(found) => Some(found),
            Verdict::LeftOut(..) => None,
        }))
    }

    /// Reads lines such as `vg-snap: 0 2097152 snapshot Invalid`.
    fn parse(output: &[u8]) -> Self {
        use std::os::unix::ffi::OsStringExt;
        let lines = output.split(|byte| *byte == b'\n').filter_map(|line| {
            // The name ends at the last colon that a number follows; names may hold colons.
            let colon = line.windows(2).rposition(|pair| pair == b": ")?;
            let (name, rest) = (&line[..colon], &line[colon + 2..]);
            let mut fields = rest
                .split(|byte| *byte == b' ')
                .filter(|field| !field.is_empty());
            let target = fields.nth(2)?;
            if target != b"snapshot" {
                return None;
            }
            let state = match fields.next()? {
                b"Invalid" => "the snapshot has overflowed and is invalid",
                b"Overflow" => "the snapshot has overflowed",
                _ => return None,
            };
            Some((OsString::from_vec(name.to_vec()), state))
        });
        Self(lines.collect())
    }

    /// What is wrong with a device, if it is a snapshot and something is.
    pub fn problem(&self, found: &Found) -> Option<&'static str> {
        self.0.get(found.facts.as_ref()?.dm_name.as_ref()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn only_overflown_snapshots_have_a_problem() {
        let output = b"vgBoot-_snap--asterisk: 0 20971520 snapshot Invalid\n\
            vg-good: 0 2048 snapshot 16/2048 16\n\
            vg-odd: name: 0 2048 snapshot Overflow\n\
            vg-root: 0 2048 linear \n\
            No devices found\n\n";
        let snapshots = Snapshots::parse(output);
        let state = |name: &str| snapshots.0.get(OsStr::new(name)).copied();
        let overflowed = Some("the snapshot has overflowed and is invalid");
        assert_eq!(state("vgBoot-_snap--asterisk"), overflowed);
        assert_eq!(state("vg-odd: name"), Some("the snapshot has overflowed"));
        assert_eq!(snapshots.0.len(), 2);
    }
}
