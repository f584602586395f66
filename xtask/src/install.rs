//! `cargo xtask install`, `uninstall` and `dist`.
//!
//! Everything goes below the prefix; nothing is written to /etc and nothing is enabled. The list
//! of files is computed from the table of tools each time, so that `uninstall` needs no record
//! and removes exactly what `install` writes.

use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::generate::{self, Page};
use crate::shell;
use crate::tools::{self, Door, Extra, Tool};
use crate::workspace::{self, Profile};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Where programs expect themselves to be
    #[arg(long, value_name = "DIR", default_value = "/usr/local")]
    pub prefix: PathBuf,
    /// A directory that stands for the root of the file system, for packaging
    #[arg(long, value_name = "DIR")]
    pub destdir: Option<PathBuf>,
    /// How the tools are built
    #[arg(long, value_enum, default_value_t)]
    pub profile: Profile,
    /// Only these tools
    #[arg(value_name = "TOOL")]
    pub tools: Vec<String>,
}

/// Where a file's content comes from.
#[derive(Debug)]
enum Source {
    /// The tool's binary.
    Binary,
    /// A symbolic link with this target.
    Link(PathBuf),
    /// Printed by the binary.
    Page(Page),
    /// Copied from the workspace.
    Copy(PathBuf),
}

/// The files of one tool, by their path below the root of the file system.
type Plan = BTreeMap<PathBuf, Source>;

pub(crate) fn install(options: &Options) -> Result<()> {
    let tools = tools::select(&options.tools)?;
    let built = workspace::build(&tools, options.profile)?;
    let mut count = 0;
    for tool in tools {
        for (path, source) in plan(tool, &options.prefix) {
            let target = options.place(&path);
            put(&target, &source, &built.join(tool.binary))
                .with_context(|| format!("cannot install {}", target.display()))?;
            count += 1;
        }
    }
    println!(
        "install: {count} files below {}",
        options.place(&options.prefix).display()
    );
    Ok(())
}

pub(crate) fn uninstall(options: &Options) -> Result<()> {
    let mut count = 0;
    for tool in tools::select(&options.tools)? {
        for path in plan(tool, &options.prefix).keys() {
            let target = options.place(path);
            if target.symlink_metadata().is_ok() {
                std::fs::remove_file(&target)
                    .with_context(|| format!("cannot remove {}", target.display()))?;
                count += 1;
            }
            options.remove_empty_parents(&target);
        }
    }
    println!("uninstall: {count} files removed");
    Ok(())
}

/// Packs what `install --prefix /usr` writes; two runs on one commit give the same bytes.
pub(crate) fn dist() -> Result<()> {
    let tree = TempDir::new()?;
    install(&Options {
        prefix: "/usr".into(),
        destdir: Some(tree.path().to_owned()),
        profile: Profile::Release,
        tools: Vec::new(),
    })?;
    let dir = workspace::target_dir()?.join("dist");
    std::fs::create_dir_all(&dir)?;
    let name = format!(
        "nightshift-{}-{}.tar.xz",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH
    );
    let archive = dir.join(name);
    let mut git = Command::new("git");
    git.current_dir(workspace::root())
        .args(["log", "-1", "--format=%ct"]);
    let mtime = format!("--mtime=@{}", shell::capture(&mut git)?.trim());
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--xz",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
    ]);
    tar.arg(mtime)
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(tree.path())
        .arg("usr");
    shell::run(&mut tar)?;
    println!("dist: {}", archive.display());
    Ok(())
}

impl Options {
    fn place(&self, path: &Path) -> PathBuf {
        match &self.destdir {
            Some(destdir) => destdir.join(path.strip_prefix("/").unwrap_or(path)),
            None => path.to_owned(),
        }
    }

    /// Removes directories that became empty: below a destdir all of them, on a real system
    /// only the suite's own, because the others belong to the system.
    fn remove_empty_parents(&self, path: &Path) {
        for dir in path.ancestors().skip(1) {
            let ours = match &self.destdir {
                Some(destdir) => dir.starts_with(destdir) && dir != destdir,
                None => dir.iter().any(|part| part == "nightshift"),
            };
            // A directory that is not empty refuses, and so will its parents.
            if !ours || std::fs::remove_dir(dir).is_err() && dir.exists() {
                return;
            }
        }
    }
}

fn plan(tool: &Tool, prefix: &Path) -> Plan {
    let mut plan = Plan::new();
    let bin = prefix.join(match tool.door {
        Door::Bin => "bin",
        Door::Sbin => "sbin",
    });
    plan.insert(bin.join(tool.binary), Source::Binary);
    for link in tool.links {
        let target = match tool.door {
            Door::Sbin => tool.binary.into(),
            Door::Bin => Path::new("../bin").join(tool.binary),
        };
        plan.insert(prefix.join("sbin").join(link), Source::Link(target));
    }
    for page in generate::pages(tool) {
        let path = match page.what {
            "man" => format!("share/man/man8/{}.8", tool.binary),
            "man-config" => format!("share/man/man5/{}.toml.5", tool.binary),
            "bash" => format!("share/bash-completion/completions/{}", tool.binary),
            "fish" => format!("share/fish/vendor_completions.d/{}.fish", tool.binary),
            _ => format!("share/zsh/site-functions/_{}", tool.binary),
        };
        plan.insert(prefix.join(path), Source::Page(page));
    }
    for extra in tool.extras {
        let (dir, name) = match extra {
            Extra::Unit(name) => ("lib/systemd/system".into(), name),
            Extra::Example(name) => (format!("share/doc/nightshift/{}", tool.package), name),
        };
        let source = workspace::root()
            .join("crates")
            .join(tool.package)
            .join("dist")
            .join(name);
        plan.insert(prefix.join(dir).join(name), Source::Copy(source));
    }
    plan
}

/// Writes one file beside its place and renames it there, so that a running binary or a reader
/// of the old file is not disturbed.
fn put(target: &Path, source: &Source, binary: &Path) -> Result<()> {
    let dir = target.parent().context("no directory")?;
    std::fs::create_dir_all(dir)?;
    let scratch = tempfile::Builder::new()
        .prefix(".nightshift-")
        .tempdir_in(dir)?;
    let new = scratch.path().join("new");
    let mode = match source {
        Source::Link(to) => {
            symlink(to, &new)?;
            None
        }
        Source::Binary => {
            std::fs::copy(binary, &new)?;
            Some(0o755)
        }
        Source::Copy(from) => {
            std::fs::copy(from, &new).with_context(|| format!("cannot read {}", from.display()))?;
            Some(0o644)
        }
        Source::Page(page) => {
            #[expect(
                clippy::disallowed_methods,
                reason = "the rename below makes it atomic"
            )]
            std::fs::write(&new, generate::print(binary, page)?)?;
            Some(0o644)
        }
    };
    if let Some(mode) = mode {
        std::fs::set_permissions(&new, PermissionsExt::from_mode(mode))?;
    }
    std::fs::rename(&new, target)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Tool = Tool {
        door: Door::Sbin,
        links: &["mount.tool"],
        extras: &[Extra::Unit("tool.service"), Extra::Example("cron")],
        ..Tool::named("tool")
    };

    #[test]
    fn everything_lies_below_the_prefix() {
        let plan = plan(&TOOL, Path::new("/opt/x"));
        assert!(plan.keys().all(|path| path.starts_with("/opt/x")));
        for path in [
            "sbin/tool",
            "sbin/mount.tool",
            "share/man/man8/tool.8",
            "share/man/man5/tool.toml.5",
            "lib/systemd/system/tool.service",
            "share/doc/nightshift/tool/cron",
        ] {
            assert!(plan.contains_key(&Path::new("/opt/x").join(path)), "{path}");
        }
        assert!(
            matches!(&plan[Path::new("/opt/x/sbin/mount.tool")], Source::Link(to) if to == Path::new("tool"))
        );
    }

    #[test]
    fn emptied_directories_go_up_to_the_destdir_and_full_ones_stay() {
        let destdir = TempDir::new().unwrap();
        let options = Options {
            prefix: "/usr".into(),
            destdir: Some(destdir.path().to_owned()),
            profile: Profile::Dev,
            tools: Vec::new(),
        };
        let empty = options.place(Path::new("/usr/share/man/man8/tool.8"));
        std::fs::create_dir_all(empty.parent().unwrap()).unwrap();
        std::fs::create_dir_all(destdir.path().join("usr/share/keep/dir")).unwrap();
        options.remove_empty_parents(&empty);
        assert!(!destdir.path().join("usr/share/man").exists());
        assert!(destdir.path().join("usr/share/keep/dir").exists());
    }

    #[test]
    fn a_system_directory_is_never_removed_without_a_destdir() {
        let dir = TempDir::new().unwrap();
        let options = Options {
            prefix: dir.path().join("p"),
            destdir: None,
            profile: Profile::Dev,
            tools: Vec::new(),
        };
        let ours = options.prefix.join("share/doc/nightshift/tool");
        std::fs::create_dir_all(&ours).unwrap();
        options.remove_empty_parents(&ours.join("cron"));
        assert!(!options.prefix.join("share/doc/nightshift").exists());
        assert!(options.prefix.join("share/doc").exists());
    }

    #[test]
    fn every_extra_exists() {
        for tool in tools::ALL {
            for source in plan(tool, Path::new("/usr")).into_values() {
                if let Source::Copy(path) = source {
                    assert!(path.is_file(), "{} is missing", path.display());
                }
            }
        }
    }
}
