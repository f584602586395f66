//! `doctor`: what would keep bundles from working on this machine.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use nightshift_common::exit::Exit;

use crate::config::{Mode, Settings};
use crate::link_kind::Kind;
use crate::tdb::Tdb;
use crate::unit::open_ppp;
use crate::{pppd, sys};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub subject: String,
    /// What was found, or what is wrong and what helps.
    pub result: Result<String, String>,
}

fn finding(subject: impl Into<String>, result: Result<String, String>) -> Finding {
    Finding {
        subject: subject.into(),
        result,
    }
}

/// Looks at everything.
pub fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![
        finding("privileges", privileges()),
        finding("kernel", kernel(settings)),
        finding("pppd", program(&settings.pppd, settings)),
    ];
    if needs_multilink(settings) {
        findings.push(finding("database", database(settings)));
    }
    for bundle in &settings.bundles {
        for link in &bundle.links {
            if let Kind::Tty { device, .. } = &link.kind {
                let subject = format!("link {}/{}", bundle.name, link.name);
                findings.push(finding(subject, terminal(device)));
            }
            if let Kind::Pppoe { device, .. } = &link.kind {
                let there = Path::new("/sys/class/net").join(device).exists();
                let subject = format!("link {}/{}", bundle.name, link.name);
                let result = if there {
                    Ok(format!("{device} exists"))
                } else {
                    Err(format!("there is no interface {device}"))
                };
                findings.push(finding(subject, result));
            }
        }
    }
    findings
}

fn needs_multilink(settings: &Settings) -> bool {
    settings
        .bundles
        .iter()
        .any(|bundle| bundle.mode == Mode::Keeper)
}

fn privileges() -> Result<String, String> {
    if rustix::process::geteuid().is_root() {
        Ok("root".into())
    } else {
        Err("not root: run as root, or with CAP_NET_ADMIN and CAP_NET_RAW".into())
    }
}

fn kernel(settings: &Settings) -> Result<String, String> {
    let file = open_ppp().map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => "/dev/ppp is closed to us: run as root".to_owned(),
        _ => format!("no /dev/ppp ({error}): modprobe ppp_generic"),
    })?;
    if !needs_multilink(settings) {
        return Ok("/dev/ppp".into());
    }
    // A unit of our own for a moment: the flag is refused by kernels without multilink.
    sys::ppp_new_unit(&file).map_err(|error| format!("cannot make a PPP interface: {error}"))?;
    sys::ppp_set_mrru(&file, 1500)
        .and_then(|()| sys::ppp_set_flags(&file, sys::flag::MULTILINK))
        .map_err(|error| format!("no multilink in the kernel ({error}): CONFIG_PPP_MULTILINK"))?;
    let flags = sys::ppp_flags(&file).unwrap_or(0);
    if flags & sys::flag::MULTILINK == 0 {
        return Err("no multilink in the kernel: CONFIG_PPP_MULTILINK".into());
    }
    Ok("/dev/ppp with multilink".into())
}

fn program(path: &Path, settings: &Settings) -> Result<String, String> {
    let facts = pppd::examine(path).map_err(|error| {
        format!(
            "{}: install the package ppp",
            nightshift_common::error::chain(&error)
        )
    })?;
    if needs_multilink(settings) && facts.database.is_none() {
        return Err(format!("{} was built without multilink", path.display()));
    }
    let output = std::process::Command::new(path)
        .arg("--version")
        .output()
        .map_err(|error| format!("cannot run {}: {error}", path.display()))?;
    let text = [output.stdout, output.stderr].concat();
    let line = String::from_utf8_lossy(&text)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned();
    Ok(format!("{}: {line}", path.display()))
}

fn database(settings: &Settings) -> Result<String, String> {
    let built_in = pppd::examine(&settings.pppd)
        .ok()
        .and_then(|facts| facts.database);
    let path = match (&settings.database, &built_in) {
        (Some(configured), Some(built_in)) if configured != built_in => {
            return Err(format!(
                "`database` is {}, but pppd uses {}",
                configured.display(),
                built_in.display()
            ));
        }
        (Some(path), _) | (None, Some(path)) => path,
        (None, None) => return Err("pppd names no database; set `database` in [defaults]".into()),
    };
    if !path.exists() {
        return Ok(format!("{} (will be created)", path.display()));
    }
    match Tdb::open(path).and_then(|tdb| tdb.keys()) {
        Ok(keys) => Ok(format!("{}, {} records", path.display(), keys.len())),
        Err(error) => Err(nightshift_common::error::chain(&error)),
    }
}

fn terminal(device: &Path) -> Result<String, String> {
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
    let metadata =
        std::fs::metadata(device).map_err(|error| format!("{}: {error}", device.display()))?;
    if !metadata.file_type().is_char_device() {
        return Err(format!("{} is not a terminal", device.display()));
    }
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(device)
        .map_err(|error| format!("{}: {error}", device.display()))?;
    rustix::termios::tcgetattr(&file)
        .map(|_| device.display().to_string())
        .map_err(|error| format!("{} is not a terminal: {error}", device.display()))
}

/// For people, and the exit code.
pub fn report(findings: &[Finding]) -> (String, Exit) {
    let mut text = String::new();
    for finding in findings {
        let (mark, found) = match &finding.result {
            Ok(found) => ("ok  ", found),
            Err(problem) => ("BAD ", problem),
        };
        let _ = writeln!(text, "{mark} {:<16} {found}", finding.subject);
    }
    let bad = findings.iter().any(|finding| finding.result.is_err());
    (text, if bad { Exit::Attention } else { Exit::Done })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_problem_is_enough_for_attention() {
        let good = finding("a", Ok("fine".into()));
        let bad = finding("b", Err("broken: fix it".into()));
        assert_eq!(report(std::slice::from_ref(&good)).1, Exit::Done);
        let (text, exit) = report(&[good, bad]);
        assert_eq!(exit, Exit::Attention);
        assert!(
            text.contains("BAD  b                broken: fix it"),
            "{text}"
        );
    }

    #[test]
    fn a_terminal_must_be_one() {
        assert!(
            terminal(Path::new("/dev/null"))
                .unwrap_err()
                .contains("is not a terminal")
        );
        assert!(
            terminal(Path::new("/nonexistent"))
                .unwrap_err()
                .contains("No such file")
        );
        assert!(
            terminal(Path::new("/etc/passwd"))
                .unwrap_err()
                .contains("is not a terminal")
        );
    }
}
