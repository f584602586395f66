//! librsync deltas: a stream of commands that turn an old file into a new one.
//!
//! The reader takes what any writer of the format may produce; the writer merges what can be
//! merged and never makes a literal longer than old readers can hold.

use crate::error::FormatError;
use crate::signature::fill;
use std::io::{self, Read, Write};

/// The number every delta starts with.
pub const MAGIC: u32 = 0x7273_0236;

/// Longest literal written in one command. librsync counts literals in a C `int`.
pub const MAX_LITERAL: usize = 1 << 20;

/// librsync keeps offsets in a signed 64-bit integer.
const MAX_PARAMETER: u64 = i64::MAX.cast_unsigned();

/// One command of a delta. Lengths are never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The next `len` bytes of the delta itself.
    Literal {
        /// Bytes.
        len: u64,
    },
    /// `len` bytes of the old file from offset `at`.
    Copy {
        /// Offset in the old file.
        at: u64,
        /// Bytes.
        len: u64,
    },
}

/// Writes a delta.
#[derive(Debug)]
pub struct Encoder<W: Write> {
    out: W,
    copy: Option<(u64, u64)>,
    literal: Vec<u8>,
    totals: Totals,
}

/// What a delta consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of the delta.
    pub delta: u64,
    /// Bytes that come from the old file.
    pub copied: u64,
    /// Bytes that the delta carries.
    pub literal: u64,
    /// COPY commands.
    pub copies: u64,
    /// LITERAL commands.
    pub literals: u64,
}

impl<W: Write> Encoder<W> {
    /// Starts a delta by writing its magic number.
    pub fn new(mut out: W) -> io::Result<Self> {
        out.write_all(&MAGIC.to_be_bytes())?;
        let totals = Totals {
            delta: 4,
            ..Totals::default()
        };
        Ok(Self {
            out,
            copy: None,
            literal: Vec::new(),
            totals,
        })
    }

    /// Appends `len` bytes from offset `at` of the old file.
    pub fn copy(&mut self, at: u64, len: u64) -> io::Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.flush_literal()?;
        match &mut self.copy {
            Some((start, so_far)) if *start + *so_far == at => *so_far += len,
            _ => {
                self.flush_copy()?;
                self.copy = Some((at, len));
            }
        }
        Ok(())
    }

    /// Appends new bytes.
    pub fn literal(&mut self, mut data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        self.flush_copy()?;
        // What fills a command by itself need not be collected first.
        while self.literal.is_empty() && data.len() >= MAX_LITERAL {
            let (now, rest) = data.split_at(MAX_LITERAL);
            self.write_literal(now)?;
            data = rest;
        }
        while !data.is_empty() {
            let room = MAX_LITERAL - self.literal.len();
            let (now, rest) = data.split_at(room.min(data.len()));
            self.literal.extend_from_slice(now);
            data = rest;
            if self.literal.len() == MAX_LITERAL {
                self.flush_literal()?;
            }
        }
        Ok(())
    }

    /// Writes the END command and hands the output back, unflushed.
    pub fn finish(mut self) -> io::Result<(W, Totals)> {
        self.flush_literal()?;
        self.flush_copy()?;
        self.out.write_all(&[0])?;
        self.totals.delta += 1;
        Ok((self.out, self.totals))
    }

    fn flush_literal(&mut self) -> io::Result<()> {
        if self.literal.is_empty() {
            return Ok(());
        }
        let mut literal = std::mem::take(&mut self.literal);
        self.write_literal(&literal)?;
        literal.clear();
        self.literal = literal;
        Ok(())
    }

    /// Writes one LITERAL command.
    fn write_literal(&mut self, literal: &[u8]) -> io::Result<()> {
        let len = literal.len() as u64;
        let mut head = [0; 9];
        let used = if len <= 64 {
            #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
            let short = len as u8;
            head[0] = short;
            1
        } else {
            let (index, width) = width(len);
            head[0] = 0x41 + index;
            head[1..=width].copy_from_slice(&len.to_be_bytes()[8 - width..]);
            1 + width
        };
        self.out.write_all(&head[..used])?;
        self.out.write_all(literal)?;
        self.totals.delta += used as u64 + len;
        self.totals.literal += len;
        self.totals.literals += 1;
        Ok(())
    }

    fn flush_copy(&mut self) -> io::Result<()> {
        let Some((at, len)) = self.copy.take() else {
            return Ok(());
        };
        let (at_index, at_width) = width(at);
        let (len_index, len_width) = width(len);
        let mut command = [0; 17];
        command[0] = 0x45 + 4 * at_index + len_index;
        command[1..=at_width].copy_from_slice(&at.to_be_bytes()[8 - at_width..]);
        let used = 1 + at_width + len_width;
        command[1 + at_width..used].copy_from_slice(&len.to_be_bytes()[8 - len_width..]);
        self.out.write_all(&command[..used])?;
        self.totals.delta += used as u64;
        self.totals.copied += len;
        self.totals.copies += 1;
        Ok(())
    }
}

/// Index (0 to 3) and bytes (1, 2, 4, 8) of the narrowest parameter that holds `value`.
fn width(value: u64) -> (u8, usize) {
    match value {
        0..=0xff => (0, 1),
        0x100..=0xffff => (1, 2),
        0x1_0000..=0xffff_ffff => (2, 4),
        _ => (3, 8),
    }
}

/// Why a delta could not be read: the device failed, or the bytes are wrong.
pub use crate::signature::ReadError;

/// Reads a delta command by command.
#[derive(Debug)]
pub struct Decoder<R: Read> {
    input: R,
    offset: u64,
    /// Bytes of the current literal not yet taken.
    pending: u64,
    ended: bool,
}

impl<R: Read> Decoder<R> {
    /// Reads and checks the magic number.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut magic = [0; 4];
        let got = fill(&mut input, &mut magic)?;
        if got < 4 {
            let reason = format!("{got} bytes are too short for a delta");
            return Err(FormatError::new(got as u64, reason).into());
        }
        let magic = u32::from_be_bytes(magic);
        if magic != MAGIC {
            let reason = format!("magic number {magic:08x} is not that of a delta");
            return Err(FormatError::new(0, reason).into());
        }
        Ok(Self {
            input,
            offset: 4,
            pending: 0,
            ended: false,
        })
    }

    /// Bytes of the delta consumed so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next command, `None` at END.
    ///
    /// What is left of a literal is skipped first. A delta that stops without END is an error:
    /// it was cut.
    pub fn next_command(&mut self) -> Result<Option<Command>, ReadError> {
        self.skip_literal()?;
        if self.ended {
            return Ok(None);
        }
        let start = self.offset;
        let mut byte = [0];
        if fill(&mut self.input, &mut byte)? == 0 {
            let reason = "the delta ends without an END command".to_owned();
            return Err(FormatError::new(start, reason).into());
        }
        self.offset += 1;
        let command = match byte[0] {
            0 => {
                self.ended = true;
                return Ok(None);
            }
            len @ 0x01..=0x40 => Command::Literal {
                len: u64::from(len),
            },
            code @ 0x41..=0x44 => Command::Literal {
                len: self.parameter(code - 0x41)?,
            },
            code @ 0x45..=0x54 => {
                let at = self.parameter((code - 0x45) / 4)?;
                Command::Copy {
                    at,
                    len: self.parameter((code - 0x45) % 4)?,
                }
            }
            code => {
                let reason = format!("command {code:#04x} is reserved");
                return Err(FormatError::new(start, reason).into());
            }
        };
        match command {
            Command::Literal { len: 0 } | Command::Copy { len: 0, .. } => {
                Err(FormatError::new(start, "a command of length zero".to_owned()).into())
            }
            Command::Literal { len } => {
                self.pending = len;
                Ok(Some(command))
            }
            Command::Copy { .. } => Ok(Some(command)),
        }
    }

    fn parameter(&mut self, index: u8) -> Result<u64, ReadError> {
        let width = 1_usize << index;
        let mut bytes = [0; 8];
        let got = fill(&mut self.input, &mut bytes[8 - width..])?;
        let start = self.offset;
        self.offset += got as u64;
        if got < width {
            let reason = "the delta ends inside a command".to_owned();
            return Err(FormatError::new(self.offset, reason).into());
        }
        let value = u64::from_be_bytes(bytes);
        if value > MAX_PARAMETER {
            let reason = format!("parameter {value} is over 2^63 - 1");
            return Err(FormatError::new(start, reason).into());
        }
        Ok(value)
    }

    /// Takes the next bytes of the current literal: fills `buf` as far as the literal goes and
    /// returns the number of bytes, 0 when it is used up.
    pub fn read_literal(&mut self, buf: &mut [u8]) -> Result<usize, ReadError> {
        let want = usize::try_from(self.pending)
            .unwrap_or(usize::MAX)
            .min(buf.len());
        let got = fill(&mut self.input, &mut buf[..want])?;
        self.offset += got as u64;
        self.pending -= got as u64;
        if got < want {
            let reason = "the delta ends inside a literal".to_owned();
            return Err(FormatError::new(self.offset, reason).into());
        }
        Ok(got)
    }

    /// Passes over what is left of the current literal.
    pub fn skip_literal(&mut self) -> Result<(), ReadError> {
        if self.pending == 0 {
            return Ok(());
        }
        let mut scratch = vec![0; usize::try_from(self.pending.min(256 << 10)).unwrap_or(0)];
        while self.pending > 0 {
            self.read_literal(&mut scratch)?;
        }
        Ok(())
    }

    /// After END: whether anything follows. rdiff ignores it; we say so.
    pub fn has_trailing_data(&mut self) -> io::Result<bool> {
        Ok(fill(&mut self.input, &mut [0])? > 0)
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test values are small")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn commands(delta: &[u8]) -> Result<Vec<Command>, ReadError> {
        let mut decoder = Decoder::new(delta)?;
        let mut commands = Vec::new();
        while let Some(command) = decoder.next_command()? {
            commands.push(command);
        }
        Ok(commands)
    }

    fn delta(body: &[u8]) -> Vec<u8> {
        [&MAGIC.to_be_bytes()[..], body].concat()
    }

    #[test]
    fn an_empty_file_is_five_bytes() {
        let (bytes, totals) = Encoder::new(Vec::new())
            .expect("new")
            .finish()
            .expect("finish");
        assert_eq!(bytes, [0x72, 0x73, 0x02, 0x36, 0]);
        assert_eq!(totals.delta, 5);
    }

    #[test]
    fn neighbouring_copies_become_one() {
        let mut encoder = Encoder::new(Vec::new()).expect("new");
        encoder.copy(100, 50).expect("copy");
        encoder.copy(150, 50).expect("copy");
        encoder.copy(150, 50).expect("copy");
        let (bytes, totals) = encoder.finish().expect("finish");
        assert_eq!(
            commands(&bytes).expect("valid"),
            [
                Command::Copy { at: 100, len: 100 },
                Command::Copy { at: 150, len: 50 }
            ]
        );
        assert_eq!(totals.delta, bytes.len() as u64);
    }

    #[test]
    fn every_width_of_every_command_is_read() {
        for (index, width) in [1_usize, 2, 4, 8].into_iter().enumerate() {
            let mut body = vec![0x41 + index as u8];
            body.extend(&5_u64.to_be_bytes()[8 - width..]);
            body.extend(b"abcde\0");
            assert_eq!(
                commands(&delta(&body)).expect("ok"),
                [Command::Literal { len: 5 }]
            );
            for (other, other_width) in [1_usize, 2, 4, 8].into_iter().enumerate() {
                let mut body = vec![0x45 + 4 * index as u8 + other as u8];
                body.extend(&7_u64.to_be_bytes()[8 - width..]);
                body.extend(&9_u64.to_be_bytes()[8 - other_width..]);
                body.push(0);
                assert_eq!(
                    commands(&delta(&body)).expect("ok"),
                    [Command::Copy { at: 7, len: 9 }]
                );
            }
        }
    }

    #[test]
    fn hostile_deltas_are_refused_with_their_offset() {
        let huge = u64::MAX.to_be_bytes();
        let table: [(&[u8], u64); 8] = [
            (b"", 4),
            (b"\x55", 4),
            (b"\xff", 4),
            (b"\x41\x00\x00", 4),
            (b"\x45\x07\x00\x00", 4),
            (b"\x05abc", 8),
            (b"\x46\x07\x00", 7),
            (&[&[0x44_u8], &huge[..]].concat(), 5),
        ];
        for (body, offset) in table {
            match commands(&delta(body)) {
                Err(ReadError::Format(error)) => assert_eq!(error.offset, offset, "{body:x?}"),
                other => panic!("{body:x?} gave {other:?}"),
            }
        }
        assert!(commands(b"rs\x01\x36\0").is_err());
        assert!(commands(b"rs").is_err());
    }

    #[test]
    fn data_after_the_end_is_noticed() {
        let bytes = delta(b"\x01a\x00junk");
        let mut decoder = Decoder::new(bytes.as_slice()).expect("magic");
        while decoder.next_command().expect("valid").is_some() {}
        assert!(decoder.has_trailing_data().expect("readable"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            pieces in prop::collection::vec(
                prop_oneof![
                    (0_u64..1 << 62, 1_u64..1 << 40).prop_map(|(at, len)| Err((at, len))),
                    prop::collection::vec(any::<u8>(), 1..300).prop_map(Ok),
                ],
                0..20,
            ),
        ) {
            let mut encoder = Encoder::new(Vec::new()).expect("new");
            for piece in &pieces {
                match piece {
                    Ok(data) => encoder.literal(data).expect("literal"),
                    Err((at, len)) => encoder.copy(*at, *len).expect("copy"),
                }
            }
            let (bytes, totals) = encoder.finish().expect("finish");
            let mut decoder = Decoder::new(bytes.as_slice()).expect("magic");
            let mut literals = Vec::new();
            let mut copied = 0;
            while let Some(command) = decoder.next_command().expect("valid") {
                match command {
                    Command::Copy { len, .. } => copied += len,
                    Command::Literal { len } => {
                        let mut data = vec![0; len as usize];
                        decoder.read_literal(&mut data).expect("there");
                        literals.extend(data);
                    }
                }
            }
            let expected: Vec<u8> = pieces.iter().flatten().flatten().copied().collect();
            prop_assert_eq!(literals, expected);
            prop_assert_eq!(copied, pieces.iter().filter_map(|p| p.as_ref().err()).map(|p| p.1).sum::<u64>());
            prop_assert_eq!(totals.delta, bytes.len() as u64);
            prop_assert_eq!(decoder.offset(), bytes.len() as u64);
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..60)) {
            let _either = commands(&delta(&body));
        }
    }
}
