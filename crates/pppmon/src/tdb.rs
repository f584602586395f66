//! The subset of the trivial database format that pppd's bundle records need.
//!
//! pppd links a copy of the format's first version: a header, 131 hash chains, a free list, all
//! numbers native-endian 32 bits. We read and write it with the same locks, so that pppd and we
//! may use one file at the same time. A file that is not of this form is refused and never
//! changed: other processes may still understand it.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys;

const MAGIC: &[u8] = b"TDB file\n";
const VERSION: u32 = 0x2601_196d;
const HASH_SIZE: u32 = 131;
const AT_VERSION: u64 = 32;
const AT_HASH_SIZE: u64 = 36;
const AT_RWLOCKS: u64 = 40;
const FREE_LIST: u64 = 168;
const HEADER_LEN: usize = 696;

const RECORD_HEADER: u32 = 24;
const LIVE: u32 = 0x2601_1999;
const FREE: u32 = 0xd9fe_e666;
const DEAD: u32 = 0xfee1_dead;

const GLOBAL_LOCK: u64 = 0;
const FREE_LIST_LOCK: u64 = 164;

/// A chain longer than this is a loop in a damaged file.
const CHAIN_MAX: usize = 10_000;
/// pppd holds its locks for microseconds; one that is held this long has stopped.
const LOCK_TIMEOUT: Duration = Duration::from_millis(500);

/// What is wrong with a database file.
#[derive(Debug, thiserror::Error)]
pub enum TdbError {
    /// The file cannot be opened, read or written.
    #[error("cannot {action} the pppd database {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The content is not what pppd writes.
    #[error("{path} is not a pppd database: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: &'static str,
    },
}

pub(crate) type Result<T> = std::result::Result<T, TdbError>;

/// An open database. Opened for one transaction at a time: pppd may remove and re-create the file.
#[derive(Debug)]
pub struct Tdb {
    file: File,
    path: PathBuf,
}

/// Keeps every pppd from joining or leaving a bundle while it lives. Short times only.
#[derive(Debug)]
pub struct JoinLock {
    tdb: Tdb,
    at: u64,
}

impl JoinLock {
    /// The database the lock belongs to.
    pub fn tdb(&self) -> &Tdb {
        &self.tdb
    }
}

impl Drop for JoinLock {
    fn drop(&mut self) {
        sys::unlock_byte(&self.tdb.file, self.at);
    }
}

#[derive(Debug, Clone, Copy)]
struct Record {
    at: u32,
    /// Where the pointer to this record is stored.
    from: u64,
    next: u32,
    rec_len: u32,
    key_len: u32,
    data_len: u32,
    hash: u32,
    magic: u32,
}

impl Tdb {
    /// Opens the file, creating an empty database if there is none.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(path)
            .map_err(|source| TdbError::Io {
                action: "open",
                path: path.to_owned(),
                source,
            })?;
        let tdb = Self {
            file,
            path: path.to_owned(),
        };
        tdb.locked(GLOBAL_LOCK, sys::Access::Write, || {
            if tdb.len()? == 0 {
                let mut header = vec![0; HEADER_LEN];
                header[..MAGIC.len()].copy_from_slice(MAGIC);
                header[32..36].copy_from_slice(&VERSION.to_ne_bytes());
                header[36..40].copy_from_slice(&HASH_SIZE.to_ne_bytes());
                tdb.write(0, &header)?;
            }
            tdb.check_header()
        })?;
        Ok(tdb)
    }

    /// Takes pppd's own lock around joining a bundle.
    pub fn lock_joins(self) -> Result<JoinLock> {
        let at = Self::chain_lock(hash(b"pppd lock"));
        self.lock(at, sys::Access::Write)?;
        Ok(JoinLock { tdb: self, at })
    }

    /// The value of a key.
    pub fn fetch(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let hash = hash(key);
        self.locked(Self::chain_lock(hash), sys::Access::Read, || {
            self.find(hash, key)?
                .map(|record| self.data(&record))
                .transpose()
        })
    }

    /// Sets the value of a key.
    pub fn store(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let hash = hash(key);
        self.locked(Self::chain_lock(hash), sys::Access::Write, || {
            if let Some(record) = self.find(hash, key)? {
                if record.rec_len >= length(key.len() + value.len() + 4) {
                    self.write(
                        u64::from(record.at + 12),
                        &length(value.len()).to_ne_bytes(),
                    )?;
                    let at = record.at + RECORD_HEADER + record.key_len;
                    return self.write(u64::from(at), value);
                }
                self.unlink(&record)?;
            }
            self.insert(hash, key, value)
        })
    }

    /// Removes a key; false if it was not there.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        let hash = hash(key);
        self.locked(Self::chain_lock(hash), sys::Access::Write, || {
            match self.find(hash, key)? {
                Some(record) => self.unlink(&record).map(|()| true),
                None => Ok(false),
            }
        })
    }

    /// All keys, for diagnosis and tests.
    pub fn keys(&self) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        for bucket in 0..HASH_SIZE {
            let mut from = FREE_LIST + 4 + 4 * u64::from(bucket);
            for _ in 0..CHAIN_MAX {
                let Some(record) = self.record(from)? else {
                    break;
                };
                if record.magic == LIVE {
                    keys.push(self.read(u64::from(record.at + RECORD_HEADER), record.key_len)?);
                }
                from = u64::from(record.at);
            }
        }
        Ok(keys)
    }

    fn check_header(&self) -> Result<()> {
        let damaged = |reason| {
            Err(TdbError::Damaged {
                path: self.path.clone(),
                reason,
            })
        };
        if self.len()? < HEADER_LEN as u64 {
            return damaged("shorter than its header");
        }
        if self.read(0, length(MAGIC.len()))? != MAGIC {
            return damaged("wrong magic");
        }
        let version = self.number(AT_VERSION)?;
        if version == VERSION.swap_bytes() {
            return damaged("written on a machine of the other byte order");
        }
        if version != VERSION {
            return damaged("unknown version");
        }
        if self.number(AT_HASH_SIZE)? != HASH_SIZE {
            return damaged("unusual hash size");
        }
        if self.number(AT_RWLOCKS)? != 0 {
            return damaged("uses read-write locks");
        }
        Ok(())
    }

    fn bucket(hash: u32) -> u64 {
        FREE_LIST + 4 + 4 * u64::from(hash % HASH_SIZE)
    }

    fn chain_lock(hash: u32) -> u64 {
        FREE_LIST + 4 * u64::from(hash % HASH_SIZE)
    }

    fn find(&self, hash: u32, key: &[u8]) -> Result<Option<Record>> {
        let mut from = Self::bucket(hash);
        for _ in 0..CHAIN_MAX {
            let Some(record) = self.record(from)? else {
                return Ok(None);
            };
            if record.magic == LIVE
                && record.hash == hash
                && record.key_len == length(key.len())
                && self.read(u64::from(record.at + RECORD_HEADER), record.key_len)? == key
            {
                return Ok(Some(record));
            }
            from = u64::from(record.at);
        }
        Err(TdbError::Damaged {
            path: self.path.clone(),
            reason: "a chain never ends",
        })
    }

    /// The record a pointer leads to; a record's own `next` is its first word.
    fn record(&self, from: u64) -> Result<Option<Record>> {
        let at = self.number(from)?;
        if at == 0 {
            return Ok(None);
        }
        let bytes = self.read(u64::from(at), RECORD_HEADER)?;
        let word = |n: usize| {
            let bytes = [
                bytes[4 * n],
                bytes[4 * n + 1],
                bytes[4 * n + 2],
                bytes[4 * n + 3],
            ];
            u32::from_ne_bytes(bytes)
        };
        let record = Record {
            at,
            from,
            next: word(0),
            rec_len: word(1),
            key_len: word(2),
            data_len: word(3),
            hash: word(4),
            magic: word(5),
        };
        let end = u64::from(at) + u64::from(RECORD_HEADER) + u64::from(record.rec_len);
        let used = u64::from(record.key_len) + u64::from(record.data_len);
        let known = [LIVE, FREE, DEAD].contains(&record.magic);
        if !known || end > self.len()? || (record.magic == LIVE && used > u64::from(record.rec_len))
        {
            return Err(TdbError::Damaged {
                path: self.path.clone(),
                reason: "a record points outside the file",
            });
        }
        Ok(Some(record))
    }

    fn data(&self, record: &Record) -> Result<Vec<u8>> {
        self.read(
            u64::from(record.at + RECORD_HEADER + record.key_len),
            record.data_len,
        )
    }

    fn insert(&self, hash: u32, key: &[u8], value: &[u8]) -> Result<()> {
        let used = length(key.len() + value.len());
        let needed = used.next_multiple_of(4) + 4;
        let (at, rec_len) = self.allocate(needed)?;
        let next = self.number(Self::bucket(hash))?;
        let mut record = Vec::new();
        for word in [
            next,
            rec_len,
            length(key.len()),
            length(value.len()),
            hash,
            LIVE,
        ] {
            record.extend(word.to_ne_bytes());
        }
        record.extend(key);
        record.extend(value);
        record.resize((RECORD_HEADER + rec_len - 4) as usize, 0);
        record.extend((RECORD_HEADER + rec_len).to_ne_bytes());
        self.write(u64::from(at), &record)?;
        self.write(Self::bucket(hash), &at.to_ne_bytes())
    }

    /// First fit from the free list, else the end of the file.
    fn allocate(&self, needed: u32) -> Result<(u32, u32)> {
        self.locked(FREE_LIST_LOCK, sys::Access::Write, || {
            let mut from = FREE_LIST;
            for _ in 0..CHAIN_MAX {
                let Some(record) = self.record(from)? else {
                    break;
                };
                if record.magic == FREE && record.rec_len >= needed {
                    self.write(record.from, &record.next.to_ne_bytes())?;
                    return Ok((record.at, record.rec_len));
                }
                from = u64::from(record.at);
            }
            let end = u32::try_from(self.len()?.next_multiple_of(4)).map_err(|_too_large| {
                TdbError::Damaged {
                    path: self.path.clone(),
                    reason: "4 GiB large",
                }
            })?;
            // Reserve the space while the lock is held; the caller fills it.
            let length = u64::from(RECORD_HEADER) + u64::from(needed);
            self.file
                .set_len(u64::from(end) + length)
                .map_err(|source| self.io("extend", source))?;
            Ok((end, needed))
        })
    }

    fn unlink(&self, record: &Record) -> Result<()> {
        self.write(record.from, &record.next.to_ne_bytes())?;
        self.locked(FREE_LIST_LOCK, sys::Access::Write, || {
            let head = self.number(FREE_LIST)?;
            self.write(u64::from(record.at + 20), &FREE.to_ne_bytes())?;
            self.write(u64::from(record.at), &head.to_ne_bytes())?;
            self.write(FREE_LIST, &record.at.to_ne_bytes())
        })
    }

    fn locked<T>(
        &self,
        at: u64,
        access: sys::Access,
        body: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.lock(at, access)?;
        let result = body();
        sys::unlock_byte(&self.file, at);
        result
    }

    fn lock(&self, at: u64, access: sys::Access) -> Result<()> {
        sys::lock_byte(&self.file, at, access, LOCK_TIMEOUT)
            .map_err(|source| self.io("lock", source))
    }

    fn io(&self, action: &'static str, source: io::Error) -> TdbError {
        TdbError::Io {
            action,
            path: self.path.clone(),
            source,
        }
    }

    fn len(&self) -> Result<u64> {
        Ok(self
            .file
            .metadata()
            .map_err(|source| self.io("examine", source))?
            .len())
    }

    fn number(&self, at: u64) -> Result<u32> {
        let mut bytes = [0; 4];
        self.file
            .read_exact_at(&mut bytes, at)
            .map_err(|source| self.io("read", source))?;
        Ok(u32::from_ne_bytes(bytes))
    }

    fn read(&self, at: u64, length: u32) -> Result<Vec<u8>> {
        if at + u64::from(length) > self.len()? {
            let path = self.path.clone();
            return Err(TdbError::Damaged {
                path,
                reason: "a record points outside the file",
            });
        }
        let mut bytes = vec![0; length as usize];
        self.file
            .read_exact_at(&mut bytes, at)
            .map_err(|source| self.io("read", source))?;
        Ok(bytes)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> Result<()> {
        self.file
            .write_all_at(bytes, at)
            .map_err(|source| self.io("write", source))
    }
}

/// Keys and values are short texts of ours or pppd's; a length that does not fit cannot match.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The format's hash function.
fn hash(key: &[u8]) -> u32 {
    let mut value = 0x238f_13af_u32.wrapping_mul(length(key.len()));
    for (i, &byte) in key.iter().enumerate() {
        value = value.wrapping_add(u32::from(byte) << (i * 5 % 24));
    }
    1_103_515_243_u32.wrapping_mul(value).wrapping_add(12345)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn hashes_are_those_of_the_format() {
        assert_eq!(hash(b"pppd lock"), 0xdd2e_d1de);
        assert_eq!(hash(b"UNIT=0"), 0x8489_89fe);
        assert_eq!(hash(br#"BUNDLE=""//kb"#), 0x17ad_4712);
        assert_eq!(hash(b"pppd lock") % HASH_SIZE, 48);
    }

    #[test]
    fn foreign_files_are_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut swapped = vec![0; HEADER_LEN];
        swapped[..MAGIC.len()].copy_from_slice(MAGIC);
        swapped[32..36].copy_from_slice(&VERSION.swap_bytes().to_ne_bytes());
        for (content, reason) in [
            (b"something else".to_vec(), "shorter than its header"),
            (vec![b'x'; 1000], "wrong magic"),
            (swapped, "other byte order"),
        ] {
            let path = dir.path().join("db");
            #[expect(
                clippy::disallowed_methods,
                reason = "test input, nothing to keep whole"
            )]
            std::fs::write(&path, &content).unwrap();
            let error = Tdb::open(&path).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("/db"), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), content);
        }
    }

    #[test]
    fn a_damaged_pointer_is_an_error_not_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let tdb = Tdb::open(&path).unwrap();
        tdb.store(b"UNIT=0", b"pppd12").unwrap();
        let bucket = Tdb::bucket(hash(b"UNIT=0"));
        tdb.write(bucket, &0xffff_fff0_u32.to_ne_bytes()).unwrap();
        assert!(matches!(
            tdb.fetch(b"UNIT=0"),
            Err(TdbError::Damaged { .. })
        ));
        // A chain that leads back to itself.
        tdb.write(bucket, &696_u32.to_ne_bytes()).unwrap();
        tdb.write(696, &696_u32.to_ne_bytes()).unwrap();
        assert!(matches!(
            tdb.fetch(b"UNIT=131"),
            Ok(None) | Err(TdbError::Damaged { .. })
        ));
        tdb.write(696 + 16, &0_u32.to_ne_bytes()).unwrap();
        assert!(matches!(
            tdb.fetch(b"UNIT=0"),
            Err(TdbError::Damaged { .. })
        ));
    }

    #[test]
    fn the_join_lock_keeps_others_out_until_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let lock = Tdb::open(&path).unwrap().lock_joins().unwrap();
        let error = Tdb::open(&path).unwrap().lock_joins().unwrap_err();
        assert!(error.to_string().starts_with("cannot lock"), "{error}");
        lock.tdb().store(b"a", b"b").unwrap();
        drop(lock);
        Tdb::open(&path).unwrap().lock_joins().unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn behaves_as_a_map(
            steps in proptest::collection::vec(
                (0u8..12, proptest::option::of(proptest::collection::vec(any::<u8>(), 0..80))), 1..80),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("db");
            let mut model = BTreeMap::new();
            for (key, value) in steps {
                let key = format!("UNIT={key}").into_bytes();
                let tdb = Tdb::open(&path).unwrap();
                if let Some(value) = value {
                    tdb.store(&key, &value).unwrap();
                    model.insert(key, value);
                } else {
                    prop_assert_eq!(tdb.delete(&key).unwrap(), model.remove(&key).is_some());
                }
            }
            let tdb = Tdb::open(&path).unwrap();
            let mut keys = tdb.keys().unwrap();
            keys.sort();
            prop_assert_eq!(keys, model.keys().cloned().collect::<Vec<_>>());
            for (key, value) in &model {
                let found = tdb.fetch(key).unwrap();
                prop_assert_eq!(found.as_ref(), Some(value));
            }
        }
    }
}
