//! The farm: what the owner declares once and everything else is made from.
//!
//! A [`Farm`] that exists is valid. Its words go into shell scripts, unit files and distcc's host
//! list, so each has a type that admits no character with a meaning there ([`word`]); mistakes are
//! reported with file, line and column before anything is sent or written.

mod file;
pub mod word;

use std::collections::HashSet;
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgMatches, Command};
use nightshift_common::config::{self, Loaded, Resolver};
use nightshift_common::human::ByteSize;
use nightshift_common::run::Context;
use toml::Spanned;

use crate::elf::{Class, Endian, Float, Machine};
use crate::error::Error;
use crate::probe::Limits;
use crate::source::is_cxx;
use crate::verdict::Expected;
pub use file::Sandbox;
use file::{FarmFile, FloatWanted, NodeFile};
use word::{AbsolutePath, Cidr, CompilerName, Flags, Host, NodeName, Triple, Version, WrapperName};

/// Where distccd listens unless the farm file says otherwise.
pub const DISTCC_PORT: u16 = 3632;
/// Most slots of one node: more jobs than any node's distccd accepts by default.
pub const MAX_SLOTS: u16 = 512;

/// A checked farm.
#[derive(Debug, Clone)]
pub struct Farm {
    /// The file it came from.
    pub path: PathBuf,
    /// The device's side.
    pub client: Client,
    /// The cache on the device.
    pub ccache: Ccache,
    /// Time limits of a probe.
    pub limits: Limits,
    /// What the device needs.
    pub target: Target,
    /// In file order; at least one, names unique.
    pub nodes: Vec<Node>,
}

/// The device's side of the farm.
#[derive(Debug, Clone)]
pub struct Client {
    /// Who may send jobs: the device, and the host that doctor runs on.
    pub allow: Vec<Cidr>,
    /// Names that the kit's wrappers take over.
    pub masquerade: Vec<WrapperName>,
    /// Compiles that distcc runs on the device itself.
    pub local_slots: u16,
    /// Preprocessors that distcc runs on the device at a time.
    pub preprocess_slots: u16,
    /// Whether distcc compiles on the device when no node takes a job.
    pub fallback: bool,
}

/// The cache on the device.
#[derive(Debug, Clone)]
pub struct Ccache {
    /// Its directory.
    pub dir: AbsolutePath,
    /// Its limit.
    pub max_size: ByteSize,
    /// Whether the guard stands between ccache and distcc.
    pub guard: bool,
}

/// What the device needs.
#[derive(Debug, Clone)]
pub struct Target {
    /// GNU triple, the prefix of the cross compiler's names.
    pub triple: Triple,
    /// Version of the device's gcc.
    pub gcc: Option<Version>,
    /// Compiler names that nodes are sent.
    pub names: Vec<CompilerName>,
    /// Flags of the device's builds.
    pub cflags: Flags,
    /// Word size.
    pub class: Class,
    /// Byte order.
    pub endian: Endian,
    /// Processor.
    pub machine: Machine,
    /// Float ABI; `None` if any will do.
    pub float: Option<Float>,
}

/// A machine that compiles.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name in reports and in rendered paths.
    pub name: NodeName,
    /// Where it is.
    pub host: Host,
    /// Where distccd listens.
    pub port: u16,
    /// Jobs it takes at a time.
    pub slots: u16,
    /// Where in the file `slots` stands, for `bench --write`.
    pub slots_at: Range<usize>,
    /// How distccd is locked in.
    pub sandbox: Sandbox,
    /// distccd's statistics port, if it is to have one.
    pub stats_port: Option<u16>,
    /// Processors, an upper limit for suggested slots.
    pub cpus: Option<u16>,
    /// Memory for compilers, an upper limit for suggested slots and the unit's `MemoryMax`.
    pub memory: Option<ByteSize>,
}

impl Farm {
    /// Reads and checks a farm file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::ReadFarm {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, text)
    }

    /// Checks a farm file's text; `path` is for messages.
    pub fn parse(path: &Path, text: String) -> Result<Self, Error> {
        let loaded: Loaded<FarmFile> = config::parse(path, text)?;
        let context = no_flags();
        resolve(path, &loaded, &mut Resolver::new(&context, &loaded))
    }

    /// Prints every effective setting of a farm file with its origin.
    pub fn show(path: &Path, out: &mut impl Write) -> Result<(), Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::ReadFarm {
            path: path.to_owned(),
            source,
        })?;
        let loaded: Loaded<FarmFile> = config::parse(path, text)?;
        let context = no_flags();
        let mut settings = Resolver::new(&context, &loaded);
        resolve(path, &loaded, &mut settings)?;
        settings.print(out).map_err(Error::Output)
    }

    /// What doctor compares a node's objects with, before a reference is added.
    pub fn expected(&self) -> Expected {
        Expected {
            target: Some((self.target.class, self.target.endian, self.target.machine)),
            float: self.target.float,
            gcc: self.target.gcc.as_ref().map(ToString::to_string),
            ..Expected::default()
        }
    }

    /// The device's compiler that stands behind a wrapper of this name.
    pub fn device_compiler(&self, wrapper: &str) -> String {
        let suffix = if is_cxx(wrapper) { "g++" } else { "gcc" };
        format!("/usr/bin/{}-{suffix}", self.target.triple)
    }

    /// Writes new slot numbers into the text of a farm file, leaving every other byte alone.
    /// `slots` has one number per node, in file order.
    pub fn with_slots(&self, text: &str, slots: &[u16]) -> String {
        let mut text = text.to_owned();
        // From the last to the first, so that earlier positions stay true.
        let mut edits: Vec<_> = self
            .nodes
            .iter()
            .map(|node| &node.slots_at)
            .zip(slots)
            .collect();
        edits.sort_by_key(|(at, _)| std::cmp::Reverse(at.start));
        for (at, slots) in edits {
            if text.get((*at).clone()).is_some() {
                text.replace_range((*at).clone(), &slots.to_string());
            }
        }
        text
    }
}

/// No flag sets a value of the farm: file and defaults are all there is.
fn no_flags() -> Context {
    Context {
        command: Command::new(crate::NAME),
        matches: ArgMatches::default(),
    }
}

/// Merges file and defaults, then checks what no single value can.
fn resolve(
    path: &Path,
    loaded: &Loaded<FarmFile>,
    settings: &mut Resolver<'_>,
) -> Result<Farm, Error> {
    let file = &loaded.layer;
    let client = file.client.clone().unwrap_or_default();
    let client = Client {
        allow: settings.value("client.allow", "", None, client.allow, Vec::new()),
        masquerade: settings.value(
            "client.masquerade",
            "",
            None,
            client.masquerade,
            ["gcc", "cc", "g++", "c++"].map(WrapperName::known).to_vec(),
        ),
        local_slots: settings.value("client.local_slots", "", None, client.local_slots, 0),
        preprocess_slots: settings.value(
            "client.preprocess_slots",
            "",
            None,
            client.preprocess_slots,
            2,
        ),
        fallback: settings.switch("client.fallback", "", false, client.fallback),
    };
    let ccache = file.ccache.clone().unwrap_or_default();
    let ccache = Ccache {
        dir: settings.value(
            "ccache.dir",
            "",
            None,
            ccache.dir,
            AbsolutePath::known("/var/cache/ccache"),
        ),
        max_size: settings.value(
            "ccache.max_size",
            "",
            None,
            ccache.max_size,
            ByteSize(2 << 30),
        ),
        guard: settings.value("ccache.guard", "", None, ccache.guard, true),
    };
    let probe = file.probe.clone().unwrap_or_default();
    let limits = Limits {
        connect: positive(
            loaded,
            probe.connect_timeout.as_ref(),
            settings,
            "probe.connect_timeout",
            Limits::default().connect,
        )?,
        job: positive(
            loaded,
            probe.timeout.as_ref(),
            settings,
            "probe.timeout",
            Limits::default().job,
        )?,
    };
    let target = target(loaded, settings)?;
    let nodes = nodes(loaded, settings)?;
    Ok(Farm {
        path: path.to_owned(),
        client,
        ccache,
        limits,
        target,
        nodes,
    })
}

/// A timeout of zero would call every node dead.
fn positive(
    loaded: &Loaded<FarmFile>,
    value: Option<&Spanned<nightshift_common::human::Span>>,
    settings: &mut Resolver<'_>,
    key: &str,
    default: Duration,
) -> Result<Duration, Error> {
    if let Some(value) = value
        && value.get_ref().0.is_zero()
    {
        return Err(loaded
            .error_at(value.span(), "a timeout must be longer than zero")
            .into());
    }
    let default = nightshift_common::human::Span(default);
    Ok(settings.value(key, "", None, value.cloned(), default).0)
}

fn target(loaded: &Loaded<FarmFile>, settings: &mut Resolver<'_>) -> Result<Target, Error> {
    let file = loaded.layer.target.get_ref();
    let triple = file.triple.get_ref().clone();
    settings.optional("target.triple", "", None, Some(file.triple.clone()));
    let gcc = settings.optional("target.gcc", "", None, file.gcc.clone());
    let default = [format!("{triple}-gcc"), format!("/usr/bin/{triple}-gcc")];
    let names = settings.value(
        "target.names",
        "",
        None,
        file.names.clone(),
        default
            .iter()
            .map(|name| CompilerName::known(name))
            .collect(),
    );
    if let Some(given) = &file.names
        && given.get_ref().is_empty()
    {
        return Err(loaded
            .error_at(given.span(), "names is empty: nothing to check")
            .into());
    }
    let cflags = settings.value(
        "target.cflags",
        "",
        None,
        file.cflags.clone(),
        Flags::default(),
    );
    let elf = &file.elf;
    let class = match elf.class.get_ref() {
        32 => Class::Elf32,
        64 => Class::Elf64,
        other => {
            let reason = format!("class is 32 or 64, not {other}");
            return Err(loaded.error_at(elf.class.span(), reason).into());
        }
    };
    let machine: Machine = elf
        .machine
        .get_ref()
        .parse()
        .map_err(|unknown| loaded.error_at(elf.machine.span(), unknown))?;
    settings.optional("target.elf.class", "", None, Some(elf.class.clone()));
    settings.optional("target.elf.machine", "", None, Some(elf.machine.clone()));
    let endian = settings.value(
        "target.elf.endian",
        "",
        None,
        elf.endian.clone(),
        Endian::Little,
    );
    let default = FloatWanted::of_triple(triple.as_ref(), machine);
    let float = settings.value("target.elf.float", "", None, elf.float.clone(), default);
    Ok(Target {
        triple,
        gcc,
        names,
        cflags,
        class,
        endian,
        machine,
        float: float.abi(),
    })
}

fn nodes(loaded: &Loaded<FarmFile>, settings: &mut Resolver<'_>) -> Result<Vec<Node>, Error> {
    let list = &loaded.layer.node;
    if list.get_ref().is_empty() {
        return Err(loaded
            .error_at(list.span(), "no [[node]]: a farm has at least one")
            .into());
    }
    let mut names = HashSet::new();
    let mut nodes = Vec::new();
    for file in list.get_ref() {
        let name = file.name.get_ref();
        if !names.insert(name.as_ref().to_owned()) {
            let reason = format!("a node named \"{name}\" stands above");
            return Err(loaded.error_at(file.name.span(), reason).into());
        }
        nodes.push(node(loaded, file)?);
    }
    settings.optional("node", "", None, Some(list.clone()));
    Ok(nodes)
}

fn node(loaded: &Loaded<FarmFile>, file: &NodeFile) -> Result<Node, Error> {
    let port = |value: &Option<Spanned<u16>>| match value {
        Some(port) if *port.get_ref() == 0 => Err(Error::from(
            loaded.error_at(port.span(), "a port is 1 to 65535"),
        )),
        Some(port) => Ok(Some(*port.get_ref())),
        None => Ok(None),
    };
    let slots = *file.slots.get_ref();
    if slots == 0 || slots > MAX_SLOTS {
        let reason = format!("slots is 1 to {MAX_SLOTS}, not {slots}");
        return Err(loaded.error_at(file.slots.span(), reason).into());
    }
    if let Some(cpus) = &file.cpus
        && *cpus.get_ref() == 0
    {
        return Err(loaded.error_at(cpus.span(), "cpus is at least 1").into());
    }
    Ok(Node {
        name: file.name.get_ref().clone(),
        host: file.host.get_ref().clone(),
        port: port(&file.port)?.unwrap_or(DISTCC_PORT),
        slots,
        slots_at: file.slots.span(),
        sandbox: file
            .sandbox
            .as_ref()
            .map_or(Sandbox::None, |sandbox| *sandbox.get_ref()),
        stats_port: port(&file.stats_port)?,
        cpus: file.cpus.as_ref().map(|cpus| *cpus.get_ref()),
        memory: file.memory.as_ref().map(|memory| *memory.get_ref()),
    })
}

/// The commented farm file that `init` writes; valid as it stands.
pub const EXAMPLE: &str = include_str!("../dist/ccfarm.toml");

#[cfg(test)]
mod tests;
