//! The two sources a node is asked to compile.
//!
//! Both are preprocessed text that includes nothing, so they need neither headers nor a
//! preprocessor on the node, and begin with a line marker: without one, the object's `FILE` symbol
//! is the node's random temporary name and no two objects would ever be equal.

use sha2::{Digest, Sha256};

/// The file name a C source claims to come from, and that the job names.
pub const C_NAME: &str = "probe.c";

/// The same for compilers whose name ends in `++`.
pub const CXX_NAME: &str = "probe.cc";

/// What the reference file records about the identity source besides its hash.
pub const IDENTITY_NAME: &str = "zlib-deflate";

/// Ten lines valid as C and as C++: enough to see the machine, the float ABI and the compiler's
/// version, and compiled even by a compiler that is far too old for anything else. They use
/// floating point so that a compiler without that ABI has to take a stand.
const TARGET: &str = "\
struct pair { long first; double second; };
static int calls;
double scale(double value, int by);
long sum(const struct pair *pairs, int count);
double scale(double value, int by) { calls++; return value * by; }
long sum(const struct pair *pairs, int count)
{
    long total = 0;
    while (count-- > 0) total += pairs[count].first + (long)scale(pairs[count].second, count);
    return total; }
";

/// zlib's `deflate.c`, preprocessed without any system header.
///
/// Hand-written toys do not tell compilers apart: gcc 11 and 12 give identical code for them. This
/// one differs between gcc 11 and 12 at -O1, -O2 and -Os, and between soft and hard float.
const IDENTITY: &str = include_str!("identity.i");

/// Source for the target probe of a compiler called `name`.
pub fn target(name: &str) -> Vec<u8> {
    marked(name, TARGET)
}

/// Source for the identity probe of a compiler called `name`.
///
/// The bundled zlib source is C; C++ compilers get the target source again.
pub fn identity(name: &str) -> Vec<u8> {
    marked(name, if is_cxx(name) { TARGET } else { IDENTITY })
}

/// The name the job gives its source, `probe.c` or `probe.cc`.
pub fn file_name(name: &str) -> &'static str {
    if is_cxx(name) { CXX_NAME } else { C_NAME }
}

/// True if a compiler of this name compiles C++.
pub fn is_cxx(name: &str) -> bool {
    // Versioned names such as g++-12 count too.
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    stem.ends_with("++")
}

/// SHA-256 of the identity source as it is sent, in lower-case hexadecimal.
pub fn identity_hash() -> String {
    hex_digest(&identity("cc"))
}

/// SHA-256 in lower-case hexadecimal.
pub fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('?'));
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('?'));
            text
        })
}

fn marked(name: &str, source: &str) -> Vec<u8> {
    format!("# 1 \"{}\"\n{source}", file_name(name)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_begins_with_a_line_marker() {
        assert!(identity("gcc").starts_with(b"# 1 \"probe.c\"\n"));
        assert!(target("/usr/bin/arm-linux-gnueabi-g++-12").starts_with(b"# 1 \"probe.cc\"\n"));
    }

    #[test]
    fn only_plus_plus_names_are_cxx() {
        for name in [
            "g++",
            "c++",
            "arm-linux-gnueabi-g++",
            "/usr/bin/g++-12",
            "clang++-14",
        ] {
            assert!(is_cxx(name), "{name}");
        }
        for name in ["gcc", "cc", "gcc-12", "arm-linux-gnueabi-gcc", "g++cc"] {
            assert!(!is_cxx(name), "{name}");
        }
    }

    #[test]
    fn the_identity_source_needs_no_preprocessor() {
        let text = String::from_utf8(identity("gcc")).unwrap();
        assert!(
            text.contains("This notice may not be removed"),
            "zlib's licence asks for it"
        );
        let directives: Vec<_> = text
            .lines()
            .skip(1)
            .filter(|l| l.starts_with('#'))
            .collect();
        assert!(directives.is_empty(), "{directives:?}");
    }

    #[test]
    fn a_digest_is_what_sha256sum_prints() {
        assert_eq!(
            hex_digest(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
