//! Whether a device changed since its modification time was last given out.
//!
//! With `--mtime changed` a file keeps its mtime for as long as its device keeps its bytes, also
//! across unmounting, so that an incremental backup skips what did not change. The two mistakes
//! have very different prices: a change that is taken for none loses a backup without a word,
//! the opposite costs one needless reading. So everything here errs on one side: without proof
//! that nothing changed, it changed.
//!
//! The proof is a [`Key`]: facts that move with every write. It is taken after the device's dirty
//! pages were written back and before a byte is read, so that a write during the backup already
//! belongs to the next key. Counters live only as long as the kernel does, so nothing is ever
//! unchanged across a reboot.
//!
//! This module decides and knows the shape of the state; [`probe`] takes keys.
//!
//! What no key can see: writes that bypass this kernel's device, such as those of another host
//! on shared storage, or to a disk under a logical volume.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

pub mod probe;
pub mod store;

/// The version of the state file that this program writes and reads.
pub const VERSION: u32 = 1;

/// Facts about a device that move with every write to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The boot during which the counters counted.
    pub boot_id: String,
    /// The disk's sequence number: another medium, another backing file, another device under
    /// the same number. Without it (before Linux 5.15) nothing is ever unchanged.
    pub diskseq: Option<u64>,
    /// What makes it this device, in hexadecimal: not every name is text.
    pub identity: String,
    /// In bytes.
    pub size: u64,
    /// Sectors written and discarded. For a partition those of its disk, through which it can be
    /// written as well.
    pub written: u64,
    /// See `written`.
    pub discarded: u64,
    /// Device-mapper's table, which a merge or a move replaces under the same name and uuid.
    pub table: Option<String>,
    /// The file behind a loop device.
    pub backing: Option<BackingKey>,
}

/// The file behind a loop device, which can be written without the device's counters moving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackingKey {
    /// Number of its file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Its size in bytes.
    pub size: u64,
    /// Its mtime, in nanoseconds since 1970.
    pub mtime: i128,
    /// Its ctime, in nanoseconds since 1970.
    pub ctime: i128,
}

impl BackingKey {
    /// Whether a write to the file after `now` must show as another time.
    ///
    /// File systems stamp with a clock that stands still for up to a tick (10 ms at 100 Hz), some
    /// for a second or two. A file stamped that recently can be written again without a trace.
    fn is_settled(&self, now: i128) -> bool {
        const SECOND: i128 = 1_000_000_000;
        let whole_seconds = self.mtime % SECOND == 0 && self.ctime % SECOND == 0;
        let tick = if whole_seconds {
            2 * SECOND
        } else {
            SECOND / 50
        };
        self.mtime.max(self.ctime) + tick <= now
    }
}

/// What was given out for one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What the device was like; nothing if that could not be told for sure.
    pub key: Option<Key>,
    /// The mtime, in seconds since 1970. Whole seconds, because that is all some backup tools
    /// compare.
    pub mtime: u64,
}

/// The mtimes given out for a mount, by exported path in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// [`VERSION`].
    pub version: u32,
    /// Every file ever exported by this mount and not since vanished from its backups: records of
    /// names that are gone are kept, for they may come back.
    pub files: BTreeMap<String, Record>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            version: VERSION,
            files: BTreeMap::new(),
        }
    }
}

impl State {
    /// Gives the file at `path` its mtime. `key` was taken just now, as the module says; `now` is
    /// the time after taking it.
    ///
    /// The same key as last time gives the same mtime. Otherwise the result differs from the last
    /// one, even when the clock was set back or a second has not passed.
    pub fn give(&mut self, path: &[u8], key: Option<Key>, now: SystemTime) -> SystemTime {
        let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let key = key.filter(|key| is_proof(key, since_epoch.as_nanos()));
        let record = match self.files.get(&hex(path)) {
            Some(last) if key.is_some() && last.key == key => last.clone(),
            Some(last) => {
                let mtime = since_epoch.as_secs().max(last.mtime.saturating_add(1));
                Record { key, mtime }
            }
            None => Record {
                key,
                mtime: since_epoch.as_secs(),
            },
        };
        let mtime = UNIX_EPOCH + Duration::from_secs(record.mtime);
        self.files.insert(hex(path), record);
        mtime
    }

    /// Whether a device with this `key`, taken just now, is as it was when last looked at, under
    /// whatever name.
    pub fn knows(&self, key: &Key) -> bool {
        self.files
            .values()
            .any(|last| last.key.as_ref() == Some(key))
    }

    /// Reads the text of a state file.
    pub fn parse(text: &str) -> Result<Self, Damage> {
        let state: Self = serde_json::from_str(text).map_err(|error| Damage {
            line: error.line(),
            column: error.column(),
            reason: error.to_string(),
        })?;
        if state.version == VERSION {
            Ok(state)
        } else {
            let reason = format!("version {} is not {VERSION}", state.version);
            Err(Damage {
                line: 1,
                column: 1,
                reason,
            })
        }
    }

    /// The text of a state file.
    pub fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }
}

/// What is wrong with a state file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {reason}")]
pub struct Damage {
    /// Counted from 1; 0 when the file ends too early.
    pub line: usize,
    /// Counted from 1.
    pub column: usize,
    /// What was expected.
    pub reason: String,
}

/// Whether an equal key later will prove that nothing was written in between.
fn is_proof(key: &Key, now: u128) -> bool {
    let now = i128::try_from(now).unwrap_or(i128::MAX);
    key.diskseq.is_some()
        && key
            .backing
            .as_ref()
            .is_none_or(|backing| backing.is_settled(now))
}

/// Names are bytes; JSON is text.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a string cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i128 = 1_000_000_000;
    const TICK: i128 = SECOND / 100;

    pub(super) fn key() -> Key {
        Key {
            boot_id: "b".into(),
            diskseq: Some(1),
            identity: hex(b"name:loop0"),
            size: 4096,
            written: 8,
            discarded: 0,
            table: None,
            backing: None,
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_equal_key_keeps_the_mtime_and_survives_the_state_file() {
        let mut state = State::default();
        assert_eq!(state.give(b"a\xff", Some(key()), at(100)), at(100));
        let mut state = State::parse(&state.to_text().unwrap()).unwrap();
        assert!(state.knows(&key()));
        assert!(!state.knows(&Key {
            written: 9,
            ..key()
        }));
        assert_eq!(state.give(b"a\xff", Some(key()), at(200)), at(100));
        assert_eq!(state.give(b"b", Some(key()), at(200)), at(200));
    }

    #[test]
    fn any_difference_renews_the_mtime() {
        let backing = BackingKey {
            device: 1,
            inode: 2,
            size: 3,
            mtime: 4,
            ctime: 5,
        };
        let with = |change: fn(&mut Key)| {
            let mut key = Key {
                backing: Some(backing.clone()),
                ..key()
            };
            change(&mut key);
            key
        };
        let changes: [fn(&mut Key); 13] = [
            |k| k.boot_id.push('x'),
            |k| k.diskseq = Some(2),
            |k| k.diskseq = None,
            |k| k.identity.push('0'),
            |k| k.size += 512,
            |k| k.written += 1,
            |k| k.discarded += 1,
            |k| k.table = Some("0 8 linear".into()),
            |k| k.backing = None,
            |k| k.backing.as_mut().unwrap().inode += 1,
            |k| k.backing.as_mut().unwrap().size += 1,
            |k| k.backing.as_mut().unwrap().mtime += 1,
            |k| k.backing.as_mut().unwrap().ctime += 1,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut state = State::default();
            state.give(b"a", Some(with(|_| ())), at(100));
            assert_eq!(
                state.give(b"a", Some(with(change)), at(200)),
                at(200),
                "change {index}"
            );
        }
    }

    #[test]
    fn without_a_key_everything_changed() {
        let mut state = State::default();
        assert_eq!(state.give(b"a", None, at(100)), at(100));
        assert_eq!(state.give(b"a", None, at(101)), at(101));
        assert_eq!(
            state.give(
                b"a",
                Some(Key {
                    diskseq: None,
                    ..key()
                }),
                at(102)
            ),
            at(102)
        );
        assert_eq!(
            state.give(
                b"a",
                Some(Key {
                    diskseq: None,
                    ..key()
                }),
                at(103)
            ),
            at(103)
        );
    }

    #[test]
    fn a_new_mtime_differs_though_the_clock_stands_still_or_goes_back() {
        let mut state = State::default();
        let mut write = |written, now| state.give(b"a", Some(Key { written, ..key() }), at(now));
        assert_eq!(write(1, 100), at(100));
        assert_eq!(write(2, 100), at(101));
        assert_eq!(write(3, 50), at(102));
        assert_eq!(write(4, 500), at(500));
    }

    #[test]
    fn a_backing_file_stamped_this_very_tick_proves_nothing() {
        let stamped = |mtime: i128| {
            let backing = BackingKey {
                device: 1,
                inode: 2,
                size: 3,
                mtime,
                ctime: mtime,
            };
            Some(Key {
                backing: Some(backing),
                ..key()
            })
        };
        let mut state = State::default();
        // 5 ms old, then 1.5 s old on a file system that counts whole seconds.
        for (mtime, now) in [
            (100 * SECOND - 5_000_000, at(100)),
            (200 * SECOND, at(201) + Duration::from_millis(500)),
        ] {
            let first = state.give(b"a", stamped(mtime), now);
            assert_ne!(
                state.give(b"a", stamped(mtime), now + Duration::from_secs(9)),
                first
            );
        }
        // By then it had settled.
        let settled = state.give(b"a", stamped(200 * SECOND), at(300));
        assert_eq!(state.give(b"a", stamped(200 * SECOND), at(400)), settled);
    }

    #[test]
    fn damage_is_located() {
        let mut state = State::default();
        state.give(b"a", Some(key()), at(100));
        let text = state.to_text().unwrap();
        let damage = State::parse(&text.replace("diskseq", "diskdeq")).unwrap_err();
        assert!(damage.line > 1 && damage.column > 1, "{damage}");
        let newer = State::parse(&text.replace("\"version\": 1", "\"version\": 2")).unwrap_err();
        assert_eq!(newer.to_string(), "1:1: version 2 is not 1");
        assert!(State::parse("").is_err());
        assert!(State::parse(&text[..text.len() / 2]).is_err());
    }

    /// A machine with one device: what can happen to it, and what the kernel would say.
    #[derive(Debug)]
    struct World {
        content: u64,
        key: Key,
        clock: Duration,
        /// Where in a tick the clock's stamps lie; setting the clock moves it.
        phase: i128,
        boots: u64,
    }

    #[derive(Clone, Debug)]
    enum Event {
        Write,
        Discard,
        WriteBackingFile,
        AttachAnotherFile,
        Resize,
        RenewSnapshot,
        Merge,
        Reboot,
        Pass(u64),
        SetClockBack(u64),
        /// Mount or refresh, the state saved.
        Look,
        /// Mount or refresh, then the daemon dies before the state is saved.
        LookAndCrash,
        /// A kernel that cannot tell.
        LookBlindly,
        /// The device is read, now or after more writes.
        BackUp,
        LoseState,
        DamageState(usize),
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            3 => Just(Event::Write),
            1 => Just(Event::Discard),
            2 => Just(Event::WriteBackingFile),
            1 => Just(Event::AttachAnotherFile),
            1 => Just(Event::Resize),
            1 => Just(Event::RenewSnapshot),
            1 => Just(Event::Merge),
            1 => Just(Event::Reboot),
            3 => (0u64..3000).prop_map(Event::Pass),
            1 => (0u64..100_000).prop_map(Event::SetClockBack),
            6 => Just(Event::Look),
            1 => Just(Event::LookAndCrash),
            1 => Just(Event::LookBlindly),
            6 => Just(Event::BackUp),
            1 => Just(Event::LoseState),
            1 => (0usize..400).prop_map(Event::DamageState),
        ]
    }

    impl World {
        fn new() -> Self {
            let clock = Duration::from_secs(1_000_000);
            let backing = BackingKey {
                device: 1,
                inode: 2,
                size: 3,
                mtime: 0,
                ctime: 0,
            };
            Self {
                content: 0,
                key: Key {
                    backing: Some(backing),
                    ..key()
                },
                clock,
                phase: 0,
                boots: 0,
            }
        }

        /// Stamps as a kernel with a 10 ms tick does.
        fn stamp(&mut self) {
            let stamp = self.clock.as_nanos().cast_signed() / TICK * TICK + self.phase;
            let backing = self.key.backing.as_mut().unwrap();
            (backing.mtime, backing.ctime) = (stamp, stamp);
        }

        fn happen(&mut self, event: &Event) {
            match event {
                Event::Write => self.key.written += 8,
                Event::Discard => self.key.discarded += 8,
                Event::WriteBackingFile => self.stamp(),
                Event::AttachAnotherFile => {
                    self.key.diskseq = self.key.diskseq.map(|seq| seq + 1);
                }
                Event::Resize => self.key.size += 512,
                Event::RenewSnapshot => self.key.identity.push('0'),
                Event::Merge => self.key.table.get_or_insert_default().push('m'),
                Event::Reboot => {
                    self.boots += 1;
                    self.key.boot_id = self.boots.to_string();
                    (self.key.written, self.key.discarded, self.key.diskseq) = (0, 0, Some(1));
                }
                Event::Pass(milliseconds) => {
                    self.clock += Duration::from_millis(*milliseconds);
                    return;
                }
                Event::SetClockBack(milliseconds) => {
                    self.clock -= Duration::from_millis(*milliseconds);
                    self.phase += 1;
                    return;
                }
                _ => return,
            }
            self.content += 1;
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The one promise: a backup taken after a look at the device never skips content that
        /// differs from what the backup before it read.
        #[test]
        fn a_change_is_never_missed(events in proptest::collection::vec(event(), 1..60)) {
            let mut world = World::new();
            let mut disk = String::new(); // the state file
            // What the mount shows: the mtime and the content at the time it was given.
            let mut shown: Option<(SystemTime, u64)> = None;
            let mut backed_up: Option<(SystemTime, u64)> = None;
            for event in events {
                // With the state lost, only the clock tells two mtimes apart.
                if matches!(event, Event::SetClockBack(_)) && State::parse(&disk).is_err() {
                    continue;
                }
                world.happen(&event);
                let now = UNIX_EPOCH + world.clock;
                match event {
                    Event::Look | Event::LookAndCrash | Event::LookBlindly => {
                        let mut state = State::parse(&disk).unwrap_or_default();
                        let key = (!matches!(event, Event::LookBlindly)).then(|| world.key.clone());
                        let mtime = state.give(b"d", key, now);
                        shown = Some((mtime, world.content));
                        // Nobody reads before the state is saved; dying first shows nothing.
                        if matches!(event, Event::LookAndCrash) {
                            shown = None;
                        } else {
                            disk = state.to_text().unwrap();
                        }
                    }
                    Event::BackUp => {
                        let Some((mtime, looked_at)) = shown else { continue };
                        match backed_up {
                            Some((last, content)) if last == mtime => {
                                // Skipped. What was there when we looked must be in the backup,
                                // or the later content that the last backup read.
                                prop_assert!(content >= looked_at, "missed a change");
                            }
                            _ => backed_up = Some((mtime, world.content)),
                        }
                    }
                    Event::LoseState | Event::DamageState(_) => {
                        if let Event::DamageState(at) = event {
                            let at = at.min(disk.len());
                            disk.truncate(at);
                        } else {
                            disk.clear();
                        }
                        let given = shown.into_iter().chain(backed_up).map(|(mtime, _)| mtime);
                        let latest = given.max().unwrap_or(UNIX_EPOCH);
                        let past = latest.duration_since(UNIX_EPOCH).unwrap();
                        world.clock = world.clock.max(past + Duration::from_secs(1));
                    }
                    _ => {}
                }
            }
        }

        #[test]
        fn parsing_never_panics(text in "\\PC*") {
            let _either = State::parse(&text);
        }
    }
}
