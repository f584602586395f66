//! The zeros and holes of an output, in order: what a device must be told and a file need not.

use crate::error::Error;
use crate::target::Target;
use std::ops::Range;

/// Collects runs of zeros and holes in order, merges neighbours and hands them to the target.
#[derive(Debug)]
pub struct Gaps<'t> {
    target: &'t Target,
    pending: Range<u64>,
}

impl<'t> Gaps<'t> {
    /// Gaps of this target.
    pub fn new(target: &'t Target) -> Self {
        Self {
            target,
            pending: 0..0,
        }
    }

    /// A hole of the input: zeros that were never stored.
    pub fn hole(&mut self, range: Range<u64>) -> Result<(), Error> {
        if self.target.is_device() {
            self.add(range)
        } else {
            Ok(())
        }
    }

    /// Zeros of the input that were stored.
    pub fn zeros(&mut self, range: Range<u64>) -> Result<(), Error> {
        if self.target.is_device() || self.target.reserves_zeros() {
            self.add(range)
        } else {
            Ok(())
        }
    }

    fn add(&mut self, range: Range<u64>) -> Result<(), Error> {
        if self.pending.end == range.start {
            self.pending.end = range.end;
            return Ok(());
        }
        self.flush()?;
        self.pending = range;
        Ok(())
    }

    /// Hands over what is still pending; call it at the end.
    pub fn flush(&mut self) -> Result<(), Error> {
        let range = std::mem::replace(&mut self.pending, 0..0);
        if range.is_empty() {
            return Ok(());
        }
        self.target.fill_gap(&range)
    }
}
