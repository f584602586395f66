//! The files of a node: how distccd is started and which compilers it may run.
//!
//! A stock distccd runs every compiler that Debian linked for it, the node's own x86-64 gcc
//! included, and runs it for anyone on the allow list with the whole file system in view. The
//! whitelist made here holds the farm's triplet names only; the sandboxed forms run in a tool
//! root (see [`crate::toolroot`]) that holds no shell and no files of the node.

use std::fmt::Write as _;

use crate::error::Error;
use crate::farm::{Farm, Node, Sandbox};
use crate::source::is_cxx;
use crate::tree::Entry;

/// Where whitelist and start scripts live on a node, without the leading slash.
const DIRECTORY: &str = "usr/local/lib/ccfarm";
/// Longest life of a job in seconds: the time after which distcc's client gives up on it anyway
/// (`DISTCC_IO_TIMEOUT`).
const JOB_LIFETIME: u32 = 300;
/// Processes per slot: distccd's worker, the driver, cc1 and as, doubled.
const TASKS_PER_SLOT: u32 = 8;

/// The files of one node.
pub fn files(farm: &Farm, node: &Node) -> Result<Vec<Entry>, Error> {
    if farm.client.allow.is_empty() {
        return Err(Error::Usage(
            "client.allow is empty: distccd needs the addresses that may send jobs".to_owned(),
        ));
    }
    let unit = format!("etc/systemd/system/ccfarm-{}.service", node.name);
    let start = format!("{DIRECTORY}/start-{}", node.name);
    let mut entries = match node.sandbox {
        Sandbox::None => {
            let mut entries = vec![Entry::data(unit, plain_unit(farm, node))];
            entries.extend(compiler_names(farm).into_iter().map(|name| {
                Entry::link(format!("{DIRECTORY}/whitelist/{name}"), "/usr/bin/distcc")
            }));
            entries
        }
        Sandbox::Systemd => vec![Entry::data(unit, rooted_unit(farm, node))],
        Sandbox::Bwrap => vec![
            Entry::data(unit, bwrap_unit(farm, node, &start)),
            Entry::script(start, bwrap_script(farm, node)),
        ],
    };
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Where a sandboxed node expects the unpacked tool root.
pub fn tool_root(farm: &Farm) -> String {
    format!("/var/lib/ccfarm/{}", farm.target.triple)
}

/// The triplet names that the farm's device calls.
pub(crate) fn compiler_names(farm: &Farm) -> Vec<String> {
    let triple = &farm.target.triple;
    let wrappers = farm.client.masquerade.iter().map(AsRef::as_ref);
    let sent = farm.target.names.iter().map(AsRef::as_ref);
    let mut names = vec![format!("{triple}-gcc")];
    if wrappers.chain(sent).any(is_cxx) {
        names.push(format!("{triple}-g++"));
    }
    names
}

fn distccd(farm: &Farm, node: &Node) -> String {
    let mut words = vec![
        "/usr/bin/distccd --no-detach --daemon --log-stderr".to_owned(),
        format!("--port {} --jobs {} --nice 5", node.port, node.slots),
        format!("--job-lifetime {JOB_LIFETIME}"),
    ];
    words.extend(
        farm.client
            .allow
            .iter()
            .map(|range| format!("--allow {range}")),
    );
    words.extend(
        node.stats_port
            .map(|port| format!("--stats --stats-port {port}")),
    );
    words.join(" ")
}

/// What every unit has: who may connect, and limits on what runs.
fn common_unit(farm: &Farm, node: &Node) -> String {
    let mut text = format!(
        "# Made by ccfarm.\n\
         [Unit]\n\
         Description=Compile node {}\n\
         After=network-online.target\n\
         Wants=network-online.target\n\
         \n\
         [Service]\n\
         Restart=on-failure\n\
         TasksMax={}\n",
        node.name,
        16 + u32::from(node.slots) * TASKS_PER_SLOT,
    );
    if let Some(memory) = node.memory {
        let _ = writeln!(text, "MemoryMax={}", memory.0);
    }
    text += "IPAddressDeny=any\n";
    for range in &farm.client.allow {
        let _ = writeln!(text, "IPAddressAllow={range}");
    }
    text
}

const INSTALL: &str = "\n[Install]\nWantedBy=multi-user.target\n";

const HARDENING: &str = "\
DynamicUser=yes
NoNewPrivileges=yes
CapabilityBoundingSet=
PrivateTmp=yes
PrivateDevices=yes
ProtectSystem=strict
ProtectHome=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictAddressFamilies=AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077
Environment=PATH=/usr/bin TMPDIR=/tmp
";

fn plain_unit(farm: &Farm, node: &Node) -> String {
    format!(
        "{}{HARDENING}\
         # distccd runs what is linked in this directory; Debian's own links name the node's gcc too.\n\
         BindReadOnlyPaths=/{DIRECTORY}/whitelist:/usr/lib/distcc\n\
         ExecStart={}\n{INSTALL}",
        common_unit(farm, node),
        distccd(farm, node)
    )
}

fn rooted_unit(farm: &Farm, node: &Node) -> String {
    format!(
        "{}{HARDENING}\
         # A root without a shell and without /proc: made by `ccfarm toolroot build`, unpacked here.\n\
         RootDirectory={}\n\
         MountAPIVFS=no\n\
         NoExecPaths=/\n\
         ExecPaths=/usr /lib /lib64\n\
         ExecStart={}\n{INSTALL}",
        common_unit(farm, node),
        tool_root(farm),
        distccd(farm, node)
    )
}

fn bwrap_unit(farm: &Farm, node: &Node, start: &str) -> String {
    // bubblewrap makes the namespaces itself, so none of the settings that forbid it are here.
    format!(
        "{}DynamicUser=yes\nNoNewPrivileges=yes\nExecStart=/{start}\n{INSTALL}",
        common_unit(farm, node)
    )
}

fn bwrap_script(farm: &Farm, node: &Node) -> String {
    format!(
        "#!/bin/sh
# Made by ccfarm. distccd in a root without a shell: made by `ccfarm toolroot build`, unpacked in
# {root} or in the directory given as first argument.
# --die-with-parent: run it under a supervisor, or it ends with the shell that started it.
exec /usr/bin/bwrap --die-with-parent --new-session \\
    --unshare-user --unshare-pid --unshare-ipc --unshare-uts \\
    --uid 65534 --gid 65534 --cap-drop ALL \\
    --clearenv --setenv PATH /usr/bin --setenv TMPDIR /tmp \\
    --ro-bind \"${{1:-{root}}}\" / --dev /dev --tmpfs /tmp --chdir / \\
    {distccd}
",
        root = tool_root(farm),
        distccd = distccd(farm, node)
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::farm::EXAMPLE;
    use crate::tree::Content;

    fn farm(sandbox: &str) -> Farm {
        let text = EXAMPLE
            .replace("sandbox = \"bwrap\"", &format!("sandbox = \"{sandbox}\""))
            .replace("# stats_port", "stats_port")
            .replace("# memory", "memory");
        Farm::parse(Path::new("farm.toml"), text).unwrap()
    }

    fn text(sandbox: &str, path: &str) -> String {
        let farm = farm(sandbox);
        let entries = files(&farm, &farm.nodes[0]).unwrap();
        let entry = entries
            .into_iter()
            .find(|entry| entry.path == Path::new(path))
            .expect(path);
        match entry.content {
            Content::File { bytes, .. } => String::from_utf8(bytes).unwrap(),
            Content::Link(target) => target.display().to_string(),
        }
    }

    #[test]
    fn the_whitelist_holds_triplet_names_only() {
        assert_eq!(
            compiler_names(&farm("none")),
            ["arm-linux-gnueabi-gcc", "arm-linux-gnueabi-g++"]
        );
        let link = text(
            "none",
            "usr/local/lib/ccfarm/whitelist/arm-linux-gnueabi-gcc",
        );
        assert_eq!(link, "/usr/bin/distcc");
        let unit = text("none", "etc/systemd/system/ccfarm-n1.service");
        assert!(unit.contains("BindReadOnlyPaths=/usr/local/lib/ccfarm/whitelist:/usr/lib/distcc"));
    }

    #[test]
    fn every_form_starts_the_same_daemon() {
        let line = "/usr/bin/distccd --no-detach --daemon --log-stderr --port 3632 --jobs 4 \
                    --nice 5 --job-lifetime 300 --allow 10.77.0.1/32 --stats --stats-port 3633\n";
        for (sandbox, path) in [
            ("none", "etc/systemd/system/ccfarm-n1.service"),
            ("systemd", "etc/systemd/system/ccfarm-n1.service"),
            ("bwrap", "usr/local/lib/ccfarm/start-n1"),
        ] {
            let text = text(sandbox, path);
            assert!(text.contains(line), "{sandbox}: {text}");
        }
    }

    #[test]
    fn units_limit_clients_memory_and_processes() {
        for sandbox in ["none", "systemd", "bwrap"] {
            let unit = text(sandbox, "etc/systemd/system/ccfarm-n1.service");
            for line in [
                "IPAddressDeny=any\nIPAddressAllow=10.77.0.1/32\n",
                "MemoryMax=17179869184\n",
                "TasksMax=48\n",
                "DynamicUser=yes\n",
            ] {
                assert!(unit.contains(line), "{sandbox} lacks {line}: {unit}");
            }
        }
    }

    #[test]
    fn a_farm_that_allows_nobody_has_no_node_files() {
        let text = EXAMPLE.replace("allow = [\"10.77.0.1/32\"]", "allow = []");
        let farm = Farm::parse(Path::new("farm.toml"), text).unwrap();
        let error = files(&farm, &farm.nodes[0]).unwrap_err();
        assert!(error.to_string().contains("client.allow is empty"));
    }
}
