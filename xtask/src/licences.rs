//! The licence and duplicate check of `cargo xtask ci`, from the lists in deny.toml.
//!
//! cargo-deny accepts the same file and does more, but compiling it takes longer than the whole
//! rest of `ci`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::workspace;

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
    let complaints = complaints(&lists(&text)?, workspace::metadata()?)?;
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

fn complaints(lists: &Lists, metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"]
        .as_array()
        .context("metadata without packages")?;
    // The graph was asked for this platform; `packages` lists those of other systems too.
    let nodes = metadata["resolve"]["nodes"]
        .as_array()
        .context("metadata without a graph")?;
    let used: BTreeSet<&str> = nodes
        .iter()
        .filter_map(|node| node["id"].as_str())
        .collect();
    let mut complaints = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        if !used.contains(package["id"].as_str().unwrap_or_default()) {
            continue;
        }
        let licence = package["license"].as_str().unwrap_or("none");
        if !is_allowed(licence, &lists.licences) {
            complaints.push(format!(
                "{name} {version}: licence {licence} is not in deny.toml"
            ));
        }
        let source = package["source"].as_str();
        if source.is_some_and(|source| {
            !source.starts_with("registry+https://github.com/rust-lang/crates.io-index")
        }) {
            complaints.push(format!("{name} {version}: does not come from crates.io"));
        }
        versions.entry(name).or_default().insert(version);
    }
    for (name, versions) in versions {
        if versions.len() > 1 && !lists.skip.contains(name) {
            let versions: Vec<_> = versions.into_iter().collect();
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
    fn a_foreign_licence_and_a_second_version_are_found() {
        let package = |id: &str, name: &str, version: &str, licence: &str| serde_json::json!({ "id": id, "name": name, "version": version, "license": licence });
        let metadata = serde_json::json!({
            "packages": [package("a", "own", "1.0.0", "MIT"), package("b", "x", "1.0.0", "MIT"),
                package("c", "x", "2.0.0", "GPL-3.0"), package("d", "winapi", "1.0.0", "EULA")],
            "resolve": { "nodes": [{ "id": "a" }, { "id": "b" }, { "id": "c" }] },
        });
        let lists = Lists {
            licences: allowed(),
            skip: BTreeSet::new(),
        };
        assert_eq!(
            complaints(&lists, &metadata).unwrap(),
            [
                "x 2.0.0: licence GPL-3.0 is not in deny.toml",
                "x: several versions: 1.0.0, 2.0.0"
            ]
        );
    }
}
