//! A root directory for a sandboxed node: distccd, one compiler, what they load, and nothing else.
//!
//! distccd's whitelist restricts the compiler's name, not its flags: an allowed client can run any
//! program through `-wrapper` and read any file through `.incbin`. A root without a shell and
//! without the node's files takes the point out of both.
//!
//! Programs are never run to find out what they load (ldd would); their ELF headers say it.

mod needed;
mod stage;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nightshift_common::atomic;
use nightshift_common::escape::Escaped;

use crate::error::{Error, at};
use stage::Stage;

/// The daemon; Debian installs it here, and the rendered units start it from here.
const DISTCCD: &str = "/usr/bin/distccd";
/// Programs that would let a client run what it likes.
const INTERPRETERS: &[&str] = &[
    "sh", "bash", "dash", "ash", "ksh", "zsh", "fish", "busybox", "toybox", "perl", "awk", "lua",
];
/// Directories that the sandboxes mount something on.
const MOUNT_POINTS: &[&str] = &["dev", "proc", "run", "tmp", "var/tmp"];
/// The only account: what distccd's user is called inside.
const PASSWD: &str = "nobody:x:65534:65534:nobody:/:/nonexistent\n";

/// What was built.
#[derive(Debug)]
pub struct Built {
    /// Regular files in the root.
    pub files: usize,
    /// Their size together, in bytes.
    pub bytes: u64,
    /// Shells and other interpreters that got in; if there are any, nothing was written.
    pub interpreters: Vec<PathBuf>,
}

/// Collects the root for the compiler `cc` (a name or an absolute path) and writes it as a tar
/// archive.
pub fn build(cc: &str, cxx: bool, output: &Path) -> Result<Built, Error> {
    let directory =
        tempfile::tempdir().map_err(at("create", Path::new("a temporary directory")))?;
    let mut stage = Stage::new(directory.path());
    stage.add(Path::new(DISTCCD))?;
    let mut compilers = vec![find(cc)?];
    if cxx {
        compilers.push(find(&cxx_name(cc)?)?);
    }
    for compiler in &compilers {
        stage.add(compiler)?;
        // distccd looks for an executable of this name before it runs the compiler.
        let name = compiler.file_name().unwrap_or_default();
        stage.link(&Path::new("usr/lib/distcc").join(name), compiler)?;
    }
    // A node compiles and assembles; nobody links there.
    for program in ["cc1", "as"].into_iter().chain(cxx.then_some("cc1plus")) {
        stage.add(&program_of(&compilers[0], program)?)?;
    }
    for directory in MOUNT_POINTS {
        stage.directory(Path::new(directory))?;
    }
    stage.file(Path::new("etc/passwd"), PASSWD)?;
    stage.index_libraries()?;

    let files = stage.regular_files()?;
    let built = Built {
        files: files.len(),
        bytes: files.values().sum(),
        interpreters: interpreters(&files),
    };
    if built.interpreters.is_empty() {
        let archive = stage.archive()?;
        atomic::replace_with(output, 0o644, &archive)?;
    }
    Ok(built)
}

/// Names that are interpreters, versioned ones such as python3.11 too.
fn interpreters(files: &BTreeMap<PathBuf, u64>) -> Vec<PathBuf> {
    let dangerous = |path: &&PathBuf| {
        path.file_name()
            .and_then(|name| name.to_str())
            .is_some_and(|name| INTERPRETERS.contains(&name) || name.starts_with("python"))
    };
    files.keys().filter(dangerous).cloned().collect()
}

fn cxx_name(cc: &str) -> Result<String, Error> {
    match cc.rfind("gcc") {
        Some(at) => Ok(format!("{}g++{}", &cc[..at], &cc[at + 3..])),
        None => Err(Error::Usage(format!(
            "--cxx: \"{cc}\" has no gcc in its name to replace by g++"
        ))),
    }
}

/// Looks a command up in PATH, as a shell does.
fn find(name: &str) -> Result<PathBuf, Error> {
    let executable = |path: &Path| {
        fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let path = std::path::absolute(name).map_err(at("find", Path::new(name)))?;
        return if executable(&path) {
            Ok(path)
        } else {
            Err(not_found(name))
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|path| executable(path))
        .ok_or_else(|| not_found(name))
}

fn not_found(name: &str) -> Error {
    Error::ToolRoot {
        path: name.into(),
        reason: "no such program".to_owned(),
    }
}

/// Asks the compiler's driver where it finds one of its programs.
fn program_of(compiler: &Path, program: &str) -> Result<PathBuf, Error> {
    let output = Command::new(compiler)
        .arg(format!("-print-prog-name={program}"))
        .output()
        .map_err(|source| Error::Run {
            program: compiler.display().to_string(),
            source,
        })?;
    let answer = String::from_utf8_lossy(&output.stdout)
        .trim_end()
        .to_owned();
    if !output.status.success() {
        return Err(Error::Failed {
            program: compiler.display().to_string(),
            status: output.status.to_string(),
            message: Escaped::text(output.stderr.trim_ascii()).to_string(),
        });
    }
    // A name without a directory means that the driver would search PATH for it.
    if answer.contains('/') {
        Ok(answer.into())
    } else {
        find(&answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cxx_compiler_keeps_prefix_and_version() {
        assert_eq!(
            cxx_name("arm-linux-gnueabi-gcc-12").unwrap(),
            "arm-linux-gnueabi-g++-12"
        );
        assert!(cxx_name("arm-linux-gnueabi-cc").is_err());
    }

    #[test]
    fn interpreters_are_found_by_name() {
        let files = [
            "usr/bin/dash",
            "usr/bin/python3.11",
            "usr/bin/distccd",
            "usr/lib/libsh.so",
        ]
        .map(|path| (PathBuf::from(path), 0));
        let found = interpreters(&BTreeMap::from(files));
        assert_eq!(
            found,
            [
                PathBuf::from("usr/bin/dash"),
                PathBuf::from("usr/bin/python3.11")
            ]
        );
    }
}
