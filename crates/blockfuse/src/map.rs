//! `blockfuse map`: where a device holds data and where it is surely zero.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use nightshift_common::escape::Escaped;
use serde::Serialize;

use crate::changes::{self, State};
use crate::device::{DeviceNumber, Sysfs};
use crate::extents::Extents;

/// How a map is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    #[default]
    Text,
    /// One object, for programs.
    Json,
    /// `START LENGTH data|zero|same`, a line each, as `borg create --map` reads it.
    Borg,
}

/// What is known about a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It must be read.
    Data,
    /// It reads as zeros.
    Zero,
    /// It is as it was when the state compared with was written.
    Same,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Zero => "zero",
            Self::Same => "same",
        }
    }
}

/// One range of a map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// In bytes.
    pub start: u64,
    /// In bytes, never 0.
    pub length: u64,
    /// What is known about it.
    #[serde(rename = "type")]
    pub kind: Kind,
}

/// A device from beginning to end, without gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// In bytes.
    pub size: u64,
    /// In order.
    pub extents: Vec<Extent>,
}

impl Map {
    /// A map of `extents`, which are in order and without gaps, each with whether it is data.
    fn new(size: u64, extents: Vec<(Range<u64>, bool)>) -> Self {
        let extents = extents.into_iter().map(|(range, is_data)| Extent {
            start: range.start,
            length: range.end - range.start,
            kind: if is_data { Kind::Data } else { Kind::Zero },
        });
        Self {
            size,
            extents: extents.collect(),
        }
    }

    /// The map of a device that is as it was.
    fn same(size: u64) -> Self {
        Self {
            size,
            extents: vec![Extent {
                start: 0,
                length: size,
                kind: Kind::Same,
            }],
        }
    }

    /// Whether all of it is as it was.
    pub fn is_same(&self) -> bool {
        self.extents.iter().all(|extent| extent.kind == Kind::Same)
    }

    /// The text in the asked format, ending in a newline.
    pub fn render(&self, format: Format) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Document<'a> {
            version: u32,
            size: u64,
            extents: &'a [Extent],
        }
        let lines = |line: fn(&Extent) -> String| self.extents.iter().map(line).collect();
        Ok(match format {
            Format::Json => {
                let document = Document {
                    version: 1,
                    size: self.size,
                    extents: &self.extents,
                };
                serde_json::to_string(&document)? + "\n"
            }
            Format::Borg => lines(|extent| {
                format!(
                    "{} {} {}\n",
                    extent.start,
                    extent.length,
                    extent.kind.name()
                )
            }),
            Format::Text => {
                let table: String = lines(|extent| {
                    let (start, length) = (extent.start, extent.length);
                    format!("{start:>20} {length:>20}  {}\n", extent.kind.name())
                });
                let data: u64 = self.bytes(Kind::Data);
                let summary = format!("{data} of {} bytes are data\n", self.size);
                format!("{:>20} {:>20}  type\n{table}{summary}", "start", "length")
            }
        })
    }

    fn bytes(&self, kind: Kind) -> u64 {
        let of_kind = self.extents.iter().filter(|extent| extent.kind == kind);
        of_kind.map(|extent| extent.length).sum()
    }
}

/// Makes the map of the block device at `path`.
///
/// With `against`, a device that provably did not change since that state was written is one
/// extent of [`Kind::Same`].
pub fn of(path: &Path, against: Option<&State>, sysfs: &Sysfs) -> Result<Map, Failure> {
    let failed = |source| Failure::Open {
        path: path.to_owned(),
        source,
    };
    // Opening a drive without a medium would wait for one.
    let device = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)
        .map_err(failed)?;
    let meta = device.metadata().map_err(failed)?;
    if !meta.file_type().is_block_device() {
        return Err(Failure::NoDevice {
            path: path.to_owned(),
        });
    }
    let number = DeviceNumber::from(meta.rdev());
    let facts = sysfs.facts(number).map_err(failed)?;
    let size = facts.size;
    if let Some(state) = against {
        let key = changes::probe::key(path, number, sysfs);
        if key.is_some_and(|key| state.knows(&key)) {
            return Ok(Map::same(size));
        }
    }
    rustix::fs::fsync(&device).map_err(|errno| failed(errno.into()))?;
    let extents = Extents::now(&device, number, &facts, sysfs);
    let extents = extents.list(&device, size).map_err(failed)?;
    Ok(Map::new(size, extents))
}

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The device cannot be opened or examined.
    #[error("cannot examine {}", Escaped::path(path))]
    Open {
        /// As it was given.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is something else.
    #[error("{} is not a block device", Escaped::path(path))]
    NoDevice {
        /// As it was given.
        path: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> Map {
        Map::new(
            10_240,
            vec![(0..4096, true), (4096..8192, false), (8192..10_240, true)],
        )
    }

    #[test]
    fn borg_gets_a_line_for_each_extent() {
        let text = map().render(Format::Borg).unwrap();
        assert_eq!(text, "0 4096 data\n4096 4096 zero\n8192 2048 data\n");
        assert_eq!(Map::same(512).render(Format::Borg).unwrap(), "0 512 same\n");
    }

    #[test]
    fn json_is_one_versioned_object() {
        let text = map().render(Format::Json).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["version"], 1);
        assert_eq!(value["size"], 10_240);
        assert_eq!(value["extents"][1]["type"], "zero");
        assert_eq!(value["extents"][2]["start"], 8192);
        assert_eq!(value["extents"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn people_get_a_table_with_a_sum() {
        let text = map().render(Format::Text).unwrap();
        assert_eq!(text.lines().count(), 5);
        assert!(text.ends_with("6144 of 10240 bytes are data\n"), "{text}");
    }

    #[test]
    fn what_is_no_block_device_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = of(file.path(), None, &Sysfs::default()).unwrap_err();
        assert!(matches!(failure, Failure::NoDevice { .. }), "{failure}");
        let failure = of(Path::new("/nonexistent"), None, &Sysfs::default()).unwrap_err();
        assert!(matches!(failure, Failure::Open { .. }), "{failure}");
    }
}
