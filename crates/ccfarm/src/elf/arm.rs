//! The build attributes of ARM objects: which architecture, which floating-point convention.
//!
//! `e_flags` of an unlinked object does not tell soft from hard float; only this section does.
//! Layout and tag numbers are those of "Addenda to, and Errata in, the ABI for the Arm
//! Architecture" (build attributes).

use std::fmt;

use object::read::elf::{AttributeReader, AttributesSection, FileHeader};
use serde::{Deserialize, Serialize};

use super::ElfError;

/// Vendor name of the public attributes.
const VENDOR: &[u8] = b"aeabi";
/// Attributes of the whole file; others describe single sections or symbols.
const TAG_FILE: u64 = 1;
const TAG_CPU_RAW_NAME: u64 = 4;
const TAG_CPU_NAME: u64 = 5;
const TAG_CPU_ARCH: u64 = 6;
const TAG_ABI_VFP_ARGS: u64 = 28;
/// The one tag whose value is a number followed by a string.
const TAG_COMPATIBILITY: u64 = 32;

/// The floating-point calling convention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Float {
    /// Arguments in core registers (armel).
    Soft,
    /// Arguments in floating-point registers (armhf).
    Hard,
}

impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Soft => "soft-float",
            Self::Hard => "hard-float",
        })
    }
}

/// `Tag_CPU_arch`: the architecture the code needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuArch(pub u64);

/// Names in the order of the ABI's numbers.
const ARCHITECTURES: &[&str] = &[
    "pre-v4",
    "v4",
    "v4T",
    "v5T",
    "v5TE",
    "v5TEJ",
    "v6",
    "v6KZ",
    "v6T2",
    "v6K",
    "v7",
    "v6-M",
    "v6S-M",
    "v7E-M",
    "v8-A",
    "v8-R",
    "v8-M.baseline",
    "v8-M.mainline",
];

impl fmt::Display for CpuArch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match usize::try_from(self.0)
            .ok()
            .and_then(|n| ARCHITECTURES.get(n))
        {
            Some(name) => f.write_str(name),
            None => write!(f, "architecture {}", self.0),
        }
    }
}

/// The attributes this tool compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ArmAttributes {
    /// `Tag_CPU_arch`, if present.
    pub cpu_arch: Option<CpuArch>,
    /// `Tag_ABI_VFP_args`; absent means 0, the base convention.
    pub vfp_args: u64,
}

impl ArmAttributes {
    /// The calling convention, or `None` for code that fits both or neither.
    pub fn float(&self) -> Option<Float> {
        match self.vfp_args {
            0 => Some(Float::Soft),
            1 => Some(Float::Hard),
            _ => None,
        }
    }
}

/// Reads the content of a section of type `SHT_ARM_ATTRIBUTES`.
pub(super) fn read<Elf: FileHeader>(
    endian: Elf::Endian,
    section: &[u8],
) -> Result<ArmAttributes, ElfError> {
    let mut found = ArmAttributes::default();
    let mut subsections = AttributesSection::<Elf>::new(endian, section)
        .and_then(|section| section.subsections())
        .map_err(broken)?;
    while let Some(subsection) = subsections.next().map_err(broken)? {
        if subsection.vendor() != VENDOR {
            continue;
        }
        let mut scopes = subsection.subsubsections();
        while let Some(scope) = scopes.next().map_err(broken)? {
            if u64::from(scope.tag().0) == TAG_FILE {
                read_pairs(scope.attributes(), &mut found).map_err(broken)?;
            }
        }
    }
    Ok(found)
}

fn read_pairs(
    mut pairs: AttributeReader<'_>,
    found: &mut ArmAttributes,
) -> Result<(), object::read::Error> {
    while let Some(tag) = pairs.read_tag()? {
        match tag {
            TAG_CPU_ARCH => found.cpu_arch = Some(CpuArch(pairs.read_integer()?)),
            TAG_ABI_VFP_ARGS => found.vfp_args = pairs.read_integer()?,
            TAG_COMPATIBILITY => {
                pairs.read_integer()?;
                pairs.read_string()?;
            }
            TAG_CPU_RAW_NAME | TAG_CPU_NAME => {
                pairs.read_string()?;
            }
            // The ABI's rule for tags a reader does not know: odd ones hold strings.
            _ if tag > TAG_COMPATIBILITY && tag % 2 == 1 => {
                pairs.read_string()?;
            }
            _ => {
                pairs.read_integer()?;
            }
        }
    }
    Ok(())
}

fn broken(_: object::read::Error) -> ElfError {
    ElfError::Malformed(".ARM.attributes does not parse")
}

#[cfg(test)]
mod tests {
    use object::Endianness;
    use object::elf::FileHeader32;
    use proptest::prelude::*;

    use super::*;

    fn section(pairs: &[u8]) -> Vec<u8> {
        let inner = u32::try_from(pairs.len() + 5).unwrap();
        let outer = inner + 4 + 6;
        let mut bytes = vec![b'A'];
        bytes.extend_from_slice(&outer.to_le_bytes());
        bytes.extend_from_slice(b"aeabi\0\x01");
        bytes.extend_from_slice(&inner.to_le_bytes());
        bytes.extend_from_slice(pairs);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<ArmAttributes, ElfError> {
        read::<FileHeader32<Endianness>>(Endianness::Little, bytes)
    }

    #[test]
    fn strings_numbers_and_the_mixed_tag_are_stepped_over() {
        let found = parse(&section(
            b"\x05cortex-a8\0\x04raw\0\x20\x01gnu\0\x43text\0\x44\x07\x06\x0a\x1c\x01",
        ))
        .unwrap();
        assert_eq!(
            found,
            ArmAttributes {
                cpu_arch: Some(CpuArch(10)),
                vfp_args: 1
            }
        );
        assert_eq!(found.float(), Some(Float::Hard));
    }

    #[test]
    fn an_absent_float_tag_means_soft_and_a_foreign_one_means_neither() {
        assert_eq!(
            parse(&section(b"\x06\x04")).unwrap().float(),
            Some(Float::Soft)
        );
        assert_eq!(parse(&section(b"\x1c\x03")).unwrap().float(), None);
    }

    #[test]
    fn another_vendor_is_not_read() {
        let mut bytes = section(b"\x1c\x01");
        bytes[5..10].copy_from_slice(b"other");
        assert_eq!(parse(&bytes).unwrap(), ArmAttributes::default());
    }

    #[test]
    fn broken_lengths_are_errors() {
        let good = section(b"\x05name\0\x06\x04");
        for (at, with) in [(0, b'B'), (1, 0xff), (1, 1), (12, 0xff)] {
            let mut bytes = good.clone();
            bytes[at] = with;
            assert!(parse(&bytes).is_err(), "byte {at} = {with:#x}");
        }
        // A string that never ends, a number that never ends.
        assert!(parse(&section(b"\x05name")).is_err());
        assert!(parse(&section(b"\x06\xff\xff")).is_err());
    }

    #[test]
    fn an_unknown_architecture_is_shown_as_its_number() {
        assert_eq!(CpuArch(4).to_string(), "v5TE");
        assert_eq!(CpuArch(10).to_string(), "v7");
        assert_eq!(CpuArch(99).to_string(), "architecture 99");
    }

    proptest! {
        #[test]
        fn random_sections_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
            let _ = parse(&section(&bytes));
        }
    }
}
