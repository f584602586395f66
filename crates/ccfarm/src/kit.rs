//! The device kit: shell scripts and configuration, nothing that has to be compiled.
//!
//! Wrappers named `gcc`, `cc` and so on call ccache with the absolute name of the device's triplet
//! compiler; ccache calls the guard; the guard calls distcc and looks at the object before ccache
//! may keep it. Absolute names leave nothing to PATH: no recursion, no other compiler.

use std::fmt::Write as _;

use crate::elf::{Class, Endian};
use crate::farm::{Client, Farm, Node};
use crate::reference::Reference;
use crate::tree::Entry;

/// Where the kit lives on the device, without the leading slash.
const DIRECTORY: &str = "usr/local/lib/ccfarm";
/// Digits of the reference's digest in the cache's namespace.
const NAMESPACE_DIGITS: usize = 8;

/// The files of the device kit.
pub fn files(farm: &Farm, reference: Option<&Reference>) -> Vec<Entry> {
    let mut entries: Vec<_> = farm
        .client
        .masquerade
        .iter()
        .map(|name| {
            let compiler = farm.device_compiler(name.as_ref());
            let text = format!("#!/bin/sh\nexec /usr/bin/ccache {compiler} \"$@\"\n");
            Entry::script(format!("{DIRECTORY}/bin/{name}"), text)
        })
        .collect();
    entries.push(Entry::data(
        format!("{DIRECTORY}/ccache.conf"),
        ccache_conf(farm, reference),
    ));
    entries.push(Entry::data(format!("{DIRECTORY}/env.sh"), env_sh(farm)));
    if farm.ccache.guard {
        entries.push(Entry::script(format!("{DIRECTORY}/guard"), guard(farm)));
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    entries
}

/// The environment of a build on the device: name and value, in the order they are printed.
///
/// The value of PATH is what goes in front of the present one.
pub fn environment(farm: &Farm) -> Vec<(&'static str, String)> {
    vec![
        ("PATH", format!("/{DIRECTORY}/bin")),
        ("CCACHE_CONFIGPATH", format!("/{DIRECTORY}/ccache.conf")),
        ("DISTCC_HOSTS", hosts(&farm.client, &farm.nodes)),
        // distcc tries another host by itself; what this forbids is the silent local compile.
        (
            "DISTCC_FALLBACK",
            u8::from(farm.client.fallback).to_string(),
        ),
    ]
}

/// distcc's host list.
fn hosts(client: &Client, nodes: &[Node]) -> String {
    let mut hosts = Vec::new();
    for node in nodes {
        let host = node.host.as_ref();
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        hosts.push(format!("{host}:{}/{}", node.port, node.slots));
    }
    if client.local_slots > 0 {
        hosts.push(format!("localhost/{}", client.local_slots));
    }
    // What cannot be distributed, such as linking, needs a slot even when no compile may stay.
    hosts.push(format!("--localslots={}", client.local_slots.max(1)));
    hosts.push(format!(
        "--localslots_cpp={}",
        client.preprocess_slots.max(1)
    ));
    hosts.join(" ")
}

fn env_sh(farm: &Farm) -> String {
    let mut text = "# Made by ccfarm. Source it before a build: . /usr/local/lib/ccfarm/env.sh\n\
         # make -jN, with N about the number of slots and one more.\n"
        .to_owned();
    for (name, value) in environment(farm) {
        // The farm's words contain nothing that a shell would take apart inside double quotes.
        let rest = if name == "PATH" { ":$PATH" } else { "" };
        let _ = writeln!(text, "export {name}=\"{value}{rest}\"");
    }
    text
}

fn ccache_conf(farm: &Farm, reference: Option<&Reference>) -> String {
    let prefix = if farm.ccache.guard {
        format!("/{DIRECTORY}/guard")
    } else {
        "distcc".to_owned()
    };
    format!(
        "# Made by ccfarm.\n\
         cache_dir = {}\n\
         max_size = {}Ki\n\
         prefix_command = {prefix}\n\
         # Objects from before the farm was checked must not be found again.\n\
         namespace = {}\n",
        farm.ccache.dir,
        // ccache takes a bare number for gigabytes.
        farm.ccache.max_size.0.div_ceil(1024),
        namespace(farm, reference),
    )
}

/// Differs wherever objects may differ although ccache's own key is the same: the key holds the
/// local compiler, never the one on the node.
fn namespace(farm: &Farm, reference: Option<&Reference>) -> String {
    let mut parts = vec![farm.target.triple.to_string()];
    let version = reference
        .map(|reference| reference.gcc.clone())
        .or_else(|| farm.target.gcc.as_ref().map(ToString::to_string));
    parts.extend(version);
    parts.extend(
        reference.map(|reference| reference.sha256.chars().take(NAMESPACE_DIGITS).collect()),
    );
    parts.join("-")
}

/// The guard, for this farm's kind of object.
pub fn guard(farm: &Farm) -> String {
    let target = &farm.target;
    // Magic, class and byte order; then 12 bytes that do not matter and e_machine.
    let class = match target.class {
        Class::Elf32 => 1,
        Class::Elf64 => 2,
    };
    let (data, machine) = match target.endian {
        Endian::Little => (1, target.machine.0.to_le_bytes()),
        Endian::Big => (2, target.machine.0.to_be_bytes()),
    };
    let pattern = format!(
        "7f454c46{class:02x}{data:02x}{}{:02x}{:02x}",
        "?".repeat(24),
        machine[0],
        machine[1]
    );
    include_str!("kit/guard.sh")
        .replace("@PATTERN@", &pattern)
        .replace("@WANTED@", &format!("{} {}", target.class, target.machine))
}

#[cfg(test)]
mod tests;
