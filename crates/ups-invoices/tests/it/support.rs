//! A sandbox with configuration, profiles and a portal.

use std::path::PathBuf;

use jiff::ToSpan as _;
use jiff::civil::Date;
use nightshift_testkit::{Cmd, Sandbox};
use ups_testportal::portal::{CLASSIC, JSON, PASSWORD, Portal, USER, weekly};

pub(crate) struct Setup {
    pub(crate) sandbox: Sandbox,
    pub(crate) portal: Portal,
}

pub(crate) fn today() -> Date {
    // The binary under test runs with TZ=UTC.
    jiff::tz::TimeZone::UTC
        .to_datetime(jiff::Timestamp::now())
        .date()
}

/// A configuration for a sandbox, with an account of each flow.
pub(crate) fn config(sandbox: &Sandbox, more: &str) {
    let root = sandbox.path().display();
    sandbox.file("profiles/portal-classic.toml", CLASSIC);
    sandbox.file("profiles/portal-json.toml", JSON);
    let password = sandbox.file("password", PASSWORD);
    sandbox.file(
        "config.toml",
        format!(
            "state = \"{root}/state\"\nprofiles = \"{root}/profiles\"\nlock = \"{root}/lock\"\n\
             archive = \"{root}/archive\"\n\
             [[account]]\nname = \"classic\"\nprofile = \"portal-classic\"\nusername = \"{USER}\"\n\
             numbers = [\"A1B2C3\"]\npassword_command = [\"cat\", \"{}\"]\n\
             totp_command = [\"echo\", \"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\"]\n\
             [[account]]\nname = \"json\"\nprofile = \"portal-json\"\n\
             [tls]\nca_file = \"{root}/ca.pem\"\n{more}",
            password.display()
        ),
    );
}

impl Setup {
    /// A portal of `count` weekly invoices, the last one three days old.
    pub(crate) fn new(count: usize) -> Self {
        let sandbox = Sandbox::new();
        let portal = Portal::start(weekly(count, today().saturating_sub(3.days()), 4)).unwrap();
        sandbox.file("ca.pem", portal.authority.pem());
        config(&sandbox, "");
        Self { sandbox, portal }
    }

    /// The binary with configuration and addresses; commands of one account say which.
    pub(crate) fn cmd(&self, arguments: &[&str]) -> Cmd {
        let mut cmd = bin(&self.sandbox);
        for entry in self.portal.resolve() {
            cmd = cmd.arg("--resolve").arg(entry);
        }
        cmd.args(arguments)
    }

    pub(crate) fn classic(&self, arguments: &[&str]) -> Cmd {
        self.cmd(&["--account", "classic"]).args(arguments)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Cmd {
        self.cmd(&["--account", "json"]).args(arguments)
    }

    /// Files of the archive: name and content, partial ones included.
    pub(crate) fn files(&self) -> Vec<(String, Vec<u8>)> {
        files_in(self.sandbox.join("archive"))
    }

    /// What the archive must hold for all invoices in all formats.
    pub(crate) fn expected(&self) -> Vec<(String, Vec<u8>)> {
        use ups_testportal::variant::{Variant, pdf, xml};
        let mut files = Vec::new();
        for invoice in self.portal.invoices.iter() {
            let name = |ext: &str| format!("{}_{}.{ext}", invoice.date, invoice.number);
            files.push((name("csv"), Variant::default().csv(invoice)));
            files.push((name("pdf"), pdf(invoice)));
            files.push((name("xml"), xml(invoice).into_bytes()));
        }
        files.sort();
        files
    }
}

/// The binary with the sandbox's configuration.
pub(crate) fn bin(sandbox: &Sandbox) -> Cmd {
    Cmd::new(env!("CARGO_BIN_EXE_ups-invoices"))
        .arg("--config")
        .arg(sandbox.join("config.toml"))
        .env("NO_PROXY", "*")
}

pub(crate) fn files_in(directory: PathBuf) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    if let Ok(entries) = std::fs::read_dir(directory) {
        for entry in entries {
            let entry = entry.unwrap();
            files.push((
                entry.file_name().to_string_lossy().into_owned(),
                std::fs::read(entry.path()).unwrap(),
            ));
        }
    }
    files.sort();
    files
}
