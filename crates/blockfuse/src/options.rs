//! Mount options as mount(8) and fstab give them: `mtime=refresh,allow_other,x-systemd.automount`.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;

use crate::engine::Choice;
use crate::extents::Holes;
use crate::mode::Mode;
use crate::mtime::Policy;

/// What `-o` said; all optional.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MountOptions {
    /// `engine=`.
    pub engine: Option<Choice>,
    /// `threads=`.
    pub threads: Option<u16>,
    /// `readahead=`, in KiB.
    pub readahead: Option<u32>,
    /// `mtime=`.
    pub mtime: Option<Policy>,
    /// `state=`.
    pub state: Option<PathBuf>,
    /// `holes=`.
    pub holes: Option<Holes>,
    /// `watch`.
    pub watch: bool,
    /// `include=` (true) and `exclude=`, in order.
    pub globs: Vec<(bool, String)>,
    /// `hide_internal`.
    pub hide_internal: bool,
    /// `recursive`.
    pub recursive: bool,
    /// `include_files`.
    pub include_files: bool,
    /// `uid=`.
    pub uid: Option<u32>,
    /// `gid=`.
    pub gid: Option<u32>,
    /// `mode=`.
    pub mode: Option<Mode>,
    /// `allow_other`.
    pub allow_other: bool,
}

/// An option that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOption {
    /// Nobody knows it.
    #[error("unknown mount option {0:?}")]
    Unknown(String),
    /// Its value is wrong.
    #[error("mount option {name}={value:?}: {reason}")]
    Value {
        /// The option.
        name: String,
        /// What it was given.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// Not text.
    #[error("mount options are not UTF-8")]
    NotText,
}

/// Accepted because fstab lines and mount(8) carry them; they change nothing here. The mount is
/// always ro, nosuid, nodev and noexec, and permissions are always checked by the kernel.
const WITHOUT_MEANING: &[&str] = &[
    "ro",
    "rw",
    "defaults",
    "auto",
    "noauto",
    "nofail",
    "_netdev",
    "nosuid",
    "suid",
    "nodev",
    "dev",
    "noexec",
    "exec",
    "noatime",
    "nodiratime",
    "relatime",
    "norelatime",
    "atime",
    "strictatime",
    "nostrictatime",
    "async",
    "sync",
    "dirsync",
    "user",
    "nouser",
    "users",
    "group",
    "owner",
    "default_permissions",
    "iversion",
    "noiversion",
    "silent",
    "loud",
    "mand",
    "nomand",
    "lazytime",
    "nolazytime",
    "diratime",
    "nosymfollow",
    "symfollow",
];

impl MountOptions {
    /// Adds one `-o` argument; what comes later beats what came before.
    pub fn add(&mut self, list: &OsStr) -> Result<(), InvalidOption> {
        let list = list.to_str().ok_or(InvalidOption::NotText)?;
        for option in split(list) {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option.as_str(), None),
            };
            self.set(name, value)?;
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Option<&str>) -> Result<(), InvalidOption> {
        match (name, value) {
            ("engine", Some(value)) => {
                let choice = Choice::from_str(value, false)
                    .map_err(|_unlisted| invalid(name, value, "expected auto, kernel or copy"))?;
                self.engine = Some(choice);
            }
            ("threads", Some(value)) => {
                let threads = parse(name, value)?;
                if !(1..=64).contains(&threads) {
                    return Err(invalid(name, value, "expected 1 to 64"));
                }
                self.threads = Some(threads);
            }
            ("readahead", Some(value)) => self.readahead = Some(parse(name, value)?),
            ("mtime", Some(value)) => self.mtime = Some(parse(name, value)?),
            ("state", Some(value)) => self.state = Some(value.into()),
            ("holes", Some(value)) => {
                let holes = Holes::from_str(value, false)
                    .map_err(|_unlisted| invalid(name, value, "expected auto or off"))?;
                self.holes = Some(holes);
            }
            ("watch", None) => self.watch = true,
            ("include", Some(value)) => self.globs.push((true, value.to_owned())),
            ("exclude", Some(value)) => self.globs.push((false, value.to_owned())),
            ("uid", Some(value)) => self.uid = Some(parse(name, value)?),
            ("gid", Some(value)) => self.gid = Some(parse(name, value)?),
            ("mode", Some(value)) => self.mode = Some(parse(name, value)?),
            ("hide_internal", None) => self.hide_internal = true,
            ("recursive", None) => self.recursive = true,
            ("include_files", None) => self.include_files = true,
            ("allow_other", None) => self.allow_other = true,
            (name, None) if WITHOUT_MEANING.contains(&name) => {}
            // Comments and options of systemd and of mount(8) itself.
            (name, _) if name.starts_with("x-") || name.starts_with("X-") || name == "comment" => {}
            ("subtype" | "fsname", Some(_)) => {}
            (name, value) => {
                let value = value.map(|value| format!("={value}")).unwrap_or_default();
                return Err(InvalidOption::Unknown(format!("{name}{value}")));
            }
        }
        Ok(())
    }
}

fn parse<T: FromStr<Err: std::fmt::Display>>(name: &str, value: &str) -> Result<T, InvalidOption> {
    value
        .parse()
        .map_err(|error: T::Err| invalid(name, value, &error.to_string()))
}

fn invalid(name: &str, value: &str, reason: &str) -> InvalidOption {
    InvalidOption::Value {
        name: name.into(),
        value: value.into(),
        reason: reason.into(),
    }
}

/// Splits at commas; a backslash before a comma or a backslash takes it literally.
fn split(list: &str) -> Vec<String> {
    let mut options = Vec::new();
    let mut current = String::new();
    let mut characters = list.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, characters.peek()) {
            ('\\', Some(next @ (',' | '\\'))) => {
                current.push(*next);
                characters.next();
            }
            (',', _) => options.push(std::mem::take(&mut current)),
            _ => current.push(character),
        }
    }
    options.push(current);
    options.retain(|option| !option.is_empty());
    options
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(list: &str) -> Result<MountOptions, InvalidOption> {
        let mut options = MountOptions::default();
        options.add(OsStr::new(list))?;
        Ok(options)
    }

    #[test]
    fn our_options_are_taken_and_those_of_others_ignored() {
        let options = parsed(
            "rw,noauto,x-systemd.automount,_netdev,mtime=refresh,engine=copy,threads=4,\
             readahead=0,include=*_snap*,exclude=*-cow,hide_internal,recursive,include_files,\
             uid=1,gid=2,mode=0444,allow_other,state=/s.json,holes=off,watch,,comment=hello",
        )
        .unwrap();
        let expected = MountOptions {
            engine: Some(Choice::Copy),
            threads: Some(4),
            readahead: Some(0),
            mtime: Some(Policy::Refresh),
            globs: vec![(true, "*_snap*".into()), (false, "*-cow".into())],
            hide_internal: true,
            recursive: true,
            include_files: true,
            uid: Some(1),
            gid: Some(2),
            mode: "0444".parse().ok(),
            allow_other: true,
            state: Some("/s.json".into()),
            holes: Some(Holes::Off),
            watch: true,
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn mistakes_are_named() {
        for (list, message) in [
            ("ro,blink", "unknown mount option \"blink\""),
            ("colour=blue", "unknown mount option \"colour=blue\""),
            ("allow_other=1", "unknown mount option \"allow_other=1\""),
            ("mtime", "unknown mount option \"mtime\""),
            (
                "mtime=never",
                "mount option mtime=\"never\": expected mount, refresh, changed, now or seconds since 1970",
            ),
            ("threads=0", "mount option threads=\"0\": expected 1 to 64"),
            (
                "engine=fast",
                "mount option engine=\"fast\": expected auto, kernel or copy",
            ),
            (
                "uid=root",
                "mount option uid=\"root\": invalid digit found in string",
            ),
            (
                "mode=0600",
                "mount option mode=\"0600\": expected read bits in octal, such as 0400 or 0444",
            ),
        ] {
            assert_eq!(parsed(list).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_backslash_protects_a_comma() {
        let options = parsed(r"include={a\,b}*,exclude=c\\d").unwrap();
        assert_eq!(
            options.globs,
            [(true, "{a,b}*".into()), (false, r"c\d".into())]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_an_option_or_an_error(list in any::<String>()) {
            let _ = parsed(&list);
        }

        #[test]
        fn any_value_survives_escaping(value in "[^\0]{1,20}") {
            let escaped = value.replace('\\', r"\\").replace(',', r"\,");
            prop_assert_eq!(parsed(&format!("include={escaped}")).unwrap().globs, [(true, value)]);
        }
    }
}
