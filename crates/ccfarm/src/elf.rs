//! What an object file says about the compiler that made it.
//!
//! Input is whatever a node returned, so nothing here trusts a length or an offset; the worst a
//! hostile object can cause is [`ElfError::Malformed`]. This module reports facts and judges
//! nothing: see [`crate::verdict`].

mod arm;
mod machine;

use std::collections::BTreeMap;
use std::fmt;

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{FileHeader, SectionHeader};

pub use arm::{ArmAttributes, CpuArch, Float};
pub use machine::Machine;

use crate::source::hex_digest;

/// Word size of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// 32 bits.
    Elf32,
    /// 64 bits.
    Elf64,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf32 => "ELF32",
            Self::Elf64 => "ELF64",
        })
    }
}

/// Byte order of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Endian {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// Everything the tool wants to know about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Word size.
    pub class: Class,
    /// Byte order.
    pub endian: Endian,
    /// The processor family.
    pub machine: Machine,
    /// `.ARM.attributes`; `None` if there is no such section.
    pub arm: Option<ArmAttributes>,
    /// Last string in `.comment` that begins with `GCC: `, without that beginning.
    pub gcc_text: Option<String>,
    /// SHA-256 of each section that holds code or data, by name, in lower-case hexadecimal.
    pub sections: BTreeMap<String, String>,
}

impl ObjectFacts {
    /// Reads a relocatable object.
    pub fn read(data: &[u8]) -> Result<Self, ElfError> {
        if !data.starts_with(&elf::ELFMAG) {
            return Err(ElfError::NotElf);
        }
        // The fifth byte is the class; the reader checks it again.
        match data.get(4) {
            Some(1) => read::<FileHeader32<Endianness>>(data, Class::Elf32),
            Some(2) => read::<FileHeader64<Endianness>>(data, Class::Elf64),
            _ => Err(ElfError::Malformed("unknown ELF class")),
        }
    }

    /// The version at the end of [`ObjectFacts::gcc_text`]: `12.2.0` of `(Debian 12.2.0-14) 12.2.0`.
    pub fn gcc_version(&self) -> Option<&str> {
        self.gcc_text.as_deref()?.split_ascii_whitespace().last()
    }
}

/// Why bytes are not an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfError {
    /// The file does not begin with the ELF magic number.
    #[error("not an ELF file")]
    NotElf,
    /// An executable, a shared library or a core dump.
    #[error("an ELF file, but not a relocatable object")]
    NotRelocatable,
    /// A header, section or attribute that leads nowhere.
    #[error("broken ELF file: {0}")]
    Malformed(&'static str),
}

impl From<object::read::Error> for ElfError {
    fn from(error: object::read::Error) -> Self {
        // The library's errors are static texts behind a Display; naming the few that matter would
        // promise more than "something in here does not fit".
        let _ = error;
        Self::Malformed("header, section or string table out of bounds")
    }
}

fn read<Elf>(data: &[u8], class: Class) -> Result<ObjectFacts, ElfError>
where
    Elf: FileHeader<Endian = Endianness>,
{
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    if header.e_type(endian) != elf::ET_REL {
        return Err(ElfError::NotRelocatable);
    }
    let machine = Machine(header.e_machine(endian).0);
    let sections = header.sections(endian, data)?;
    let mut facts = ObjectFacts {
        class,
        endian: match endian {
            Endianness::Little => Endian::Little,
            Endianness::Big => Endian::Big,
        },
        machine,
        arm: None,
        gcc_text: None,
        sections: BTreeMap::new(),
    };
    for section in sections.iter() {
        let kind = section.sh_type(endian);
        let content = section.data(endian, data)?;
        // The same number means something else on other machines.
        if machine == Machine::ARM && kind == elf::SHT_ARM_ATTRIBUTES {
            facts.arm = Some(arm::read::<Elf>(endian, content)?);
            continue;
        }
        if kind != elf::SHT_PROGBITS {
            continue;
        }
        let name = sections.section_name(endian, section)?;
        if name == b".comment" {
            facts.gcc_text = gcc_text(content);
        } else {
            let name = String::from_utf8_lossy(name).into_owned();
            facts.sections.insert(name, hex_digest(content));
        }
    }
    Ok(facts)
}

/// The linker appends one string per input; the compiler's own is the last.
fn gcc_text(comment: &[u8]) -> Option<String> {
    comment
        .split(|&byte| byte == 0)
        .rev()
        .find_map(|text| text.strip_prefix(b"GCC: "))
        .map(|text| String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made by Debian 12's compilers from `int x(void){return 1;}` and kept as files, so that
    /// these tests need no cross compiler.
    const SOFT: &[u8] = include_bytes!("elf/fixtures/armel.o");
    const HARD: &[u8] = include_bytes!("elf/fixtures/armhf.o");
    const AMD64: &[u8] = include_bytes!("elf/fixtures/amd64.o");

    #[test]
    fn a_soft_float_arm_object_is_recognised() {
        let facts = ObjectFacts::read(SOFT).unwrap();
        assert_eq!(facts.class, Class::Elf32);
        assert_eq!(facts.endian, Endian::Little);
        assert_eq!(facts.machine, Machine::ARM);
        assert_eq!(facts.gcc_text.as_deref(), Some("(Debian 12.2.0-14) 12.2.0"));
        assert_eq!(facts.gcc_version(), Some("12.2.0"));
        let arm = facts.arm.unwrap();
        assert_eq!(arm.float(), Some(Float::Soft));
        assert_eq!(arm.cpu_arch.unwrap().to_string(), "v5TE");
        assert!(facts.sections.contains_key(".text"));
        assert!(!facts.sections.contains_key(".comment"));
    }

    #[test]
    fn a_hard_float_arm_object_is_told_from_a_soft_float_one() {
        let arm = ObjectFacts::read(HARD).unwrap().arm.unwrap();
        assert_eq!(arm.float(), Some(Float::Hard));
        assert_eq!(arm.cpu_arch.unwrap().to_string(), "v7");
    }

    #[test]
    fn an_x86_object_has_no_arm_attributes() {
        let facts = ObjectFacts::read(AMD64).unwrap();
        assert_eq!(format!("{} {}", facts.class, facts.machine), "ELF64 x86-64");
        assert_eq!(facts.arm, None);
    }

    #[test]
    fn other_files_are_refused_with_the_reason() {
        assert_eq!(ObjectFacts::read(b""), Err(ElfError::NotElf));
        assert_eq!(ObjectFacts::read(b"!<arch>\n"), Err(ElfError::NotElf));
        assert!(matches!(
            ObjectFacts::read(b"\x7fELF"),
            Err(ElfError::Malformed(_))
        ));
        let mut executable = SOFT.to_vec();
        executable[16] = 2; // e_type: ET_EXEC
        assert_eq!(
            ObjectFacts::read(&executable),
            Err(ElfError::NotRelocatable)
        );
    }

    #[test]
    fn every_truncation_is_an_error_or_an_object_but_never_a_panic() {
        for length in 0..SOFT.len() {
            let _ = ObjectFacts::read(&SOFT[..length]);
        }
    }

    #[test]
    fn the_last_gcc_string_counts() {
        assert_eq!(
            gcc_text(b"GCC: a 1.0\0GCC: b 2.0\0clang\0").as_deref(),
            Some("b 2.0")
        );
        assert_eq!(gcc_text(b"clang version 14\0"), None);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = ObjectFacts::read(&bytes);
            bytes.splice(0..0, *b"\x7fELF\x01\x01\x01");
            let _ = ObjectFacts::read(&bytes);
        }

        #[test]
        fn a_damaged_object_never_panics(
            damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
            which in 0_usize..3,
        ) {
            let mut bytes = [SOFT, HARD, AMD64][which].to_vec();
            for (at, with) in damage {
                let at = at.index(bytes.len());
                bytes[at] = with;
            }
            let _ = ObjectFacts::read(&bytes);
        }
    }
}
