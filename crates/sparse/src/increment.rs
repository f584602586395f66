//! Names in an rdiff-backup repository: `BASE.TIME.TYPE[.gz]`, and the times in them.

use jiff::Timestamp;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What an increment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// A librsync delta that turns the next newer state into this one.
    Diff,
    /// The whole content.
    Snapshot,
    /// The file did not exist.
    Missing,
    /// There was a directory.
    Dir,
    /// Data about the repository itself.
    Data,
}

impl Type {
    fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"diff" => Self::Diff,
            b"snapshot" => Self::Snapshot,
            b"missing" => Self::Missing,
            b"dir" => Self::Dir,
            b"data" => Self::Data,
            _ => return None,
        })
    }
}

/// A parsed name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The name of the file it belongs to; may contain dots.
    pub base: OsString,
    /// The time of the backup whose state it holds.
    pub time: Timestamp,
    /// What it holds.
    pub kind: Type,
    /// Whether it is packed with gzip. Not every increment is.
    pub gzip: bool,
}

impl Name {
    /// Parses a name. `None` for the name of an ordinary file.
    pub fn parse(name: &OsStr) -> Option<Self> {
        let bytes = name.as_bytes();
        let (rest, gzip) = match bytes.strip_suffix(b".gz") {
            Some(rest) => (rest, true),
            None => (bytes, false),
        };
        let (rest, kind) = split_last(rest)?;
        let (base, time) = split_last(rest)?;
        Some(Self {
            base: OsString::from_vec(base.to_vec()),
            time: parse_time(std::str::from_utf8(time).ok()?)?,
            kind: Type::from_name(kind)?,
            gzip,
        })
    }
}

/// Splits at the last dot.
fn split_last(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    Some((&name[..dot], &name[dot + 1..]))
}

/// Parses a time as rdiff-backup writes it: `2026-03-01T02:00:00+01:00`, or with `-` in place
/// of `:` for file systems that do not have that.
///
/// rdiff-backup takes the minutes of a negative zone for positive (`-03:30` is 2 hours and 30
/// minutes behind). What it sorts by is what counts, so that is repeated here.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let (stamp, zone) = bytes.split_at_checked(19)?;
    let separators = |places: [usize; 2], allowed: &[u8]| {
        places.iter().all(|place| allowed.contains(&stamp[*place]))
    };
    if !separators([4, 7], b"-") || stamp[10] != b'T' || !separators([13, 16], b":-") {
        return None;
    }
    let number = |range: std::ops::Range<usize>| -> Option<i16> {
        let digits = &stamp[range];
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    };
    let small = |range| number(range).and_then(|value| i8::try_from(value).ok());
    let civil = jiff::civil::DateTime::new(
        number(0..4)?,
        small(5..7)?,
        small(8..10)?,
        small(11..13)?,
        small(14..16)?,
        small(17..19)?,
        0,
    )
    .ok()?;
    let seconds = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':' | b'-', m1, m2] => {
            let digits = [*h1, *h2, *m1, *m2];
            if !digits.iter().all(u8::is_ascii_digit) {
                return None;
            }
            let [h1, h2, m1, m2] = digits.map(|digit| i64::from(digit - b'0'));
            let hours = 10 * h1 + h2;
            let hours = if *sign == b'-' { -hours } else { hours };
            hours * 3600 + (10 * m1 + m2) * 60
        }
        _ => return None,
    };
    let local = jiff::tz::TimeZone::UTC.to_timestamp(civil).ok()?;
    local
        .checked_sub(jiff::SignedDuration::from_secs(seconds))
        .ok()
}

/// Undoes rdiff-backup's quoting of file names: a quoting character and three decimal digits
/// stand for one byte.
pub fn unquote(name: &OsStr) -> OsString {
    let bytes = name.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let quoted = bytes[at..].strip_prefix(b";").and_then(|rest| {
            let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
            digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| digits.parse::<u8>().ok())?
        });
        if let Some(byte) = quoted {
            plain.push(byte);
            at += 4;
        } else {
            plain.push(bytes[at]);
            at += 1;
        }
    }
    OsString::from_vec(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(name: &str) -> Option<(String, i64, Type, bool)> {
        let name = Name::parse(OsStr::new(name))?;
        Some((
            name.base.into_string().ok()?,
            name.time.as_second(),
            name.kind,
            name.gzip,
        ))
    }

    #[test]
    fn names_are_taken_apart_from_the_right() {
        const T: i64 = 1_772_326_800; // 2026-03-01T01:00:00Z
        for (name, base, kind, gzip) in [
            (
                "disk.img.2026-03-01T02:00:00+01:00.diff.gz",
                "disk.img",
                Type::Diff,
                true,
            ),
            (
                "z.iso.gz.2026-03-01T01:00:00Z.diff",
                "z.iso.gz",
                Type::Diff,
                false,
            ),
            (
                "a.2026-03-01T02-00-00+01-00.missing",
                "a",
                Type::Missing,
                false,
            ),
            (
                "b.2026-03-01T01:00:00Z.snapshot.gz",
                "b",
                Type::Snapshot,
                true,
            ),
            (
                "increments.2026-03-01T01:00:00Z.dir",
                "increments",
                Type::Dir,
                false,
            ),
            (
                "current_mirror.2026-03-01T01:00:00Z.data",
                "current_mirror",
                Type::Data,
                false,
            ),
            (".2026-03-01T01:00:00Z.dir", "", Type::Dir, false),
        ] {
            assert_eq!(
                parse(name),
                Some((base.to_owned(), T, kind, gzip)),
                "{name}"
            );
        }
    }

    #[test]
    fn ordinary_names_are_not_increments() {
        for name in [
            "",
            "diff",
            "a.diff",
            "a.2026-03-01.diff",
            "a.2026-13-01T01:00:00Z.diff",
            "a.2026-03-01T01:00:00.diff",
            "a.2026-03-01T01:00:00Z.doc",
            "a.2026-03-01T01:00:00+1:00.diff",
            "a.2026-03-01 01:00:00Z.diff",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn instants_are_compared_not_texts() {
        let summer = parse_time("2026-10-25T02:30:00+02:00").expect("valid");
        let winter = parse_time("2026-10-25T02:30:00+01:00").expect("valid");
        assert_eq!(winter.as_second() - summer.as_second(), 3600);
        let odd = parse_time("2026-01-01T00:00:00-03:30").expect("valid");
        let utc = parse_time("2026-01-01T00:00:00Z").expect("valid");
        assert_eq!(
            odd.as_second() - utc.as_second(),
            9000,
            "as rdiff-backup reads it"
        );
    }

    #[test]
    fn quoted_names_are_read_back() {
        for (quoted, plain) in [
            (";065bc", "Abc"),
            ("a;058b", "a:b"),
            ("a;b", "a;b"),
            (";999", ";999"),
            (";06", ";06"),
        ] {
            assert_eq!(unquote(OsStr::new(quoted)), plain);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_name_or_not(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _either = Name::parse(OsStr::from_bytes(&bytes));
            let _plain = unquote(OsStr::from_bytes(&bytes));
        }

        #[test]
        fn any_text_in_the_place_of_the_time_is_read_or_refused(text in "[0-9T:Z+-]{15,26}") {
            let _either = parse_time(&text);
        }
    }
}
