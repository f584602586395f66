//! plan, render and apply.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use nightshift_common::atomic;
use nightshift_common::exit::Exit;
use nightshift_common::flags::SharedFlags;
use nightshift_common::lock::InstanceLock;
use nightshift_common::output::Out;
use nightshift_common::signals::{SIGINT, SIGTERM, Signals};

use super::{FILE_MODE, load};
use crate::cli::{Apply, Files, Place, Plan, Render};
use crate::error::{Error, at};
use crate::farm::{Farm, Node, Sandbox};
use crate::plan::{Manifest, apply as apply_to, plan as steps, print, print_undo, undo};
use crate::reference::Reference;
use crate::tree::{Content, Entry, tar};
use crate::{kit, node};

/// Relative to the root that is written to: two runs on one root exclude each other.
const LOCK: &str = "run/nightshift/ccfarm.lock";

pub(super) fn plan(shared: &SharedFlags, args: &Plan) -> Result<Exit, Error> {
    let set = Set::of(shared, &args.files, &args.place)?;
    let manifest = Manifest::load(&args.place.root, &set.name)?;
    let steps = steps(&args.place.root, &set.entries, &manifest)?;
    print(&steps, &mut Out::stdout()).map_err(Error::Output)?;
    Ok(if steps.is_empty() {
        Exit::Done
    } else {
        Exit::Attention
    })
}

pub(super) fn render(shared: &SharedFlags, args: &Render) -> Result<Exit, Error> {
    let (farm, reference) = inputs(shared, &args.files)?;
    for node in &farm.nodes {
        let directory = args.output.join("nodes").join(node.name.as_ref());
        for entry in node::files(&farm, node)? {
            write_below(&directory, &entry)?;
        }
    }
    let kit = tar(&kit::files(&farm, reference.as_ref()))?;
    fs::create_dir_all(&args.output).map_err(at("create", &args.output))?;
    atomic::replace_with(&args.output.join("device-kit.tar"), FILE_MODE, &kit)?;
    Ok(Exit::Done)
}

pub(super) fn apply(shared: &SharedFlags, args: &Apply) -> Result<Exit, Error> {
    let root = &args.place.root;
    let set = Set::of(shared, &args.files, &args.place)?;
    let mut out = Out::stdout();
    if args.dry_run {
        let manifest = Manifest::load(root, &set.name)?;
        if args.undo {
            print_undo(root, &manifest, &mut out)?;
        } else {
            print(&steps(root, &set.entries, &manifest)?, &mut out).map_err(Error::Output)?;
        }
        return Ok(Exit::Done);
    }
    if !root.is_dir() {
        let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
        return Err(at("write below", root)(source));
    }
    let signals = Signals::listen(&[SIGINT, SIGTERM]).map_err(Error::Signals)?;
    let _lock = InstanceLock::acquire(&root.join(LOCK))?;
    let manifest = Manifest::load(root, &set.name)?;
    if args.undo {
        return undo(root, manifest, &signals);
    }
    let changed = !steps(root, &set.entries, &manifest)?.is_empty();
    let exit = apply_to(root, &set.entries, manifest, &signals)?;
    if changed && exit == Exit::Done {
        writeln!(out, "{}", set.next)
            .and_then(|()| out.flush())
            .map_err(Error::Output)?;
    }
    Ok(exit)
}

/// The files that belong together: the device kit, or those of one node.
struct Set {
    /// Name of the record.
    name: String,
    entries: Vec<Entry>,
    /// What the admin does next.
    next: String,
}

impl Set {
    fn of(shared: &SharedFlags, files: &Files, place: &Place) -> Result<Self, Error> {
        let (farm, reference) = inputs(shared, files)?;
        let Some(name) = &place.node else {
            return Ok(Self {
                name: "device".to_owned(),
                entries: kit::files(&farm, reference.as_ref()),
                next: "on the device: . /usr/local/lib/ccfarm/env.sh".to_owned(),
            });
        };
        let node = farm
            .nodes
            .iter()
            .find(|node| node.name.as_ref() == name)
            .ok_or_else(|| {
                let names: Vec<_> = farm.nodes.iter().map(|node| node.name.as_ref()).collect();
                Error::Usage(format!(
                    "no node \"{name}\" in the farm; it has {}",
                    names.join(", ")
                ))
            })?;
        Ok(Self {
            name: format!("node-{name}"),
            entries: node::files(&farm, node)?,
            next: next_on_node(&farm, node),
        })
    }
}

fn next_on_node(farm: &Farm, node: &Node) -> String {
    let mut lines = vec![format!("on {}:", node.name)];
    if node.sandbox != Sandbox::None {
        let root = node::tool_root(farm);
        lines.push(format!(
            "ccfarm toolroot build --cc {}-gcc -o toolroot.tar",
            farm.target.triple
        ));
        lines.push(format!("mkdir -p {root} && tar -C {root} -xf toolroot.tar"));
    }
    lines.push("systemctl disable --now distcc".to_owned());
    lines.push("systemctl daemon-reload".to_owned());
    lines.push(format!("systemctl enable --now ccfarm-{}", node.name));
    lines.join("\n    ")
}

fn inputs(shared: &SharedFlags, files: &Files) -> Result<(Farm, Option<Reference>), Error> {
    let farm = load(shared, &files.farm)?;
    let reference = files
        .reference
        .as_deref()
        .map(|path| Reference::load(path, Some(&farm)))
        .transpose()?;
    Ok((farm, reference))
}

fn write_below(directory: &Path, entry: &Entry) -> Result<(), Error> {
    let path = directory.join(&entry.path);
    let parent = path.parent().unwrap_or(directory);
    fs::create_dir_all(parent).map_err(at("create", parent))?;
    match &entry.content {
        Content::File { bytes, mode } => Ok(atomic::replace_with(&path, *mode, bytes)?),
        Content::Link(target) => match std::os::unix::fs::symlink(target, &path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            other => other.map_err(at("create", &path)),
        },
    }
}
