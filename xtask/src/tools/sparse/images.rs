//! The files that sparseimg is measured with.
//!
//! They are written a mebibyte at a time: the kernel counts the memory of the process that
//! starts a program to that program's peak, so this process must stay small.

use anyhow::Result;
use nightshift_testkit::noise;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MIB: u64 = 1 << 20;

/// Seeds of new data begin here, so that none of it is in the old image.
const NEW: u64 = 1 << 32;

/// Writes an image: two of five mebibytes are data without repetition, the rest stored zeros.
pub(super) fn image(path: &Path, len: u64) -> Result<()> {
    let mut file = File::create(path)?;
    let zeros = vec![0; 1 << 20];
    for number in 0..len.div_ceil(MIB) {
        let step = usize::try_from((len - number * MIB).min(MIB))?;
        if number % 5 < 2 {
            file.write_all(&noise(number, step))?;
        } else {
            file.write_all(&zeros[..step])?;
        }
    }
    Ok(())
}

/// Changes a copy of an image in place: `fresh` mebibytes of new data in its middle, and
/// `scattered` writes of 4 KiB all over it.
pub(super) fn change(path: &Path, len: u64, fresh: u64, scattered: u64) -> Result<()> {
    let file = File::options().write(true).open(path)?;
    let middle = len / 2 / MIB * MIB;
    for number in 0..fresh {
        file.write_all_at(&noise(NEW + number, 1 << 20), middle + number * MIB)?;
    }
    // An odd number of pages apart, so that they fall on data and on zeros.
    let pages = len / 4096;
    for number in 0..scattered {
        let page = number * ((pages / scattered) | 1) % pages;
        file.write_all_at(&noise(NEW + fresh + number, 4096), page * 4096)?;
    }
    Ok(())
}

/// Writes a file of 1 TiB with 64 MiB of data, a mebibyte in every 16 GiB.
pub(super) fn terabyte(path: &Path) -> Result<()> {
    let file = File::create(path)?;
    file.set_len(1 << 40)?;
    for number in 0..64 {
        file.write_all_at(&noise(number, 1 << 20), number * (16 << 30))?;
    }
    Ok(())
}
