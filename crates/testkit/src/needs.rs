//! What a test cannot do without. A test never skips itself: it fails and says what to install.

use std::path::{Path, PathBuf};

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
