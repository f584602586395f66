//! What a program loads: its interpreter and its libraries, read from its own headers.

use std::path::PathBuf;

use object::Endianness;
use object::elf::{self, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};

/// What one file asks the system to load.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needed {
    /// The dynamic loader, or the interpreter of a script.
    pub(super) interpreter: Option<PathBuf>,
    /// Library names.
    pub(super) libraries: Vec<String>,
    /// Directories to search first; may begin with `$ORIGIN`.
    pub(super) search: Vec<String>,
}

/// Reads a program, a library or a script; other files need nothing.
pub(super) fn read(data: &[u8]) -> object::read::Result<Needed> {
    if let Some(line) = data.strip_prefix(b"#!") {
        let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let word = line
            .trim_ascii()
            .split(u8::is_ascii_whitespace)
            .next()
            .unwrap_or_default();
        let interpreter = Some(PathBuf::from(String::from_utf8_lossy(word).into_owned()));
        return Ok(Needed {
            interpreter,
            ..Needed::default()
        });
    }
    if !data.starts_with(&elf::ELFMAG) {
        return Ok(Needed::default());
    }
    match data.get(4) {
        Some(1) => read_elf::<FileHeader32<Endianness>>(data),
        _ => read_elf::<FileHeader64<Endianness>>(data),
    }
}

fn read_elf<Elf: FileHeader<Endian = Endianness>>(data: &[u8]) -> object::read::Result<Needed> {
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let mut needed = Needed::default();
    for segment in header.program_headers(endian, data)? {
        if let Some(path) = segment.interpreter(endian, data)? {
            needed.interpreter = Some(PathBuf::from(String::from_utf8_lossy(path).into_owned()));
        }
    }
    let sections = header.sections(endian, data)?;
    let Some((entries, strings)) = sections.dynamic(endian, data)? else {
        return Ok(needed);
    };
    let strings = sections.strings(endian, data, strings)?;
    for entry in entries {
        let tag = entry.d_tag(endian);
        if ![elf::DT_NEEDED, elf::DT_RUNPATH, elf::DT_RPATH].contains(&tag) {
            continue;
        }
        let text = String::from_utf8_lossy(entry.string(endian, strings)?).into_owned();
        if tag == elf::DT_NEEDED {
            needed.libraries.push(text);
        } else {
            needed.search.extend(text.split(':').map(str::to_owned));
        }
    }
    Ok(needed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_program_needs_the_c_library_and_a_loader() {
        let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needed = read(&program).unwrap();
        assert!(
            needed
                .libraries
                .iter()
                .any(|name| name.starts_with("libc.so")),
            "{needed:?}"
        );
        assert!(needed.interpreter.unwrap().is_absolute());
    }

    #[test]
    fn a_script_needs_its_interpreter() {
        let needed = read(b"#! /bin/sh -e\nexit\n").unwrap();
        assert_eq!(needed.interpreter, Some("/bin/sh".into()));
        assert_eq!(read(b"text\n").unwrap(), Needed::default());
    }
}
