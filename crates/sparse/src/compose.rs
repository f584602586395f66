//! A chain of deltas turned into one: which bytes of the result come from the base, and which
//! from the literal data of which delta.
//!
//! Applying a chain copies the whole file once per delta. Composed, every byte of the result is
//! written once, and literal data that a later delta replaces is never looked at.

use crate::delta::{Command, Decoder};
use crate::error::FormatError;
use crate::signature::ReadError;
use std::io::Read;

/// Segments held in memory at most: 16 million are 384 MiB.
pub const MAX_SEGMENTS: usize = 16 << 20;

/// Where bytes come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// 0 is the base, 1 the literal data of the first delta applied, and so on.
    pub level: u32,
    /// Offset there.
    pub at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// Offset in the result.
    out: u64,
    source: Source,
}

/// A file as segments of its sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Composition {
    segments: Vec<Segment>,
    len: u64,
}

/// A segment as it is handed out: offset in the result, bytes, source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Offset in the result.
    pub out: u64,
    /// Bytes.
    pub len: u64,
    /// Where they come from.
    pub source: Source,
}

/// Why a delta could not be composed.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The delta is damaged or cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Too many segments for memory.
    #[error("more than {0} segments")]
    TooMany(usize),
}

impl Composition {
    /// The base itself, `len` bytes.
    pub fn base(len: u64) -> Self {
        let source = Source { level: 0, at: 0 };
        let segments = if len == 0 {
            Vec::new()
        } else {
            vec![Segment { out: 0, source }]
        };
        Self { segments, len }
    }

    /// Bytes of the result.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the result has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All parts in the order of the result.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        self.segments
            .iter()
            .enumerate()
            .map(|(index, segment)| Part {
                out: segment.out,
                len: self.end_of(index) - segment.out,
                source: segment.source,
            })
    }

    /// Parts that come from one level, in the order of that level.
    pub fn of_level(&self, level: u32) -> Vec<Part> {
        let mut parts: Vec<Part> = self
            .parts()
            .filter(|part| part.source.level == level)
            .collect();
        parts.sort_by_key(|part| (part.source.at, part.out));
        parts
    }

    /// What `delta`, the `level`th, makes of this. Literal data is passed over.
    pub fn apply<R: Read>(
        &self,
        delta: &mut Decoder<R>,
        level: u32,
        max_segments: usize,
    ) -> Result<Self, ComposeError> {
        let mut next = Self {
            segments: Vec::new(),
            len: 0,
        };
        let mut literal = 0;
        loop {
            let offset = delta.offset();
            match delta.next_command()? {
                None => return Ok(next),
                Some(Command::Literal { len }) => {
                    next.push(Source { level, at: literal }, len, offset)
                        .map_err(ReadError::from)?;
                    literal += len;
                }
                Some(Command::Copy { at, len }) => self.slice(at, len, &mut next, offset)?,
            }
            if next.segments.len() > max_segments {
                return Err(ComposeError::TooMany(max_segments));
            }
        }
    }

    fn end_of(&self, index: usize) -> u64 {
        self.segments
            .get(index + 1)
            .map_or(self.len, |next| next.out)
    }

    /// Appends bytes `at..at + len` of this to `next`.
    fn slice(&self, at: u64, len: u64, next: &mut Self, offset: u64) -> Result<(), ReadError> {
        let end = at
            .checked_add(len)
            .filter(|end| *end <= self.len)
            .ok_or_else(|| {
                let reason = format!(
                    "copies {len} bytes from {at}, the old file has {}",
                    self.len
                );
                FormatError::new(offset, reason)
            })?;
        let mut index = self.segments.partition_point(|segment| segment.out <= at) - 1;
        let mut at = at;
        while at < end {
            let segment = self.segments[index];
            let stop = self.end_of(index).min(end);
            let into = at - segment.out;
            let source = Source {
                level: segment.source.level,
                at: segment.source.at + into,
            };
            next.push(source, stop - at, offset)?;
            at = stop;
            index += 1;
        }
        Ok(())
    }

    fn push(&mut self, source: Source, len: u64, offset: u64) -> Result<(), FormatError> {
        let continues = self.segments.last().is_some_and(|last| {
            last.source.level == source.level && last.source.at + (self.len - last.out) == source.at
        });
        if !continues {
            self.segments.push(Segment {
                out: self.len,
                source,
            });
        }
        self.len = self
            .len
            .checked_add(len)
            .filter(|len| *len <= i64::MAX.cast_unsigned())
            .ok_or_else(|| {
                FormatError::new(
                    offset,
                    "the output would be longer than 2^63 bytes".to_owned(),
                )
            })?;
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "test values are small")]
mod tests {
    use super::*;
    use crate::delta::Encoder;
    use proptest::prelude::*;

    /// Pieces of a delta: copies as shares of the old file, or literal bytes.
    fn pieces() -> impl Strategy<Value = Vec<Result<(u16, u16), Vec<u8>>>> {
        let piece = prop_oneof![
            (any::<u16>(), any::<u16>()).prop_map(Ok),
            prop::collection::vec(any::<u8>(), 1..20).prop_map(Err),
        ];
        prop::collection::vec(piece, 0..8)
    }

    /// Encodes a delta against `old` and returns it with its result.
    fn make(old: &[u8], pieces: &[Result<(u16, u16), Vec<u8>>]) -> (Vec<u8>, Vec<u8>) {
        let mut encoder = Encoder::new(Vec::new()).expect("new");
        let mut new = Vec::new();
        for piece in pieces {
            match piece {
                Ok((at, len)) if !old.is_empty() => {
                    let at = usize::from(*at) % old.len();
                    let len = (usize::from(*len) % (old.len() - at)).max(1);
                    encoder.copy(at as u64, len as u64).expect("copy");
                    new.extend_from_slice(&old[at..at + len]);
                }
                Ok(_) => {}
                Err(data) => {
                    encoder.literal(data).expect("literal");
                    new.extend_from_slice(data);
                }
            }
        }
        (encoder.finish().expect("finish").0, new)
    }

    fn literals(delta: &[u8]) -> Vec<u8> {
        let mut decoder = Decoder::new(delta).expect("magic");
        let mut all = Vec::new();
        while let Some(command) = decoder.next_command().expect("valid") {
            if let Command::Literal { len } = command {
                let mut data = vec![0; len as usize];
                decoder.read_literal(&mut data).expect("there");
                all.extend(data);
            }
        }
        all
    }

    proptest! {
        #[test]
        fn composing_a_chain_equals_applying_it(
            base in prop::collection::vec(any::<u8>(), 0..200),
            chain in prop::collection::vec(pieces(), 0..6),
        ) {
            let mut state = base.clone();
            let mut sources = vec![base.clone()];
            let mut composition = Composition::base(base.len() as u64);
            for (level, pieces) in (1..).zip(&chain) {
                let (delta, next) = make(&state, pieces);
                sources.push(literals(&delta));
                let mut decoder = Decoder::new(delta.as_slice()).expect("magic");
                composition = composition.apply(&mut decoder, level, 1000).expect("valid");
                state = next;
            }
            prop_assert_eq!(composition.len(), state.len() as u64);
            let mut result = vec![0; state.len()];
            for (level, source) in (0..).zip(&sources) {
                for part in composition.of_level(level) {
                    let from = &source[part.source.at as usize..][..part.len as usize];
                    result[part.out as usize..][..part.len as usize].copy_from_slice(from);
                }
            }
            prop_assert_eq!(result, state);
        }
    }

    #[test]
    fn copies_past_the_end_and_too_many_segments_are_refused() {
        let mut encoder = Encoder::new(Vec::new()).expect("new");
        encoder.copy(5, 6).expect("copy");
        let (delta, _) = encoder.finish().expect("finish");
        let base = Composition::base(10);
        let mut decoder = Decoder::new(delta.as_slice()).expect("magic");
        let refused = base.apply(&mut decoder, 1, 10);
        assert!(matches!(
            refused,
            Err(ComposeError::Read(ReadError::Format(_)))
        ));
        let (delta, _) = make(&[1; 10], &[Ok((0, 3)), Err(vec![1]), Ok((0, 3))]);
        let mut decoder = Decoder::new(delta.as_slice()).expect("magic");
        assert!(matches!(
            base.apply(&mut decoder, 1, 2),
            Err(ComposeError::TooMany(2))
        ));
    }
}
