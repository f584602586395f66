//! Makes text from outside (device names, certificate subjects, peers' messages) inert before it
//! reaches a terminal, a mail or a log; used by every tool.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Shows bytes on one line: printable UTF-8 as it is, everything that could move a cursor, change
/// the reading direction or end the line as an escape.
///
/// Bytes that are not UTF-8 and control characters become `\xNN`, invisible or direction-changing
/// characters `\u{NNNN}`, newline `\n`. A backslash in a *name* is doubled, so that a name can be
/// read back from its escaped form; in running text ([`Escaped::text`]) it stays as it is.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a> {
    bytes: &'a [u8],
    double_backslash: bool,
}

impl<'a> Escaped<'a> {
    /// For names: reversible, backslashes doubled.
    pub fn name(bytes: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Escaped {
            bytes: bytes.as_ref(),
            double_backslash: true,
        }
    }

    /// For file names and paths.
    pub fn path(path: &'a (impl AsRef<Path> + ?Sized)) -> Self {
        Self::os(path.as_ref().as_os_str())
    }

    /// For any string of the operating system.
    pub fn os(text: &'a OsStr) -> Self {
        Escaped {
            bytes: text.as_bytes(),
            double_backslash: true,
        }
    }

    /// For running text: backslashes are left alone.
    pub fn text(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Escaped {
            bytes: text.as_ref(),
            double_backslash: false,
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' if self.double_backslash => f.write_str("\\\\")?,
                    '\n' => f.write_str("\\n")?,
                    '\t' => f.write_str("\\t")?,
                    c if c.is_control() && u32::from(c) < 0x80 => {
                        write!(f, "\\x{:02x}", u32::from(c))?;
                    }
                    c if is_deceptive(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                    c => f.write_char(c)?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// C1 controls and the Unicode characters that hide text or change its direction.
fn is_deceptive(c: char) -> bool {
    matches!(u32::from(c),
        0x80..=0x9f            // C1 controls: some terminals obey them
        | 0xad                 // soft hyphen
        | 0x61c                // Arabic letter mark
        | 0x115f | 0x1160      // Hangul fillers, invisible
        | 0x180e
        | 0x200b..=0x200f      // zero-width and direction marks
        | 0x2028..=0x202e      // line and paragraph separators, bidirectional embeddings
        | 0x2060..=0x206f      // invisible operators, bidirectional isolates
        | 0x3164 | 0xfeff | 0xffa0
        | 0xfff9..=0xfffb      // interlinear annotation
        | 0xe0000..=0xe007f) // tags
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_text_becomes_visible() {
        for (input, expected) in [
            (&b"plain-\xc3\xa9"[..], "plain-\u{e9}"),
            (b"a\nb\tc", "a\\nb\\tc"),
            (b"\x1b[31mred", "\\x1b[31mred"),
            (b"\xff\xfe", "\\xff\\xfe"),
            (b"back\\slash", "back\\\\slash"),
            ("evil\u{202e}txt".as_bytes(), "evil\\u{202e}txt"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
        ] {
            assert_eq!(Escaped::name(input).to_string(), expected);
        }
    }

    proptest! {
        #[test]
        fn never_a_control_character_whatever_comes_in(bytes: Vec<u8>) {
            let shown = Escaped::name(&bytes).to_string();
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_deceptive(c)));
        }

        #[test]
        fn different_names_never_look_the_same(a: Vec<u8>, b: Vec<u8>) {
            prop_assume!(a != b);
            prop_assert_ne!(Escaped::name(&a).to_string(), Escaped::name(&b).to_string());
        }
    }
}
