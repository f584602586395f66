//! The words of a farm file, one type per kind.
//!
//! They are written into shell scripts, unit files, ccache's configuration and distcc's host list
//! without quoting, so their alphabets leave out everything that has a meaning in any of them.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Why a word is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" {reason}", nightshift_common::escape::Escaped::text(text))]
pub struct BadWord {
    text: String,
    reason: &'static str,
}

/// Defines a checked string: what it is, and which function says what is wrong with a text.
macro_rules! word {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl TryFrom<String> for $name {
            type Error = BadWord;

            fn try_from(text: String) -> Result<Self, BadWord> {
                match $check(&text) {
                    None => Ok(Self(text)),
                    Some(reason) => Err(BadWord { text, reason }),
                }
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

word! {
    /// A GNU triple such as `arm-linux-gnueabi`.
    Triple, check_triple
}
word! {
    /// A compiler as a node is sent it: a name or an absolute path.
    CompilerName, check_compiler
}
word! {
    /// A name that the device kit makes a wrapper for: no directory.
    WrapperName, check_wrapper
}
word! {
    /// The name of a node in reports and rendered paths.
    NodeName, check_node_name
}
word! {
    /// A host name or address; IPv6 without brackets.
    Host, check_host
}
word! {
    /// An address range such as `10.77.0.0/24`; a bare address is that address alone.
    Cidr, check_cidr
}
word! {
    /// A version of gcc such as `12.2.0`.
    Version, check_version
}
word! {
    /// A path from the root.
    AbsolutePath, check_path
}

impl CompilerName {
    /// For names made of a checked triple.
    pub(super) fn known(name: &str) -> Self {
        debug_assert_eq!(check_compiler(name), None);
        Self(name.to_owned())
    }
}

impl WrapperName {
    /// For built-in defaults.
    pub(super) fn known(name: &str) -> Self {
        debug_assert_eq!(check_wrapper(name), None);
        Self(name.to_owned())
    }
}

impl AbsolutePath {
    /// For built-in defaults.
    pub(super) fn known(path: &str) -> Self {
        debug_assert_eq!(check_path(path), None);
        Self(path.to_owned())
    }
}

/// Compiler flags, split at blanks as make does with CFLAGS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Flags(Vec<String>);

impl Flags {
    /// One string per flag.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<String> for Flags {
    type Error = BadWord;

    fn try_from(text: String) -> Result<Self, BadWord> {
        if text.chars().any(|c| c.is_control() || "'\"\\".contains(c)) {
            let reason = "has a quote, backslash or control character: flags are split at blanks";
            return Err(BadWord { text, reason });
        }
        Ok(Self(
            text.split_ascii_whitespace().map(str::to_owned).collect(),
        ))
    }
}

impl From<Flags> for String {
    fn from(flags: Flags) -> Self {
        flags.to_string()
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

fn only(text: &str, extra: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

fn check_triple(text: &str) -> Option<&'static str> {
    if text.starts_with('-') || text.starts_with('.') {
        return Some("is not a triple: it begins with a dash or a dot");
    }
    (!only(text, "_.-")).then_some("is not a triple: letters, digits, \"_\", \".\" and \"-\" only")
}

fn check_compiler(text: &str) -> Option<&'static str> {
    if text.starts_with('-') {
        return Some("is not a compiler name: it begins with a dash");
    }
    (!only(text, "_.+-/")).then_some(
        "is not a compiler name: letters, digits, \"_\", \".\", \"+\", \"-\" and \"/\" only",
    )
}

fn check_wrapper(text: &str) -> Option<&'static str> {
    if text.contains('/') || text.starts_with('.') {
        return Some("is not the name of a wrapper: no directory, no leading dot");
    }
    check_compiler(text)
}

fn check_node_name(text: &str) -> Option<&'static str> {
    if text.starts_with('-') || text.starts_with('.') {
        return Some("is not a node name: it begins with a dash or a dot");
    }
    (!only(text, "_.-"))
        .then_some("is not a node name: letters, digits, \"_\", \".\" and \"-\" only")
}

fn check_host(text: &str) -> Option<&'static str> {
    if text.contains(':') && text.parse::<IpAddr>().is_err() {
        return Some("is not a host: the port has its own key, IPv6 stands without brackets");
    }
    if text.starts_with('-') || !only(text, "_.-:") {
        return Some("is not a host name or address");
    }
    None
}

fn check_cidr(text: &str) -> Option<&'static str> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return Some("is not an address range such as 10.77.0.0/24");
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    match bits.map(str::parse::<u8>) {
        None => None,
        Some(Ok(bits)) if bits <= most => None,
        Some(_) => Some("is not an address range: the prefix is 0 to 32, for IPv6 0 to 128"),
    }
}

fn check_version(text: &str) -> Option<&'static str> {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    (!text.split('.').all(digits)).then_some("is not a version such as 12.2.0")
}

fn check_path(text: &str) -> Option<&'static str> {
    if !text.starts_with('/') {
        return Some("is not an absolute path");
    }
    if text.split('/').any(|part| part == "..") {
        return Some("is a path with \"..\" in it");
    }
    (!only(text, "_.-/+@,=~"))
        .then_some("has a character that shell scripts or ccache would not take literally")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_accepts_what_it_should_and_nothing_with_a_meaning_elsewhere() {
        type Check = fn(&str) -> Option<&'static str>;
        let cases: &[(Check, &[&str], &[&str])] = &[
            (
                check_triple,
                &["arm-linux-gnueabi", "x86_64-linux-gnu"],
                &["", "-a", "a b", "a/b", "a;b"],
            ),
            (
                check_compiler,
                &["gcc", "/usr/bin/arm-linux-gnueabi-g++-12"],
                &["", "-gcc", "g cc", "g\"c", "$(id)", "a\nb", "a'b"],
            ),
            (
                check_wrapper,
                &["gcc", "c++"],
                &["/usr/bin/gcc", "../x", ".gcc"],
            ),
            (
                check_node_name,
                &["n1", "big.box"],
                &["", ".", "..", "a/b", "-x"],
            ),
            (
                check_host,
                &["10.77.0.2", "box.lan", "fd00::1"],
                &["", "a:3632", "[fd00::1]", "a b", "-a"],
            ),
            (
                check_cidr,
                &["10.77.0.1", "10.0.0.0/8", "fd00::/64"],
                &[
                    "",
                    "10.0.0.0/33",
                    "10.0.0/8",
                    "x/8",
                    "10.0.0.0/",
                    "10.0.0.0/-1",
                ],
            ),
            (
                check_version,
                &["12", "12.2.0"],
                &["", "12.", "v12", "12.2.0-14"],
            ),
            (
                check_path,
                &["/var/cache/ccache"],
                &["cache", "/a/../b", "/a b", "/a$b", "/a\"b"],
            ),
        ];
        for (check, good, bad) in cases {
            for text in *good {
                assert_eq!(check(text), None, "{text:?}");
            }
            for text in *bad {
                assert!(check(text).is_some(), "{text:?} was accepted");
            }
        }
    }

    #[test]
    fn flags_are_split_at_blanks_and_refuse_quotes() {
        let flags = Flags::try_from("  -O2   -march=armv5te ".to_owned()).unwrap();
        assert_eq!(flags.words(), ["-O2", "-march=armv5te"]);
        assert_eq!(flags.to_string(), "-O2 -march=armv5te");
        assert!(Flags::try_from("-DX='a'".to_owned()).is_err());
    }

    #[test]
    fn a_refused_word_is_shown_escaped() {
        let error = Triple::try_from("a\x1b[31m".to_owned()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("\"a\\x1b[31m\" is not a triple")
        );
    }
}
