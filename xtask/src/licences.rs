//! The licence and duplicate check of `cargo xtask ci`, from the lists in deny.toml.
//!
//! cargo-deny accepts the same file and does more, but compiling it takes longer than the whole
//! rest of `ci`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use crate::{shell, workspace};

/// The two lists of deny.toml.
#[derive(Debug, Default)]
struct Lists {
    licences: BTreeSet<String>,
    /// Crates of which more than one version is accepted.
    skip: BTreeSet<String>,
}

pub(crate) fn check() -> Result<()> {
    let path = workspace::root().join("deny.toml");
    let text = std::fs::read_to_string(&path).context("cannot read deny.toml")?;
    // The tree, unlike `cargo metadata`, holds only what is compiled on this platform.
    let mut cargo = workspace::cargo("tree");
    cargo.args([
        "--locked",
        "--workspace",
        "--edges",
        "normal,build,dev",
        "--no-dedupe",
    ]);
    cargo.args(["--prefix", "none", "--format", "{p}\t{l}"]);
    let complaints = complaints(&lists(&text)?, &shell::capture(&mut cargo)?)?;
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

fn lists(text: &str) -> Result<Lists> {
    let table: toml::Table = text.parse().context("deny.toml")?;
    let list = |section: &str, key: &str| {
        let items = table
            .get(section)
            .and_then(|section| section.get(key)?.as_array());
        items.with_context(|| format!("deny.toml lacks the list {section}.{key}"))
    };
    let licences = list("licenses", "allow")?
        .iter()
        .filter_map(toml::Value::as_str);
    // An entry is "name", "name@version", or a table with the reason beside such a text.
    let skip = list("bans", "skip")?.iter().filter_map(|entry| {
        let text = entry
            .as_str()
            .or_else(|| entry.get("crate").or(entry.get("name"))?.as_str())?;
        text.split('@').next()
    });
    Ok(Lists {
        licences: licences.map(str::to_owned).collect(),
        skip: skip.map(str::to_owned).collect(),
    })
}

/// Judges the lines of `cargo tree`: `NAME vVERSION [(ORIGIN)]`, a tab, the licence.
fn complaints(lists: &Lists, tree: &str) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    // An empty line stands between the trees of two members.
    for line in tree
        .lines()
        .filter(|line| !line.is_empty())
        .collect::<BTreeSet<_>>()
    {
        let (package, licence) = line.split_once('\t').with_context(|| line.to_owned())?;
        let mut words = package.split(' ');
        let (name, version) = words
            .next()
            .zip(words.next())
            .with_context(|| line.to_owned())?;
        if !is_allowed(licence, &lists.licences) {
            complaints.push(format!(
                "{name} {version}: licence `{licence}` is not in deny.toml"
            ));
        }
        // A crate of the registry has no origin, one of the workspace a path.
        if words.any(|word| word.contains("://")) {
            complaints.push(format!("{name} {version}: does not come from crates.io"));
        }
        versions.entry(name).or_default().insert(version);
    }
    for (name, versions) in &versions {
        if versions.len() > 1 && !lists.skip.contains(*name) {
            let versions: Vec<_> = versions.iter().copied().collect();
            complaints.push(format!("{name}: several versions: {}", versions.join(", ")));
        }
    }
    Ok(complaints)
}

/// Whether an SPDX expression can be met from the list: one side of each OR, all of each AND.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR "); // the old spelling of some manifests
    split(&expression, " OR ").iter().any(|part| {
        split(part, " AND ").iter().all(|part| {
            let part = part.trim();
            match part
                .strip_prefix('(')
                .and_then(|inner| inner.strip_suffix(')'))
            {
                Some(inner) => is_allowed(inner, allowed),
                None => allowed.contains(part),
            }
        })
    })
}

/// Splits at `word` outside parentheses.
fn split<'a>(expression: &'a str, word: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_u32, 0);
    for (at, byte) in expression.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth == 0 && at >= start && expression[at..].starts_with(word) => {
                parts.push(&expression[start..at]);
                start = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(&expression[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> BTreeSet<String> {
        ["MIT", "Apache-2.0", "Unicode-3.0"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn one_side_of_or_and_both_of_and() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("MIT/Apache-2.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
            ("(MIT OR Apache-2.0) AND GPL-3.0", false),
            ("none", false),
        ] {
            assert_eq!(is_allowed(expression, &allowed()), expected, "{expression}");
        }
    }

    #[test]
    fn both_lists_are_read() {
        let text = "[licenses]\nallow = [\n    \"MIT\",\n    \"ISC\", # why\n]\n[bans]\n\
            skip = [\n    \"syn@1\",\n    { crate = \"hashbrown@0.14\", reason = \"two users\" },\n]\n";
        let lists = lists(text).unwrap();
        assert_eq!(lists.licences, ["ISC", "MIT"].map(str::to_owned).into());
        assert_eq!(lists.skip, ["hashbrown", "syn"].map(str::to_owned).into());
    }

    #[test]
    fn foreign_licences_origins_and_second_versions_are_found() {
        let tree = "own v0.1.0 (/path)\tMIT\nx v1.0.0\tMIT\n\nx v2.0.0\tGPL-3.0\n\
            y v1.0.0 (proc-macro)\tMIT\nz v1.0.0 (https://example.org/z#1)\tMIT\nx v1.0.0\tMIT\n";
        let lists = Lists {
            licences: allowed(),
            skip: BTreeSet::new(),
        };
        assert_eq!(
            complaints(&lists, tree).unwrap(),
            [
                "x v2.0.0: licence `GPL-3.0` is not in deny.toml",
                "z v1.0.0: does not come from crates.io",
                "x: several versions: v1.0.0, v2.0.0",
            ]
        );
    }
}
