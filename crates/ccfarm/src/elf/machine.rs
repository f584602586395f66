//! Names of processor families, for messages and for the farm file.

use std::fmt;
use std::str::FromStr;

/// `e_machine` of an ELF header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine(pub u16);

impl Machine {
    /// 32-bit ARM.
    pub const ARM: Self = Self(40);
}

/// The `EM_` constants of the ABI for what Debian and its ports build for: the name in messages,
/// which is also the one in the farm file, and the number.
const NAMES: &[(&str, u16)] = &[
    ("sparc", 2),
    ("386", 3),
    ("68k", 4),
    ("mips", 8),
    ("parisc", 15),
    ("ppc", 20),
    ("ppc64", 21),
    ("s390", 22),
    ("arm", 40),
    ("sh", 42),
    ("sparcv9", 43),
    ("ia-64", 50),
    ("x86-64", 62),
    ("xtensa", 94),
    ("aarch64", 183),
    ("riscv", 243),
    ("loongarch", 258),
    ("alpha", 0x9026),
];

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.iter().find(|(_, number)| *number == self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "machine {}", self.0),
        }
    }
}

impl FromStr for Machine {
    type Err = UnknownMachine;

    /// Takes the `EM_` name in lower case; an underscore counts as a dash.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wanted = text.replace('_', "-");
        NAMES
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, number)| Self(*number))
            .ok_or_else(|| UnknownMachine(text.to_owned()))
    }
}

/// A machine name that is not in the table.
#[derive(Debug, thiserror::Error)]
#[error(
    "unknown machine \"{0}\"; known are 386, 68k, aarch64, alpha, arm, ia_64, loongarch, mips, \
         parisc, ppc, ppc64, riscv, s390, sh, sparc, sparcv9, x86_64 and xtensa"
)]
pub struct UnknownMachine(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_is_listed_in_the_error() {
        let error = "vax".parse::<Machine>().unwrap_err().to_string();
        for (name, number) in NAMES {
            assert_eq!(name.parse::<Machine>().unwrap(), Machine(*number));
            assert!(
                error.contains(&name.replace('-', "_")),
                "{name} is missing in: {error}"
            );
        }
        assert_eq!("x86_64".parse::<Machine>().unwrap().to_string(), "x86-64");
        assert_eq!(Machine(0xbeef).to_string(), "machine 48879");
    }
}
