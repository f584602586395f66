//! Which names are wanted: `--include` and `--exclude` globs over bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};

/// Globs in the order in which they were given; the last one that matches decides.
///
/// A name that no glob matches is wanted, unless there is an include: whoever lists what is
/// wanted does not want the rest.
#[derive(Clone, Debug, Default)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug)]
struct Rule {
    wanted: bool,
    whole_path: bool,
    matcher: GlobMatcher,
}

/// A glob that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("glob {glob:?}: {reason}")]
pub struct InvalidGlob {
    glob: String,
    reason: String,
}

impl Rules {
    /// Adds a glob that wants names.
    pub fn include(&mut self, glob: &str) -> Result<(), InvalidGlob> {
        self.push(glob, true)
    }

    /// Adds a glob that does not want names.
    pub fn exclude(&mut self, glob: &str) -> Result<(), InvalidGlob> {
        self.push(glob, false)
    }

    fn push(&mut self, glob: &str, wanted: bool) -> Result<(), InvalidGlob> {
        // In a tree `*` stops at a slash and `**` does not, as everywhere.
        let built = GlobBuilder::new(glob).literal_separator(true).build();
        let compiled = built.map_err(|error| InvalidGlob {
            glob: glob.to_owned(),
            reason: error.kind().to_string(),
        })?;
        self.0.push(Rule {
            wanted,
            whole_path: glob.contains('/'),
            matcher: compiled.compile_matcher(),
        });
        Ok(())
    }

    /// Whether `path`, relative to the source, is wanted. A glob without a slash is compared with
    /// the last part of the path.
    pub fn want(&self, path: &Path) -> bool {
        let name = path.file_name().unwrap_or(OsStr::from_bytes(b""));
        let decided = self.0.iter().rev().find(|rule| {
            if rule.whole_path {
                rule.matcher.is_match(path)
            } else {
                rule.matcher.is_match(Path::new(name))
            }
        });
        match decided {
            Some(rule) => rule.wanted,
            None => !self.0.iter().any(|rule| rule.wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Rules {
        let mut rules = Rules::default();
        for rule in text.split_ascii_whitespace() {
            match rule.split_at(1) {
                ("+", glob) => rules.include(glob).unwrap(),
                (_, glob) => rules.exclude(glob).unwrap(),
            }
        }
        rules
    }

    #[test]
    fn the_last_matching_glob_decides() {
        for (given, path, wanted) in [
            ("", "sda", true),
            ("-*", "sda", false),
            ("-*-cow", "vg-lv-cow", false),
            ("-*-cow", "vg-lv", true),
            ("+*_snap*", "vg-_snap--a", true),
            ("+*_snap*", "vg-root", false),
            ("+*_snap* -*-cow", "vg-_snap--a-cow", false),
            ("-*-cow +*_snap*", "vg-_snap--a-cow", true),
            ("-* +sd[ab]", "sdb", true),
            ("-* +sd[ab]", "sdc", false),
            ("-{loop,ram}*", "loop0", false),
            ("-{loop,ram}*", "sda", true),
            ("+by-id/*", "by-id/wwn-1", true),
            ("+by-id/*", "by-path/pci-1", false),
            ("+wwn-*", "by-id/wwn-1", true),
            ("-**/deep/**", "a/deep/b/c", false),
        ] {
            assert_eq!(
                rules(given).want(Path::new(path)),
                wanted,
                "{given:?} on {path:?}"
            );
        }
    }

    #[test]
    fn names_are_bytes() {
        let hostile = Path::new(OsStr::from_bytes(b"vg-\xff\xfe snap\n"));
        assert!(rules("+vg-*").want(hostile));
        assert!(!rules("-*snap*").want(hostile));
    }

    #[test]
    fn a_broken_glob_is_named() {
        let error = Rules::default().include("a[b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "glob \"a[b\": unclosed character class; missing ']'"
        );
    }
}
