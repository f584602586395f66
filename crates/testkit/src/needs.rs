//! What a test cannot do without. A test never skips itself: it fails and says what to install.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// The test needs to run as root.
#[track_caller]
pub fn root() {
    assert!(
        rustix::process::geteuid().is_root(),
        "this test needs root: run `sudo -E cargo xtask test`"
    );
}

/// The test needs the command `name` from the Debian package `package`; returns its path.
#[track_caller]
pub fn command(name: &str, package: &str) -> PathBuf {
    [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/sbin",
        "/bin",
    ]
    .iter()
    .map(|dir| Path::new(dir).join(name))
    .find(|path| path.is_file())
    .unwrap_or_else(|| {
        panic!(
            "this test needs the command `{name}`: run `cargo xtask setup` or \
                 `apt-get install {package}`"
        )
    })
}

/// The test needs the file or device `path`; `how` says how to get it.
#[track_caller]
pub fn file(path: impl AsRef<Path>, how: &str) {
    let path = path.as_ref();
    assert!(path.exists(), "this test needs {}: {how}", path.display());
}

/// The test needs a program of the private Python environment that `cargo xtask setup` makes
/// in `venv/` of the target directory; returns its path.
#[track_caller]
pub fn python_tool(name: &str) -> PathBuf {
    let path = target_dir().join("venv/bin").join(name);
    assert!(
        path.is_file(),
        "this test needs {}: run `cargo xtask setup`",
        path.display()
    );
    path
}

/// The test needs the binary `name` of the package `package` of this workspace; returns its
/// path, beside that of the tests.
///
/// Cargo tells a test only the binaries of its own package, but with the whole workspace it
/// builds the others as well. Where only some packages are tested, this builds what is missing.
#[track_caller]
pub fn workspace_binary(package: &str, name: &str) -> PathBuf {
    // Test binaries lie in PROFILE/deps, the others in PROFILE.
    let exe = std::env::current_exe().unwrap_or_default();
    let profile = exe.ancestors().nth(2).unwrap_or(Path::new(""));
    let path = profile.join(name);
    if !path.is_file() {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .args(["build", "--quiet", "--locked", "--package", package])
            .args(["--bin", name])
            // The directory of this crate lies in the workspace, wherever the test runs.
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", target_dir());
        if profile.ends_with("release") {
            build.arg("--release");
        }
        let built = build.status();
        assert!(
            built.as_ref().is_ok_and(ExitStatus::success) && path.is_file(),
            "this test needs {}: run `cargo build --package {package}` ({built:?})",
            path.display()
        );
    }
    path
}

/// The target directory that the running test binary was built into.
#[track_caller]
pub fn target_dir() -> PathBuf {
    // Cargo marks the top of the target directory with this file, wherever it was placed.
    std::env::current_exe()
        .ok()
        .and_then(|exe| {
            exe.ancestors()
                .find(|dir| dir.join("CACHEDIR.TAG").is_file())
                .map(Path::to_owned)
        })
        .unwrap_or_else(|| panic!("this program does not lie in a cargo target directory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_present_command_is_found() {
        assert!(command("losetup", "mount").is_absolute());
    }

    #[test]
    #[should_panic(expected = "apt-get install no-such-package")]
    fn a_missing_command_names_its_package() {
        command("no-such-command", "no-such-package");
    }

    #[test]
    #[should_panic(expected = "load the module")]
    fn a_missing_file_says_how_to_get_it() {
        file("/dev/no-such-device", "load the module");
    }
}
