//! What a new look at the source changes: which modification times, and what the kernel must be
//! told to forget. Pure: the caller scans, swaps the tables and sends the invalidations.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::inode::Exported;
use crate::mtime::Policy;
use crate::scan::{Entry, Found, Verdict};

/// The outcome of a refresh.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is exported from now on, in byte order of the paths.
    pub exports: Vec<Exported>,
    /// Paths that were not there before.
    pub came: Vec<PathBuf>,
    /// Paths that are no longer there.
    pub went: Vec<PathBuf>,
    /// Paths with another device behind them than before.
    pub replaced: Vec<PathBuf>,
    /// Paths whose device has been written to, resized or attached anew.
    pub changed: Vec<PathBuf>,
    /// Paths that may have changed, for all that can be known without keys: regular files.
    pub renewed: Vec<PathBuf>,
    /// How many entries could not be examined.
    pub failed: usize,
}

/// Compares what was exported with what a scan found at `now`.
pub fn plan(old: &[Exported], entries: Vec<Entry>, policy: Policy, now: SystemTime) -> Plan {
    let mut before: BTreeMap<_, _> = old.iter().map(|known| (&known.path, known)).collect();
    let mut plan = Plan::default();
    for Entry { path, verdict } in entries {
        let found = match verdict {
            Verdict::Exported(found) => found,
            Verdict::LeftOut(reason, _) => {
                plan.failed += usize::from(reason.is_failure());
                continue;
            }
        };
        let known = before.remove(&path);
        let difference = known.map_or(Difference::Came, |known| compare(&known.found, &found));
        let mtime = match (policy, known) {
            (Policy::Fixed(moment), _) => moment,
            (Policy::Refresh, Some(known)) if difference == Difference::None => known.mtime,
            (_, Some(known)) => renewed(known.mtime, now),
            (_, None) => now,
        };
        match difference {
            Difference::None => {}
            Difference::Came => plan.came.push(path.clone()),
            Difference::Replaced => plan.replaced.push(path.clone()),
            Difference::Changed => plan.changed.push(path.clone()),
            Difference::Unknown => plan.renewed.push(path.clone()),
        }
        plan.exports.push(Exported { path, found, mtime });
    }
    plan.went = before.into_keys().cloned().collect();
    plan
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    None,
    Came,
    Replaced,
    Changed,
    Unknown,
}

fn compare(old: &Found, new: &Found) -> Difference {
    if old.identity != new.identity {
        return Difference::Replaced;
    }
    let key = |found: &Found| {
        found
            .facts
            .as_ref()
            .map(|facts| facts.change_key(&found.identity))
    };
    match (key(old), key(new)) {
        (Some(old), Some(new)) if old == new => Difference::None,
        (None, None) if old.target == new.target && old.size == new.size => Difference::Unknown,
        _ => Difference::Changed,
    }
}

/// A time later than `old` by at least a second on the clock: backup tools such as rdiff-backup
/// keep whole seconds, and would not see a refresh in the same second as the mount.
fn renewed(old: SystemTime, now: SystemTime) -> SystemTime {
    let seconds = |time: SystemTime| {
        time.duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs()
    };
    if seconds(now) > seconds(old) {
        now
    } else {
        UNIX_EPOCH + Duration::from_secs(seconds(old) + 1)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};

    use super::*;
    use crate::device::{Counters, DeviceNumber, Facts, Identity};
    use crate::scan::{Reason, Target};

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn device(identity: &str, diskseq: u64, written: u64) -> Found {
        Found {
            target: Target::Device(DeviceNumber { major: 7, minor: 0 }),
            size: 4096,
            identity: Identity::name(OsStr::new(identity)),
            facts: Some(Facts {
                size: 4096,
                read_only: false,
                diskseq: Some(diskseq),
                counters: Counters {
                    written,
                    discarded: 0,
                },
                dm_name: None,
                dm_uuid: None,
                wwid: None,
                suspended: false,
                partition_start: 0,
                backing_file: None,
                backing_offset: 0,
                kernel_name: OsString::from(identity),
            }),
        }
    }

    fn exported(path: &str, found: Found, mtime: u64) -> Exported {
        Exported {
            path: path.into(),
            found,
            mtime: at(mtime),
        }
    }

    fn entry(path: &str, found: Found) -> Entry {
        Entry {
            path: path.into(),
            verdict: Verdict::Exported(found),
        }
    }

    #[test]
    fn each_difference_is_told_apart() {
        let old = [
            exported("gone", device("a", 1, 0), 100),
            exported("reattached", device("b", 1, 0), 100),
            exported("renewed-snapshot", device("c", 1, 0), 100),
            exported("same", device("d", 1, 5), 100),
            exported("written", device("e", 1, 5), 100),
        ];
        let entries = vec![
            entry("new", device("z", 9, 0)),
            entry("reattached", device("b", 2, 0)),
            entry("renewed-snapshot", device("c2", 1, 0)),
            entry("same", device("d", 1, 5)),
            entry("written", device("e", 1, 6)),
            Entry {
                path: "x".into(),
                verdict: Verdict::LeftOut(Reason::Empty, None),
            },
            Entry {
                path: "y".into(),
                verdict: Verdict::LeftOut(Reason::Unreadable(rustix::io::Errno::ACCESS), None),
            },
        ];
        let plan = plan(&old, entries, Policy::Refresh, at(200));
        assert_eq!(plan.came, [PathBuf::from("new")]);
        assert_eq!(plan.went, [PathBuf::from("gone")]);
        assert_eq!(plan.replaced, [PathBuf::from("renewed-snapshot")]);
        assert_eq!(
            plan.changed,
            [PathBuf::from("reattached"), PathBuf::from("written")]
        );
        assert_eq!(plan.failed, 1);
        let times: Vec<_> = plan.exports.iter().map(|export| export.mtime).collect();
        assert_eq!(times, [at(200), at(200), at(200), at(100), at(200)]);
    }

    #[test]
    fn policies_decide_over_the_time_of_an_unchanged_and_of_a_changed_device() {
        for (policy, unchanged, changed) in [
            (Policy::Mount, 200, 200),
            (Policy::Refresh, 100, 200),
            (Policy::Now, 200, 200),
            (Policy::Fixed(at(7)), 7, 7),
        ] {
            let old = [
                exported("a", device("a", 1, 1), 100),
                exported("b", device("b", 1, 1), 100),
            ];
            let entries = vec![entry("a", device("a", 1, 1)), entry("b", device("b", 1, 2))];
            let plan = plan(&old, entries, policy, at(200));
            assert_eq!(
                plan.exports[0].mtime,
                at(unchanged),
                "{policy:?}, unchanged"
            );
            assert_eq!(plan.exports[1].mtime, at(changed), "{policy:?}, changed");
        }
    }

    #[test]
    fn a_new_time_is_another_second_even_within_the_same() {
        let half = at(100) + Duration::from_millis(500);
        for (old, now, expected) in [
            (at(100), half, at(101)),
            (half, at(100), at(101)),
            (at(100), at(101), at(101)),
            (at(300), at(100), at(301)),
        ] {
            let old = [exported("a", device("a", 1, 1), 0)].map(|e| Exported { mtime: old, ..e });
            let entries = vec![entry("a", device("a", 1, 1))];
            assert_eq!(
                plan(&old, entries, Policy::Mount, now).exports[0].mtime,
                expected
            );
        }
    }

    #[test]
    fn regular_files_have_no_key_and_count_as_changed() {
        let file = |size| Found {
            target: Target::File {
                filesystem: 1,
                inode: 2,
            },
            size,
            identity: Identity::name(OsStr::new("image")),
            facts: None,
        };
        let old = [exported("image", file(5), 100)];
        let same = plan(
            &old,
            vec![entry("image", file(5))],
            Policy::Refresh,
            at(200),
        );
        assert_eq!((same.renewed.len(), same.exports[0].mtime), (1, at(200)));
        let grown = plan(
            &old,
            vec![entry("image", file(6))],
            Policy::Refresh,
            at(200),
        );
        assert_eq!(grown.changed.len(), 1);
    }
}
