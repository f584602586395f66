//! The farm file as it is written: the shape serde reads, before it is checked as a whole.

use nightshift_common::human::{ByteSize, Span};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::word::{
    AbsolutePath, Cidr, CompilerName, Flags, Host, NodeName, Triple, Version, WrapperName,
};
use crate::elf::{Endian, Float, Machine};

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FarmFile {
    pub(super) client: Option<ClientFile>,
    pub(super) ccache: Option<CcacheFile>,
    pub(super) probe: Option<ProbeFile>,
    pub(super) target: Spanned<TargetFile>,
    #[serde(default = "no_nodes")]
    pub(super) node: Spanned<Vec<NodeFile>>,
}

/// Missing and empty lists get the same message, at the start of the file.
fn no_nodes() -> Spanned<Vec<NodeFile>> {
    Spanned::new(0..0, Vec::new())
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ClientFile {
    pub(super) allow: Option<Spanned<Vec<Cidr>>>,
    pub(super) masquerade: Option<Spanned<Vec<WrapperName>>>,
    pub(super) local_slots: Option<Spanned<u16>>,
    pub(super) preprocess_slots: Option<Spanned<u16>>,
    pub(super) fallback: Option<Spanned<bool>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct CcacheFile {
    pub(super) dir: Option<Spanned<AbsolutePath>>,
    pub(super) max_size: Option<Spanned<ByteSize>>,
    pub(super) guard: Option<Spanned<bool>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProbeFile {
    pub(super) connect_timeout: Option<Spanned<Span>>,
    pub(super) timeout: Option<Spanned<Span>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetFile {
    pub(super) triple: Spanned<Triple>,
    pub(super) gcc: Option<Spanned<Version>>,
    pub(super) names: Option<Spanned<Vec<CompilerName>>>,
    pub(super) cflags: Option<Spanned<Flags>>,
    pub(super) elf: ElfFile,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ElfFile {
    pub(super) class: Spanned<u8>,
    pub(super) machine: Spanned<String>,
    pub(super) endian: Option<Spanned<Endian>>,
    pub(super) float: Option<Spanned<FloatWanted>>,
}

/// Serialised again for `--show-config`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeFile {
    pub(super) name: Spanned<NodeName>,
    pub(super) host: Spanned<Host>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) port: Option<Spanned<u16>>,
    pub(super) slots: Spanned<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sandbox: Option<Spanned<Sandbox>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stats_port: Option<Spanned<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cpus: Option<Spanned<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<Spanned<ByteSize>>,
}

/// How distccd is locked in on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sandbox {
    /// The packaged distccd with the whole file system in view.
    None,
    /// A systemd unit whose root directory is a tool root.
    Systemd,
    /// bubblewrap with a tool root; needs no systemd.
    Bwrap,
}

/// The float ABI that objects must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FloatWanted {
    Soft,
    Hard,
    Any,
}

impl FloatWanted {
    /// The GNU triple of an ARM system says it: `eabihf` is hard, `eabi` soft.
    pub(super) fn of_triple(triple: &str, machine: Machine) -> Self {
        match machine {
            Machine::ARM if triple.ends_with("eabihf") => Self::Hard,
            Machine::ARM if triple.ends_with("eabi") => Self::Soft,
            _ => Self::Any,
        }
    }

    pub(super) fn abi(self) -> Option<Float> {
        match self {
            Self::Soft => Some(Float::Soft),
            Self::Hard => Some(Float::Hard),
            Self::Any => None,
        }
    }
}
