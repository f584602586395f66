//! Block maps in the format of bmap 2.0: which blocks of an image hold data, with checksums.

use crate::engine::{jobs, ordered};
use crate::error::{Error, FormatError};
use crate::map::{Content, Map};
use crate::progress::Progress;
use crate::reader::{Buffer, Input};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

/// Block size of the map.
const BLOCK: u64 = 4096;
/// Bytes hashed at once.
const PIECE: u64 = 1 << 20;
const JOBS: usize = 4;

/// A parsed block map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockMap {
    /// Bytes of the image.
    pub image_size: u64,
    /// Bytes per block.
    pub block_size: u64,
    /// First and last block of each mapped range, and its SHA-256.
    pub ranges: Vec<(u64, u64, [u8; 32])>,
}

/// The text of a block map for a mapped image. Everything that is not data is left out.
pub fn write(map: &Map, asked: usize, progress: &Progress) -> Result<String, Error> {
    let input = Input::open_seekable(&map.path)?;
    let ranges = block_ranges(map);
    progress.start("checksum", map.total(Content::Data));
    let mut sums = Vec::new();
    ordered(
        jobs(asked, JOBS),
        ranges
            .iter()
            .map(|range| progress.check().map(|()| range.clone())),
        Buffer::new,
        |buffer, range: Range<u64>| {
            let bytes = range.start * BLOCK..(range.end * BLOCK).min(map.size);
            sha256(&input, &bytes, buffer, progress)
        },
        |sum| {
            sums.push(sum);
            Ok(())
        },
    )?;
    input.check_unchanged()?;
    let mapped: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n    \
         <ImageSize> {} </ImageSize>\n    <BlockSize> {BLOCK} </BlockSize>\n    \
         <BlocksCount> {} </BlocksCount>\n    <MappedBlocksCount> {mapped} </MappedBlocksCount>\n    \
         <ChecksumType> sha256 </ChecksumType>\n    \
         <BmapFileChecksum> {} </BmapFileChecksum>\n    <BlockMap>\n",
        map.size,
        map.size.div_ceil(BLOCK),
        "0".repeat(64),
    );
    for (range, sum) in ranges.iter().zip(&sums) {
        let last = range.end - 1;
        let blocks = if range.start == last {
            last.to_string()
        } else {
            format!("{}-{last}", range.start)
        };
        let _ = writeln!(
            text,
            "        <Range chksum=\"{}\"> {blocks} </Range>",
            hex(sum)
        );
    }
    text.push_str("    </BlockMap>\n</bmap>\n");
    // The checksum of the map itself is taken with zeros in its place.
    let own = hex(&Sha256::digest(text.as_bytes()).into());
    Ok(text.replacen(&"0".repeat(64), &own, 1))
}

/// Data of a map in whole blocks.
fn block_ranges(map: &Map) -> Vec<Range<u64>> {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for stretch in map
        .stretches
        .iter()
        .filter(|stretch| stretch.content == Content::Data)
    {
        let (start, end) = (
            stretch.range.start / BLOCK,
            stretch.range.end.div_ceil(BLOCK),
        );
        match ranges.last_mut() {
            Some(last) if last.end >= start => last.end = end.max(last.end),
            _ => ranges.push(start..end),
        }
    }
    ranges
}

fn sha256(
    input: &Input,
    range: &Range<u64>,
    buffer: &mut Buffer,
    progress: &Progress,
) -> Result<[u8; 32], Error> {
    let mut hash = Sha256::new();
    let mut at = range.start;
    while at < range.end {
        progress.check()?;
        let step = at..range.end.min(at + PIECE);
        hash.update(&*input.read(buffer, &step)?);
        progress.add(step.end - step.start);
        at = step.end;
    }
    Ok(hash.finalize().into())
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Compares the image at `path` with a block map; returns the ranges, in bytes, that differ.
pub fn verify(
    path: &Path,
    map_path: &Path,
    asked: usize,
    progress: &Progress,
) -> Result<Vec<Range<u64>>, Error> {
    let text = std::fs::read_to_string(map_path).map_err(Error::io("read", map_path))?;
    let map = parse(&text).map_err(|source| Error::Corrupt {
        what: "block map",
        path: map_path.to_owned(),
        source,
    })?;
    let input = Input::open_seekable(path)?;
    let mut wrong = Vec::new();
    if input.len() < map.image_size {
        wrong.push(input.len()..map.image_size);
    }
    progress.start("verify", input.len());
    ordered(
        jobs(asked, JOBS),
        map.ranges
            .iter()
            .map(|range| progress.check().map(|()| *range)),
        Buffer::new,
        |buffer, (first, last, sum)| {
            let end = ((last + 1) * map.block_size).min(map.image_size);
            let range = first * map.block_size..end;
            if range.end > input.len() {
                return Ok(Some(range));
            }
            let found = sha256(&input, &range, buffer, progress)?;
            Ok((found != sum).then_some(range))
        },
        |result| {
            wrong.extend(result);
            Ok(())
        },
    )?;
    Ok(wrong)
}

/// Parses a block map of version 2.0.
///
/// The format is written by programs and has no attributes or nesting beyond what is read
/// here, so no general XML parser is needed; what does not fit is refused.
pub fn parse(text: &str) -> Result<BlockMap, FormatError> {
    let wrong = |offset: usize, reason: &str| FormatError::new(offset as u64, reason.to_owned());
    if !text.contains("<bmap version=\"2.") {
        return Err(wrong(0, "no bmap element of version 2"));
    }
    let number = |name: &str| -> Result<u64, FormatError> {
        let (value, at) = element(text, name)
            .ok_or_else(|| wrong(0, &format!("the element {name} is missing")))?;
        value
            .parse()
            .map_err(|_not_a_number| wrong(at, &format!("{name} is not a number")))
    };
    let (image_size, block_size) = (number("ImageSize")?, number("BlockSize")?);
    if block_size == 0 {
        return Err(wrong(0, "the block size is zero"));
    }
    check_own_sum(text)?;
    let mut ranges = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("<Range chksum=\"") {
        let start = at + found;
        let range = range(&text[start..]).ok_or_else(|| wrong(start, "a damaged Range element"))?;
        let (first, last, _) = range;
        let blocks = image_size.div_ceil(block_size);
        if first > last || last >= blocks {
            return Err(wrong(start, "a range that is not inside the image"));
        }
        ranges.push(range);
        at = start + 1;
    }
    if ranges.len() != text.matches("<Range").count() {
        return Err(wrong(0, "a Range element without a checksum"));
    }
    Ok(BlockMap {
        image_size,
        block_size,
        ranges,
    })
}

/// Text of an element, trimmed, and its offset.
fn element<'t>(text: &'t str, name: &str) -> Option<(&'t str, usize)> {
    let open = format!("<{name}>");
    let start = text.find(&open)? + open.len();
    let len = text[start..].find("</")?;
    Some((text[start..start + len].trim(), start))
}

fn check_own_sum(text: &str) -> Result<(), FormatError> {
    let Some((sum, at)) = element(text, "BmapFileChecksum") else {
        return Ok(());
    };
    let blank = text.replacen(sum, &"0".repeat(sum.len()), 1);
    if sum.len() != 64 || hex(&Sha256::digest(blank.as_bytes()).into()) != sum {
        let reason = "the checksum of the block map itself is wrong".to_owned();
        return Err(FormatError::new(at as u64, reason));
    }
    Ok(())
}

/// `<Range chksum="..."> 5-9 </Range>`
fn range(text: &str) -> Option<(u64, u64, [u8; 32])> {
    let rest = text.strip_prefix("<Range chksum=\"")?;
    let (sum, rest) = rest.split_once('"')?;
    let (blocks, _) = rest.strip_prefix('>')?.split_once("</Range>")?;
    let (first, last) = blocks
        .trim()
        .split_once('-')
        .unwrap_or((blocks.trim(), blocks.trim()));
    let mut bytes = [0; 32];
    if sum.len() != 64 || !sum.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(sum.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::size::HoleSize;
    use std::io::{Seek, Write};

    fn image() -> (tempfile::NamedTempFile, String) {
        let mut file = tempfile::NamedTempFile::new().expect("temporary file");
        file.as_file().set_len(1 << 20).expect("length");
        file.seek(std::io::SeekFrom::Start(40_960)).expect("seek");
        file.write_all(&[7; 5000]).expect("write");
        let progress = Progress::silent();
        let map = crate::map::map(file.path(), HoleSize::DEFAULT, true, 2, &progress).expect("map");
        let text = write(&map, 2, &progress).expect("block map");
        (file, text)
    }

    #[test]
    fn a_map_is_read_back_and_finds_damage() {
        let (mut file, text) = image();
        let parsed = parse(&text).expect("valid");
        assert_eq!((parsed.image_size, parsed.block_size), (1 << 20, 4096));
        assert_eq!(
            parsed.ranges.iter().map(|r| (r.0, r.1)).collect::<Vec<_>>(),
            [(10, 11)]
        );
        let mut map_file = tempfile::NamedTempFile::new().expect("temporary file");
        map_file.write_all(text.as_bytes()).expect("write");
        let progress = Progress::silent();
        let check = |path: &Path| verify(path, map_file.path(), 1, &progress).expect("readable");
        assert!(check(file.path()).is_empty());
        file.seek(std::io::SeekFrom::Start(41_000)).expect("seek");
        file.write_all(b"!").expect("write");
        let wrong = check(file.path());
        assert_eq!((wrong.len(), wrong[0].clone()), (1, 40_960..49_152));
    }

    #[test]
    fn damaged_maps_are_refused() {
        let (_, text) = image();
        for bad in [
            text.replace("10-11", "10-99999"),
            text.replace("10-11", "11-10"),
            text.replace("chksum=\"", "chksum=\"zz"),
            text.replace("ImageSize> 1048576", "ImageSize> 1048577"),
            text.replace("BlockSize> 4096", "BlockSize> 0"),
            text.replace("version=\"2.0\"", "version=\"1.3\""),
            String::new(),
        ] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }
}
