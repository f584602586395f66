//! What the device's own compiler produces, kept as a small file that doctor compares with.

mod device;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nightshift_common::config::{self, Loaded};
use serde::{Deserialize, Serialize};

use crate::elf::{CpuArch, Float};
use crate::error::Error;
use crate::farm::Farm;
use crate::source::{IDENTITY_NAME, identity_hash};
use crate::verdict::Expected;
pub use device::ask;

/// Version of the file's form.
const SCHEMA: u32 = 1;

/// A reference file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// 1.
    pub schema: u32,
    /// Triple of the device's compiler.
    pub triple: String,
    /// Its version.
    pub gcc: String,
    /// What it writes into `.comment`, after `GCC: `.
    pub gcc_text: String,
    /// `Tag_CPU_arch` of its objects; ARM only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_arch: Option<u64>,
    /// Float ABI of its objects; ARM only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub float: Option<Float>,
    /// The flags used.
    pub cflags: String,
    /// Name and SHA-256 of the identity source, separated by a blank.
    pub probe: String,
    /// SHA-256 of the object, in lower-case hexadecimal.
    pub sha256: String,
    /// SHA-256 of each of its sections.
    pub sections: BTreeMap<String, String>,
}

impl Reference {
    /// Reads a reference and checks that it was made for this farm.
    pub fn load(path: &Path, farm: Option<&Farm>) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::ReadReference {
            path: path.to_owned(),
            source,
        })?;
        let loaded: Loaded<Self> = config::parse(path, text)?;
        let reference = loaded.layer;
        match reference.misfit(farm) {
            Some(reason) => Err(Error::Reference {
                path: PathBuf::from(path),
                reason,
            }),
            None => Ok(reference),
        }
    }

    /// The file's text.
    pub fn to_toml(&self) -> Result<String, Error> {
        let body = toml::to_string(self).map_err(|error| Error::Device(error.to_string()))?;
        Ok(format!(
            "# What the device's own compiler produces; made by `ccfarm reference`.\n{body}"
        ))
    }

    /// Adds what the device produces to what the farm file asks for.
    pub fn refine(&self, expected: &mut Expected) {
        expected.gcc = Some(self.gcc.clone());
        expected.gcc_text = Some(self.gcc_text.clone());
        expected.cpu_arch = self.cpu_arch.map(CpuArch);
        expected.float = self.float.or(expected.float);
        expected.sha256 = Some(self.sha256.clone());
        expected.sections.clone_from(&self.sections);
    }

    fn misfit(&self, farm: Option<&Farm>) -> Option<String> {
        if self.schema != SCHEMA {
            return Some(format!(
                "its schema is {}, this program reads {SCHEMA}",
                self.schema
            ));
        }
        if self.probe != probe_id() {
            return Some("it was made with another probe source".to_owned());
        }
        let target = &farm?.target;
        let pairs = [
            (
                "triple",
                self.triple.as_str(),
                Some(target.triple.to_string()),
            ),
            (
                "cflags",
                self.cflags.as_str(),
                Some(target.cflags.to_string()),
            ),
            (
                "gcc",
                self.gcc.as_str(),
                target.gcc.as_ref().map(ToString::to_string),
            ),
        ];
        for (key, here, there) in pairs {
            if let Some(there) = there
                && there != here
            {
                return Some(format!(
                    "{key} is \"{here}\" here and \"{there}\" in the farm file"
                ));
            }
        }
        match (self.float, target.float) {
            (Some(here), Some(there)) if here != there => {
                Some(format!("the device is {here}, the farm file says {there}"))
            }
            _ => None,
        }
    }
}

fn probe_id() -> String {
    format!("{IDENTITY_NAME} {}", identity_hash())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::farm::EXAMPLE;

    fn farm() -> Farm {
        Farm::parse(Path::new("farm.toml"), EXAMPLE.to_owned()).unwrap()
    }

    fn reference() -> Reference {
        Reference {
            schema: SCHEMA,
            triple: "arm-linux-gnueabi".to_owned(),
            gcc: "12.2.0".to_owned(),
            gcc_text: "(Debian 12.2.0-14+deb12u1) 12.2.0".to_owned(),
            cpu_arch: Some(4),
            float: Some(Float::Soft),
            cflags: "-O2 -march=armv5te".to_owned(),
            probe: probe_id(),
            sha256: "0".repeat(64),
            sections: BTreeMap::from([(".text".to_owned(), "1".repeat(64))]),
        }
    }

    #[test]
    fn a_reference_survives_its_file() {
        let text = reference().to_toml().unwrap();
        let back: Loaded<Reference> = config::parse(Path::new("r"), text).unwrap();
        assert_eq!(back.layer, reference());
        assert_eq!(back.layer.misfit(Some(&farm())), None);
    }

    #[test]
    fn a_reference_for_another_farm_is_refused_with_what_differs() {
        type Change = fn(&mut Reference);
        let cases: &[(Change, &str)] = &[
            (|r| r.schema = 2, "its schema is 2"),
            (|r| r.probe = "other".to_owned(), "another probe source"),
            (
                |r| r.triple = "arm-linux-gnueabihf".to_owned(),
                "triple is \"arm-linux-gnueabihf\"",
            ),
            (
                |r| r.cflags = "-O2".to_owned(),
                "cflags is \"-O2\" here and \"-O2 -march=armv5te\"",
            ),
            (
                |r| r.gcc = "11.3.0".to_owned(),
                "gcc is \"11.3.0\" here and \"12.2.0\"",
            ),
            (|r| r.float = Some(Float::Hard), "the device is hard-float"),
        ];
        for (change, reason) in cases {
            let mut changed = reference();
            change(&mut changed);
            let misfit = changed.misfit(Some(&farm())).unwrap();
            assert!(misfit.contains(reason), "{misfit}");
        }
    }

    #[test]
    fn a_reference_sharpens_what_is_expected() {
        let mut expected = farm().expected();
        reference().refine(&mut expected);
        assert_eq!(expected.cpu_arch, Some(CpuArch(4)));
        assert_eq!(
            expected.gcc_text.as_deref(),
            Some("(Debian 12.2.0-14+deb12u1) 12.2.0")
        );
        assert!(expected.sha256.is_some());
    }
}
