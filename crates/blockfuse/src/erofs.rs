//! The EROFS image that makes a block device look like one regular file.
//!
//! FUSE passthrough accepts regular files of a kernel file system only, never a block device.
//! EROFS closes the gap: an image of a few blocks can say "this file's bytes are over there, on
//! an extra device, from its first block to its last". Mounting that image gives a regular file
//! whose reads the kernel sends straight to the device.
//!
//! This module turns a size (and, for sparse devices, a list of holes) into the bytes of such an
//! image and knows nothing else: not the device, not the mount, not the file system above. The
//! field offsets are those of the on-disk format, EROFS version 1 with a device table and
//! chunk-based inodes (Linux 5.16; 512-byte blocks 6.4; 48-bit block numbers 6.15). Older
//! kernels refuse the image and the copy engine takes over.
//!
//! The layout, with the block size `bs`:
//!
//! ```text
//! byte 1024   super block, 128 bytes
//! byte 1152   one device slot, 128 bytes
//! byte meta   inode of the root directory, 64 bytes   (meta = 1280 rounded up to bs)
//!    + 64     inode of the file, 64 bytes
//!    + 128    one 8-byte index for each chunk of the file
//! next block  entries of the root directory
//! ```

use std::ops::Range;

use thiserror::Error;

/// The name of the file in the image. Only the daemon ever opens it, by this name, through the
/// descriptor of a mount that is attached nowhere.
pub const FILE_NAME: &str = "device";

/// Chunk size of [`Geometry::sparse`] in bytes: fine enough to skip most of an empty disk,
/// coarse enough for 2 TiB in [`MAX_INDEX_BYTES`].
pub const SPARSE_CHUNK: u64 = 1 << SPARSE_CHUNK_BITS;

/// The longest index a sparse image may carry, in bytes. The image lives in memory for as long
/// as the file is open, so a device with more chunks than this gets no holes instead.
pub const MAX_INDEX_BYTES: u64 = 16 << 20;

const SPARSE_CHUNK_BITS: u8 = 20;
const SUPER_OFFSET: usize = 1024;
const SUPER_LEN: usize = 128;
const SLOT_OFFSET: usize = SUPER_OFFSET + SUPER_LEN;
const SLOT_LEN: usize = 128;
/// Inodes are addressed in units of this many bytes from the start of the metadata.
const NID_UNIT: usize = 32;
/// Length of an 'extended' inode, the kind with 64-bit sizes.
const INODE_LEN: usize = 64;
const INDEX_LEN: usize = 8;
const DIRENT_LEN: usize = 12;
/// The image is padded to a whole page, so that the loop device under it has no odd tail.
const PAGE: usize = 4096;

const ROOT_NID: u64 = 0;
const FILE_NID: u64 = (INODE_LEN / NID_UNIT) as u64;

const MAGIC: u64 = 0xE0F5_E1E2;
const INCOMPAT_CHUNKED_FILE: u64 = 0x4;
const INCOMPAT_DEVICE_TABLE: u64 = 0x8;
const INCOMPAT_48BIT: u64 = 0x80;

const LAYOUT_PLAIN: u64 = 0;
const LAYOUT_CHUNKED: u64 = 4;
const CHUNK_INDEXES: u64 = 0x20;
const CHUNK_48BIT: u64 = 0x40;
/// The chunk size is stored as a power of two of blocks in five bits.
const MAX_CHUNK_BITS: u8 = 31;
/// Block numbers have 48 bits at most, and the highest one means "hole".
const MAX_BLOCKS: u64 = (1 << 48) - 1;
/// Up to this many blocks fit 32-bit numbers; the highest number means "hole" here too.
const MAX_NARROW_BLOCKS: u64 = (1 << 32) - 1;

/// A chunk index of all ones is a hole.
const HOLE: u64 = u64::MAX;

const FILE_TYPE_REGULAR: u64 = 1;
const FILE_TYPE_DIRECTORY: u64 = 2;

/// Why a size cannot be put into an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unmappable {
    /// There is nothing to map.
    #[error("the device is empty")]
    Empty,
    /// Block devices are counted in sectors of 512 bytes, and so are the blocks of the image.
    #[error("its size of {0} bytes is not a multiple of 512")]
    Unaligned(u64),
    /// More blocks than EROFS can number.
    #[error("its size of {0} bytes is beyond 48-bit block numbers")]
    TooLarge(u64),
    /// The index of a sparse image would not fit [`MAX_INDEX_BYTES`].
    #[error("its size of {0} bytes needs too long a list of chunks")]
    TooManyChunks(u64),
}

/// How a device of a given size is cut into blocks and chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    size: u64,
    block_bits: u8,
    /// Blocks per chunk, as a power of two.
    chunk_bits: u8,
}

impl Geometry {
    /// The geometry with the fewest chunks: one, unless the device is larger than 8 TiB (1 TiB
    /// with 512-byte blocks).
    pub fn solid(size: u64) -> Result<Self, Unmappable> {
        let block_bits = block_bits(size)?;
        let blocks = size >> block_bits;
        let needed = blocks.next_power_of_two().trailing_zeros();
        let chunk_bits =
            u8::try_from(needed).map_or(MAX_CHUNK_BITS, |bits| bits.min(MAX_CHUNK_BITS));
        Ok(Self {
            size,
            block_bits,
            chunk_bits,
        })
    }

    /// The geometry with chunks of [`SPARSE_CHUNK`] bytes, each of which may be a hole.
    pub fn sparse(size: u64) -> Result<Self, Unmappable> {
        let block_bits = block_bits(size)?;
        if size.div_ceil(SPARSE_CHUNK) * INDEX_LEN as u64 > MAX_INDEX_BYTES {
            return Err(Unmappable::TooManyChunks(size));
        }
        let chunk_bits = SPARSE_CHUNK_BITS - block_bits;
        Ok(Self {
            size,
            block_bits,
            chunk_bits,
        })
    }

    /// Bytes in a block: 4096, or 512 where 4096 would leave a partial block at the end, which
    /// the kernel cannot read.
    pub fn block_size(&self) -> u64 {
        1 << self.block_bits
    }

    /// Bytes in a chunk.
    pub fn chunk_size(&self) -> u64 {
        1 << (self.block_bits + self.chunk_bits)
    }

    /// The number of chunks, the last of which may be short.
    pub fn chunks(&self) -> u64 {
        self.size.div_ceil(self.chunk_size())
    }

    /// Whether block numbers need more than 32 bits, which kernels before 6.15 do not know.
    pub fn is_wide(&self) -> bool {
        self.blocks() > MAX_NARROW_BLOCKS
    }

    /// The bytes of the image. `is_hole` is asked for each chunk's byte range; a hole reads as
    /// zeros without touching the device.
    pub fn image(&self, is_hole: impl Fn(Range<u64>) -> bool) -> Vec<u8> {
        let block = 1usize << self.block_bits;
        let meta = (SLOT_OFFSET + SLOT_LEN).next_multiple_of(block);
        let indexes = meta + 2 * INODE_LEN;
        let index_bytes = usize::try_from(self.chunks()).map_or(0, |n| n * INDEX_LEN);
        let directory = (indexes + index_bytes).next_multiple_of(block);
        let entries = root_entries();
        let end = (directory + entries.len()).next_multiple_of(PAGE.max(block));

        let mut out = Writer(vec![0; end]);
        self.write_super(&mut out, meta, end);
        self.write_slot(&mut out);
        self.write_root(&mut out, meta, directory, entries.len());
        self.write_file(&mut out, meta + INODE_LEN);
        let (mut start, mut at) = (0, indexes);
        while start < self.size {
            let end = self.size.min(start + self.chunk_size());
            if is_hole(start..end) {
                out.le::<2>(at, HOLE);
                out.le::<4>(at + 4, HOLE);
            } else {
                let first = start >> self.block_bits;
                out.le::<2>(at, first >> 32);
                out.le::<2>(at + 2, 1); // devices count from 1; 0 is the image itself
                out.le::<4>(at + 4, first);
            }
            (start, at) = (end, at + INDEX_LEN);
        }
        out.bytes(directory, &entries);
        out.0
    }

    fn blocks(&self) -> u64 {
        self.size >> self.block_bits
    }

    fn write_super(&self, out: &mut Writer, meta: usize, end: usize) {
        let at = SUPER_OFFSET;
        let wide = if self.is_wide() { INCOMPAT_48BIT } else { 0 };
        out.le::<4>(at, MAGIC);
        out.le::<1>(at + 12, self.block_bits.into());
        // Bytes 14 (root nid, or high block bits when wide) and 112 (root nid when wide) stay 0:
        // the root is inode 0 and the image itself is never large.
        out.le::<8>(at + 16, 2); // inodes: the root and the file
        out.le::<4>(at + 36, end as u64 >> self.block_bits);
        out.le::<4>(at + 40, meta as u64 >> self.block_bits);
        out.bytes(at + 64, b"blockfuse"); // volume name, 16 bytes, ends in NUL
        out.le::<4>(
            at + 80,
            INCOMPAT_CHUNKED_FILE | INCOMPAT_DEVICE_TABLE | wide,
        );
        out.le::<2>(at + 86, 1); // extra devices
        out.le::<2>(at + 88, (SLOT_OFFSET / SLOT_LEN) as u64);
    }

    fn write_slot(&self, out: &mut Writer) {
        out.le::<4>(SLOT_OFFSET + 64, self.blocks());
        out.le::<2>(SLOT_OFFSET + 72, self.blocks() >> 32);
    }

    fn write_root(&self, out: &mut Writer, at: usize, directory: usize, len: usize) {
        write_inode(out, at, LAYOUT_PLAIN, 0o040_500, len as u64);
        out.le::<4>(at + 16, directory as u64 >> self.block_bits);
        out.le::<4>(at + 20, 1); // inode number
        out.le::<4>(at + 44, 2); // links
    }

    fn write_file(&self, out: &mut Writer, at: usize) {
        let wide = if self.is_wide() { CHUNK_48BIT } else { 0 };
        write_inode(out, at, LAYOUT_CHUNKED, 0o100_400, self.size);
        out.le::<4>(at + 16, u64::from(self.chunk_bits) | CHUNK_INDEXES | wide);
        out.le::<4>(at + 20, 2); // inode number
        out.le::<4>(at + 44, 1); // links
    }
}

fn block_bits(size: u64) -> Result<u8, Unmappable> {
    let bits = match size {
        0 => return Err(Unmappable::Empty),
        _ if size.is_multiple_of(4096) => 12,
        _ if size.is_multiple_of(512) => 9,
        _ => return Err(Unmappable::Unaligned(size)),
    };
    if size >> bits > MAX_BLOCKS {
        Err(Unmappable::TooLarge(size))
    } else {
        Ok(bits)
    }
}

/// Owner and times stay zero: what a reader sees comes from the daemon's own attributes.
fn write_inode(out: &mut Writer, at: usize, layout: u64, mode: u64, size: u64) {
    const EXTENDED: u64 = 1;
    out.le::<2>(at, EXTENDED | layout << 1);
    out.le::<2>(at + 4, mode);
    out.le::<8>(at + 8, size);
}

/// The entries of the root directory: the fixed parts first, then the names back to back, both
/// in byte order of the names.
fn root_entries() -> Vec<u8> {
    let entries = [
        (".", ROOT_NID, FILE_TYPE_DIRECTORY),
        ("..", ROOT_NID, FILE_TYPE_DIRECTORY),
        (FILE_NAME, FILE_NID, FILE_TYPE_REGULAR),
    ];
    let names = entries.len() * DIRENT_LEN;
    let mut out = Writer(vec![0; names]);
    for (index, (name, nid, kind)) in entries.into_iter().enumerate() {
        let at = index * DIRENT_LEN;
        let name_offset = out.0.len() as u64;
        out.le::<8>(at, nid);
        out.le::<2>(at + 8, name_offset);
        out.le::<1>(at + 10, kind);
        out.0.extend_from_slice(name.as_bytes());
    }
    out.0
}

/// Little-endian stores at fixed offsets of a zeroed buffer.
struct Writer(Vec<u8>);

impl Writer {
    fn bytes(&mut self, at: usize, value: &[u8]) {
        self.0[at..at + value.len()].copy_from_slice(value);
    }
    /// The low `N` bytes of `value`.
    fn le<const N: usize>(&mut self, at: usize, value: u64) {
        self.bytes(at, &value.to_le_bytes()[..N]);
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::cast_possible_truncation,
        reason = "offsets within a small image"
    )]

    use proptest::prelude::*;

    use super::*;

    /// A reader of the format, written from the field tables and sharing nothing with the
    /// builder but the file's name.
    struct Parsed {
        size: u64,
        device_blocks: u64,
        block_size: u64,
        chunk_size: u64,
        /// Device byte of each chunk's start, `None` for a hole.
        chunks: Vec<Option<u64>>,
    }

    fn le(bytes: &[u8], at: usize, len: usize) -> u64 {
        (0..len)
            .rev()
            .fold(0, |value, index| value << 8 | u64::from(bytes[at + index]))
    }

    fn parse(image: &[u8]) -> Parsed {
        assert_eq!(image.len() % 4096, 0, "whole pages");
        let sb = &image[1024..1152];
        assert_eq!(le(sb, 0, 4), 0xE0F5_E1E2, "magic");
        assert_eq!(le(sb, 4, 4), 0, "no checksum");
        let bits = sb[12];
        let block_size = 1u64 << bits;
        let incompat = le(sb, 80, 4);
        assert_eq!(incompat & !0x80, 0x0C, "chunked files and a device table");
        let wide = incompat & 0x80 != 0;
        assert_eq!(le(sb, 14, 2), 0);
        assert_eq!(le(sb, 112, 8), 0);
        assert_eq!(
            le(sb, 36, 4) * block_size,
            image.len() as u64,
            "blocks of the image"
        );
        assert!(sb[64..80].contains(&0), "the volume name ends");
        assert_eq!(le(sb, 86, 2), 1, "extra devices");
        let slot = &image[le(sb, 88, 2) as usize * 128..][..128];
        assert_eq!(slot.as_ptr(), image[1152..].as_ptr());
        let device_blocks = le(slot, 64, 4) | le(slot, 72, 2) << 32;
        assert!(wide || device_blocks < 1 << 32);

        let meta = (le(sb, 40, 4) * block_size) as usize;
        let inode = |nid: u64| &image[meta + 32 * nid as usize..];
        let root = inode(0);
        assert_eq!((le(root, 0, 2), le(root, 4, 2)), (1, 0o040_500));
        let at = (le(root, 16, 4) * block_size) as usize;
        let entries = &image[at..at + le(root, 8, 8) as usize];
        let file = inode(lookup(entries, FILE_NAME));
        assert_eq!((le(file, 0, 2), le(file, 4, 2)), (9, 0o100_400));
        assert_eq!(le(inode(lookup(entries, ".")), 20, 4), 1);
        assert_eq!(le(inode(lookup(entries, "..")), 20, 4), 1);

        let format = le(file, 16, 4);
        assert_eq!(format & 0x20, 0x20, "8-byte indexes");
        assert_eq!(format & 0x40 != 0, wide);
        let chunk_size = block_size << (format & 0x1F);
        let size = le(file, 8, 8);
        let chunks = (0..size.div_ceil(chunk_size) as usize)
            .map(|chunk| {
                let index = &file[64 + chunk * 8..][..8];
                let low = le(index, 4, 4);
                let block = if wide {
                    le(index, 0, 2) << 32 | low
                } else {
                    low
                };
                let hole = if wide { (1 << 48) - 1 } else { (1 << 32) - 1 };
                (block != hole).then(|| {
                    assert_eq!(le(index, 2, 2), 1, "device 1");
                    block * block_size
                })
            })
            .collect::<Vec<_>>();
        let index_end = file.as_ptr() as usize - image.as_ptr() as usize + 64 + chunks.len() * 8;
        assert!(index_end <= at, "the directory lies behind the indexes");
        Parsed {
            size,
            device_blocks,
            block_size,
            chunk_size,
            chunks,
        }
    }

    fn lookup(entries: &[u8], wanted: &str) -> u64 {
        let count = le(entries, 8, 2) as usize / 12;
        let name = |index: usize| {
            let start = le(entries, index * 12 + 8, 2) as usize;
            let end = if index + 1 < count {
                le(entries, (index + 1) * 12 + 8, 2) as usize
            } else {
                entries.len()
            };
            &entries[start..end]
        };
        assert!(
            (1..count).all(|index| name(index - 1) < name(index)),
            "names are in byte order"
        );
        let found = (0..count).find(|index| name(*index) == wanted.as_bytes());
        le(entries, found.expect("the name is there") * 12, 8)
    }

    fn check_identity(size: u64) {
        let geometry = Geometry::solid(size).unwrap();
        let parsed = parse(&geometry.image(|_| false));
        assert_eq!(parsed.size, size);
        assert_eq!(parsed.device_blocks * parsed.block_size, size);
        for (chunk, start) in parsed.chunks.iter().enumerate() {
            assert_eq!(
                *start,
                Some(chunk as u64 * parsed.chunk_size),
                "chunk {chunk} of {size}"
            );
        }
        assert!(parsed.chunks.len() as u64 * parsed.chunk_size >= size);
    }

    #[test]
    fn sizes_around_every_boundary_of_the_format_map_to_themselves() {
        let boundaries = [
            512,     // one sector
            4096,    // one block
            1 << 20, // a sparse chunk
            1 << 40, // largest chunk with 512-byte blocks
            1 << 41, // 32-bit block numbers with 512-byte blocks
            1 << 43, // largest chunk with 4096-byte blocks
            1 << 44, // 32-bit block numbers with 4096-byte blocks
            20 << 40,
        ];
        for boundary in boundaries {
            for delta in [-8192i64, -4096, -1024, -512, 0, 512, 1024, 4096, 8192] {
                let Some(size) = u64::checked_add_signed(boundary, delta).filter(|s| *s > 0) else {
                    continue;
                };
                check_identity(size);
            }
        }
    }

    #[test]
    fn a_partial_4096_byte_block_selects_512_byte_blocks() {
        assert_eq!(Geometry::solid(1 << 20).unwrap().block_size(), 4096);
        assert_eq!(Geometry::solid((1 << 20) + 512).unwrap().block_size(), 512);
    }

    #[test]
    fn one_chunk_covers_devices_up_to_8_tib() {
        let chunks = |size| Geometry::solid(size).unwrap().chunks();
        assert_eq!(chunks(512), 1);
        assert_eq!(chunks(8 << 40), 1);
        assert_eq!(chunks((8 << 40) + 4096), 2);
        assert_eq!(chunks(1 << 40), 1);
        assert_eq!(chunks((1 << 40) + 512), 2);
    }

    #[test]
    fn forty_eight_bit_numbers_appear_only_when_needed() {
        let wide = |size| Geometry::solid(size).unwrap().is_wide();
        assert!(!wide((1 << 44) - 4096));
        assert!(wide(1 << 44));
        assert!(!wide((1 << 41) - 512));
        assert!(wide((1 << 41) + 512));
    }

    #[test]
    fn an_ordinary_image_is_three_blocks() {
        assert_eq!(
            Geometry::solid(1 << 30).unwrap().image(|_| false).len(),
            3 * 4096
        );
    }

    #[test]
    fn sizes_outside_the_format_are_refused() {
        assert_eq!(Geometry::solid(0), Err(Unmappable::Empty));
        assert_eq!(Geometry::solid(513), Err(Unmappable::Unaligned(513)));
        assert_eq!(
            Geometry::solid(u64::MAX),
            Err(Unmappable::Unaligned(u64::MAX))
        );
        let large = 1 << 60;
        assert_eq!(Geometry::solid(large), Err(Unmappable::TooLarge(large)));
        assert!(Geometry::solid(large - 4096).is_ok());
        assert_eq!(
            Geometry::solid((1 << 57) + 512),
            Err(Unmappable::TooLarge((1 << 57) + 512))
        );
        let chunks = (2 << 40) + 4096;
        assert_eq!(
            Geometry::sparse(chunks),
            Err(Unmappable::TooManyChunks(chunks))
        );
        assert!(Geometry::sparse(2 << 40).is_ok());
    }

    #[test]
    fn hole_questions_cover_the_device_once_and_in_order() {
        let size = 3 * SPARSE_CHUNK + 512;
        let asked = std::cell::RefCell::new(Vec::new());
        Geometry::sparse(size).unwrap().image(|range| {
            asked.borrow_mut().push(range);
            false
        });
        let asked = asked.into_inner();
        assert_eq!(asked.first().map(|r| r.start), Some(0));
        assert_eq!(asked.last().map(|r| r.end), Some(size));
        assert!(asked.windows(2).all(|pair| pair[0].end == pair[1].start));
    }

    proptest! {
        #[test]
        fn any_size_maps_to_itself(sectors in 1u64..1 << 40, shift in 0u32..40) {
            check_identity((sectors >> shift).max(1) * 512);
        }

        #[test]
        fn holes_come_back_where_they_were(
            holes in proptest::collection::vec(any::<bool>(), 1..200),
            tail in 1u64..=2048,
        ) {
            let size = (holes.len() as u64 - 1) * SPARSE_CHUNK + tail * 512;
            let geometry = Geometry::sparse(size).unwrap();
            let image = geometry.image(|range| holes[(range.start / SPARSE_CHUNK) as usize]);
            let parsed = parse(&image);
            prop_assert_eq!(parsed.chunk_size, SPARSE_CHUNK);
            prop_assert_eq!(parsed.chunks.len(), holes.len());
            for (chunk, (start, hole)) in parsed.chunks.iter().zip(&holes).enumerate() {
                let expected = (!hole).then_some(chunk as u64 * SPARSE_CHUNK);
                prop_assert_eq!(*start, expected);
            }
        }
    }
}
