//! The data of a thin volume, from the metadata of its pool.
//!
//! `thin_dump` prints the mapping of a volume as XML, one element a line. It reads a snapshot of
//! the metadata that the pool holds for it; a pool holds one at a time, so ours is given back on
//! every way out.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::device::{DeviceNumber, SECTOR, Sysfs};

/// A thin volume, as its device-mapper table names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume {
    pool: DeviceNumber,
    /// The volume's number in the pool.
    id: u32,
}

impl Volume {
    /// Reads a device's table: `0 LENGTH thin POOL ID`.
    ///
    /// A volume with an external origin, a sixth field, shows that origin's bytes where it has
    /// none of its own, so its gaps prove nothing, and it is not accepted.
    pub fn parse(table: &str) -> Option<Self> {
        let mut lines = table.lines();
        let fields: Vec<&str> = lines.next()?.split_ascii_whitespace().collect();
        match (fields.as_slice(), lines.next()) {
            (["0", _, "thin", pool, id], None) => Some(Self {
                pool: device_number(pool)?,
                id: id.parse().ok()?,
            }),
            _ => None,
        }
    }

    /// The ranges of data in bytes, in order.
    ///
    /// They are those of this moment: a block that is written for the first time afterwards is
    /// not among them.
    pub fn data(&self, sysfs: &Sysfs) -> io::Result<Vec<Range<u64>>> {
        let metadata = metadata_device(&table(self.pool)?)
            .ok_or_else(|| io::Error::other("the pool's table names no metadata device"))?;
        // Under udev or not, the kernel itself makes this node.
        let node = Path::new("/dev").join(sysfs.facts(metadata)?.kernel_name);
        let _held = MetadataSnapshot::reserve(self.pool)?;
        let mut dump = Command::new("thin_dump");
        dump.args(["--metadata-snap", "--dev-id", &self.id.to_string()])
            .arg(node);
        let mut child = dump.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let data = match child.stdout.take() {
            Some(stdout) => parse(BufReader::new(stdout), self.id),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        finish(child, "thin_dump")?;
        data
    }
}

/// The active table of a device-mapper device, as `dmsetup table` prints it.
pub fn table(device: DeviceNumber) -> io::Result<String> {
    dmsetup(device, &["table"], &[])
}

/// Releases the pool's metadata snapshot when dropped.
struct MetadataSnapshot(DeviceNumber);

impl MetadataSnapshot {
    /// Fails when somebody else holds one: its content would be as old as theirs, and blocks
    /// written since would be taken for zeros.
    fn reserve(pool: DeviceNumber) -> io::Result<Self> {
        message(pool, "reserve_metadata_snap")?;
        Ok(Self(pool))
    }
}

impl Drop for MetadataSnapshot {
    fn drop(&mut self) {
        if let Err(error) = message(self.0, "release_metadata_snap") {
            tracing::warn!(pool = ?self.0, %error, "cannot release the pool's metadata snapshot");
        }
    }
}

fn message(pool: DeviceNumber, text: &str) -> io::Result<()> {
    dmsetup(pool, &["message"], &["0", text]).map(drop)
}

fn dmsetup(device: DeviceNumber, verb: &[&str], rest: &[&str]) -> io::Result<String> {
    let mut command = Command::new("dmsetup");
    command
        .args(verb)
        .arg("--major")
        .arg(device.major.to_string());
    command
        .arg("--minor")
        .arg(device.minor.to_string())
        .args(rest);
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "dmsetup {}: {}",
        verb.join(" "),
        text.trim()
    )))
}

fn finish(mut child: Child, name: impl AsRef<OsStr>) -> io::Result<()> {
    let status = child.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{}: {status}",
        name.as_ref().display()
    )))
}

/// The fourth field of `0 LENGTH thin-pool METADATA DATA BLOCK_SIZE …`.
fn metadata_device(pool_table: &str) -> Option<DeviceNumber> {
    let mut fields = pool_table.split_ascii_whitespace();
    (fields.nth(2) == Some("thin-pool"))
        .then(|| device_number(fields.next()?))
        .flatten()
}

fn device_number(text: &str) -> Option<DeviceNumber> {
    let (major, minor) = text.split_once(':')?;
    Some(DeviceNumber {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    })
}

/// Reads the ranges of volume `id` from a dump, joined where they touch.
fn parse(dump: impl BufRead, id: u32) -> io::Result<Vec<Range<u64>>> {
    let damaged = |line: &str| io::Error::other(format!("unexpected line in the dump: {line}"));
    let mut block = None;
    let mut inside = false;
    let mut complete = false;
    let mut data: Vec<Range<u64>> = Vec::new();
    for line in dump.lines() {
        let line = line?;
        let (element, number) = (element(&line), |name| attribute(&line, name));
        let (first, count) = match element {
            "superblock" => {
                block = number("data_block_size").and_then(|sectors| sectors.checked_mul(SECTOR));
                continue;
            }
            "device" => {
                inside = number("dev_id") == Some(u64::from(id));
                continue;
            }
            "/superblock" => {
                complete = true;
                continue;
            }
            "single_mapping" if inside => (number("origin_block"), Some(1)),
            "range_mapping" if inside => (number("origin_begin"), number("length")),
            _ => continue,
        };
        let range = first
            .zip(count)
            .zip(block)
            .and_then(|((first, count), block)| {
                Some(first.checked_mul(block)?..first.checked_add(count)?.checked_mul(block)?)
            });
        let range = range.ok_or_else(|| damaged(&line))?;
        match data.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            Some(last) if last.end > range.start => return Err(damaged(&line)),
            _ => data.push(range),
        }
    }
    // A dump that breaks off would turn the rest of the volume into zeros.
    if complete {
        Ok(data)
    } else {
        Err(io::Error::other("the dump breaks off"))
    }
}

/// The name of the element that a line opens, or with a slash, closes.
fn element(line: &str) -> &str {
    let text = line.trim_start().trim_start_matches('<');
    text.split([' ', '>']).next().unwrap_or_default()
}

fn attribute(line: &str, name: &str) -> Option<u64> {
    line.split_ascii_whitespace().find_map(|word| {
        let value = word.strip_prefix(name)?.strip_prefix("=\"")?;
        value.split('"').next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::*;

    const DUMP: &str = r#"<superblock uuid="" time="1" transaction="2" flags="0" version="2" data_block_size="128" nr_data_blocks="640">
  <device dev_id="1" mapped_blocks="66" transaction="0" creation_time="0" snap_time="1">
    <range_mapping origin_begin="0" data_begin="0" length="2" time="0"/>
    <single_mapping origin_block="2" data_block="9" time="0"/>
    <range_mapping origin_begin="160" data_begin="10" length="64" time="1"/>
  </device>
  <device dev_id="2" mapped_blocks="1" transaction="1" creation_time="1" snap_time="1">
    <single_mapping origin_block="7" data_block="74" time="1"/>
  </device>
</superblock>
"#;

    #[test]
    fn ranges_are_in_bytes_and_joined() {
        let mib = 1 << 20;
        let data = parse(DUMP.as_bytes(), 1).unwrap();
        assert_eq!(data, [0..3 * 65536, 10 * mib..14 * mib]);
    }

    #[test]
    fn only_the_asked_volume_counts() {
        let one = 7 * 65536..8 * 65536;
        assert_eq!(
            parse(DUMP.as_bytes(), 2).unwrap(),
            std::slice::from_ref(&one)
        );
        assert_eq!(parse(DUMP.as_bytes(), 3).unwrap(), []);
    }

    #[test]
    fn a_dump_that_breaks_off_or_is_out_of_order_is_an_error() {
        let whole = DUMP.trim_end().len();
        for cut in [0, 100, 300, 600, whole - 1 - "superblock>".len()] {
            assert!(parse(&DUMP.as_bytes()[..cut], 1).is_err(), "cut at {cut}");
        }
        let overlapping = DUMP.replace("origin_block=\"2\"", "origin_block=\"1\"");
        assert!(parse(overlapping.as_bytes(), 1).is_err());
        let unreadable = DUMP.replace("origin_begin=\"160\"", "origin_begin=\"x\"");
        assert!(parse(unreadable.as_bytes(), 1).is_err());
        let huge = DUMP.replace("length=\"64\"", &format!("length=\"{}\"", u64::MAX));
        assert!(parse(huge.as_bytes(), 1).is_err());
    }

    #[test]
    fn tables_of_thin_volumes_and_pools_are_read() {
        let pool = DeviceNumber {
            major: 253,
            minor: 2,
        };
        assert_eq!(
            Volume::parse("0 40960 thin 253:2 1\n"),
            Some(Volume { pool, id: 1 })
        );
        for table in [
            "",
            "0 40960 thin 253:2 1 253:9\n",
            "0 40960 linear 253:2 1\n",
            "0 8 thin 253:2 1\n8 8 linear 253:3 0\n",
            "0 40960 thin 253 1\n",
            "0 40960 thin 253:2 x\n",
        ] {
            assert_eq!(Volume::parse(table), None, "{table:?}");
        }
        let metadata = DeviceNumber {
            major: 253,
            minor: 0,
        };
        assert_eq!(
            metadata_device("0 81920 thin-pool 253:0 253:1 128 0 0\n"),
            Some(metadata)
        );
        assert_eq!(metadata_device("0 81920 linear 253:0 0\n"), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(lines in proptest::collection::vec("[<a-z_ =\"0-9/>]{0,60}", 0..20)) {
            let _either = parse(lines.join("\n").as_bytes(), 1);
        }

        #[test]
        fn what_is_printed_is_read(gaps in proptest::collection::vec((1u64..9, 1u64..9), 0..40)) {
            let mut text = String::from("<superblock data_block_size=\"2\">\n<device dev_id=\"5\">\n");
            let mut expected = Vec::new();
            let mut at = 0;
            for (gap, length) in gaps {
                at += gap;
                let infallible = match length {
                    1 => writeln!(text, "<single_mapping origin_block=\"{at}\" data_block=\"0\"/>"),
                    _ => writeln!(text, "<range_mapping origin_begin=\"{at}\" length=\"{length}\"/>"),
                };
                infallible.unwrap();
                expected.push(at * 1024..(at + length) * 1024);
                at += length;
            }
            text += "</device>\n</superblock>\n";
            prop_assert_eq!(parse(text.as_bytes(), 5).unwrap(), expected);
        }
    }
}
