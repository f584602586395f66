//! The `mirror_metadata` files of a repository: one record per file and backup.

use std::collections::HashMap;
use std::io::{self, BufRead};

/// What we need of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Path inside the repository, in bytes, `.` for its root.
    pub name: Vec<u8>,
    /// `reg`, `dir`, `sym`, ... or `None` for a file that is gone.
    pub kind: Vec<u8>,
    /// Length of a regular file.
    pub size: Option<u64>,
    /// SHA-1 in hexadecimal digits.
    pub sha1: Option<[u8; 20]>,
    /// Seconds since 1970.
    pub mtime: Option<i64>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Mode bits.
    pub permissions: Option<u32>,
    /// Hard links to it; absent means one.
    pub links: Option<u64>,
    /// Inode and device, which tell hard links from each other.
    pub identity: Option<(u64, u64)>,
    /// Its mirror file's name in `long_filename_data`.
    pub mirror_name: Option<Vec<u8>>,
    /// The base name of its increments in `long_filename_data`.
    pub increment_name: Option<Vec<u8>>,
}

impl Record {
    /// Whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == b"reg"
    }
}

/// Longest line accepted; names have at most 4096 bytes, fourfold when escaped.
const MAX_LINE: usize = 64 << 10;

/// Reads records one after the other.
#[derive(Debug)]
pub struct Records<R: BufRead> {
    input: R,
    /// The next record's name, already read.
    next: Option<Vec<u8>>,
    started: bool,
}

impl<R: BufRead> Records<R> {
    /// Records of a metadata file, unpacked.
    pub fn new(input: R) -> Self {
        Self {
            input,
            next: None,
            started: false,
        }
    }

    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let got = io::Read::take(&mut self.input, MAX_LINE as u64).read_until(b'\n', &mut line)?;
        if got == 0 {
            return Ok(None);
        }
        if line.pop_if(|last| *last == b'\n').is_none() && got == MAX_LINE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a line is too long",
            ));
        }
        Ok(Some(line))
    }

    fn record(&mut self) -> io::Result<Option<Record>> {
        if !self.started {
            self.started = true;
            // Anything before the first record is not ours to understand.
            while let Some(line) = self.line()? {
                if let Some(name) = line.strip_prefix(b"File ") {
                    self.next = Some(name.to_vec());
                    break;
                }
            }
        }
        let Some(name) = self.next.take() else {
            return Ok(None);
        };
        let mut record = Record {
            name: unescape(&name),
            ..Record::default()
        };
        let (mut inode, mut device) = (None, None);
        while let Some(line) = self.line()? {
            if let Some(name) = line.strip_prefix(b"File ") {
                self.next = Some(name.to_vec());
                break;
            }
            let trimmed = line.trim_ascii_start();
            let Some(space) = trimmed.iter().position(|byte| *byte == b' ') else {
                continue;
            };
            let (field, value) = (&trimmed[..space], &trimmed[space + 1..]);
            match field {
                b"Type" => record.kind = value.to_vec(),
                b"Size" => record.size = number(value),
                b"SHA1Digest" => record.sha1 = digest(value),
                b"ModTime" => record.mtime = number(value),
                b"Uid" => record.uid = number(value),
                b"Gid" => record.gid = number(value),
                b"Permissions" => record.permissions = number(value),
                b"NumHardLinks" => record.links = number(value),
                b"Inode" => inode = number(value),
                b"DeviceLoc" => device = number(value),
                b"AlternateMirrorName" => record.mirror_name = Some(unescape(value)),
                b"AlternateIncrementName" => record.increment_name = Some(unescape(value)),
                _ => {}
            }
        }
        record.identity = inode.zip(device);
        Ok(Some(record))
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = io::Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        self.record().transpose()
    }
}

fn number<T: std::str::FromStr>(value: &[u8]) -> Option<T> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn digest(value: &[u8]) -> Option<[u8; 20]> {
    let text = std::str::from_utf8(value).ok()?;
    if text.len() != 40 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 20];
    for (byte, digits) in bytes.iter_mut().zip(value.chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// In names, `\n` stands for a newline and `\\` for a backslash.
fn unescape(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut bytes = name.iter();
    while let Some(byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (b'\\', Some(b'n')) => plain.push(b'\n'),
            (b'\\', Some(b'\\')) => plain.push(b'\\'),
            _ => {
                plain.push(*byte);
                continue;
            }
        }
        bytes.next();
    }
    plain
}

/// Collects what several metadata files say about one file, the oldest file first: per name the
/// first record seen is the one that counts.
#[derive(Debug)]
pub struct Search {
    wanted: Vec<u8>,
    found: Option<Record>,
    /// Digests of regular files by identity: of hard links only the first carries one.
    digests: HashMap<(u64, u64), [u8; 20]>,
    seen: std::collections::HashSet<Vec<u8>>,
}

impl Search {
    /// A search for the file of this name.
    pub fn new(wanted: Vec<u8>) -> Self {
        Self {
            wanted,
            found: None,
            digests: HashMap::new(),
            seen: std::collections::HashSet::new(),
        }
    }

    /// Takes note of a record. `last` tells that no older-is-better file follows, so that names
    /// need not be remembered.
    pub fn add(&mut self, record: Record, last: bool) {
        if self.seen.contains(&record.name) {
            return;
        }
        if !last {
            self.seen.insert(record.name.clone());
        }
        if let (Some(identity), Some(sha1), Some(2..)) =
            (record.identity, record.sha1, record.links)
        {
            self.digests.insert(identity, sha1);
        }
        if record.name == self.wanted && self.found.is_none() {
            self.found = Some(record);
        }
    }

    /// The record of the file, with the digest of its first hard link if it has none itself.
    pub fn finish(self) -> Option<Record> {
        let mut record = self.found?;
        if record.sha1.is_none()
            && let Some(identity) = record.identity
        {
            record.sha1 = self.digests.get(&identity).copied();
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "\
Format-Version whatever
File .
  Type dir
  ModTime 1772326800
  Uid 0
  Uname root
  Gid 0
  Gname root
  Permissions 493
File images/a\\nb\\\\c
  Type reg
  Size 1048576
  ResourceFork None
  SHA1Digest da39a3ee5e6b4b0d3255bfef95601890afd80709
  NumHardLinks 2
  Inode 77
  DeviceLoc 5
  ModTime 1772326801
  Permissions 384
File images/link
  Type reg
  Size 1048576
  NumHardLinks 2
  Inode 77
  DeviceLoc 5
File gone
  Type None
";

    fn records(text: &str) -> Vec<Record> {
        Records::new(text.as_bytes())
            .collect::<Result<_, _>>()
            .expect("readable")
    }

    #[test]
    fn records_are_read_with_their_names_unescaped() {
        let records = records(TEXT);
        let names: Vec<_> = records
            .iter()
            .map(|record| record.name.as_slice())
            .collect();
        assert_eq!(
            names,
            [b".".as_slice(), b"images/a\nb\\c", b"images/link", b"gone"]
        );
        let file = &records[1];
        assert!(file.is_file());
        assert_eq!(
            (file.size, file.mtime, file.permissions),
            (Some(1 << 20), Some(1_772_326_801), Some(0o600))
        );
        assert_eq!(file.sha1.expect("digest")[..2], [0xda, 0x39]);
        assert_eq!(records[3].kind, b"None");
    }

    #[test]
    fn a_hard_link_borrows_the_digest_of_the_first() {
        let mut search = Search::new(b"images/link".to_vec());
        for record in records(TEXT) {
            search.add(record, true);
        }
        assert!(search.finish().expect("found").sha1.is_some());
    }

    #[test]
    fn the_oldest_record_wins() {
        let mut search = Search::new(b"f".to_vec());
        for record in records("File f\n  Size 1\n") {
            search.add(record, false);
        }
        for record in records("File f\n  Size 2\n") {
            search.add(record, true);
        }
        assert_eq!(search.finish().expect("found").size, Some(1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cut in 0..TEXT.len(),
        ) {
            let _either: Result<Vec<_>, _> = Records::new(bytes.as_slice()).collect();
            let damaged = [&TEXT.as_bytes()[..cut], &bytes, &TEXT.as_bytes()[cut..]].concat();
            let _either: Result<Vec<_>, _> = Records::new(damaged.as_slice()).collect();
        }
    }
}
