//! ups-invoices: fetch, prove and file UPS invoices.

mod bench;

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::{Debian, Tool};
use crate::demo::{Demo, note};
use crate::{shell, workspace};

pub(super) const TOOL: Tool = Tool {
    debian: Debian {
        test: &[
            "beancount",
            "ca-certificates",
            "hledger",
            "ledger",
            "openssl",
            "sqlite3",
        ],
        demo: &[],
        bench: &[],
    },
    python: &["duckdb==2.0.0"],
    demo: Some(demo),
    bench: Some(bench::run),
    fuzz: &["csv", "xml", "forms"],
    ..Tool::named("ups-invoices")
};

/// The test portal, running; ended when this is dropped.
struct Portal {
    child: Child,
    resolve: Vec<String>,
}

impl Portal {
    fn start(directory: &std::path::Path) -> Result<Self> {
        let mut child = Command::new(build_portal()?)
            .arg("serve")
            .arg(directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the test portal")?;
        let stdout = child.stdout.take().context("the portal has no stdout")?;
        let resolve = BufReader::new(stdout)
            .lines()
            .take(2)
            .collect::<std::io::Result<Vec<_>>>()?;
        ensure!(resolve.len() == 2, "the test portal ended at once");
        Ok(Self { child, resolve })
    }
}

impl Drop for Portal {
    fn drop(&mut self) {
        // It is ours and has nothing to save; if it ended by itself both fail, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the portal's binary and gives its path.
fn build_portal() -> Result<PathBuf> {
    let package = [
        "--locked",
        "--release",
        "--quiet",
        "--package",
        "ups-testportal",
    ];
    shell::run(workspace::cargo("build").args(package))?;
    Ok(workspace::target_dir()?.join("release/ups-testportal"))
}

/// Signs in to the test portal over TLS, fetches, proves, exports; then a refusal.
fn demo(demo: &Demo) -> Result<()> {
    let directory = demo.sandbox().path().to_owned();
    let portal = demo.step("start a portal with twelve invoices, over TLS", || {
        Portal::start(&directory)
    })?;
    let config = directory.join("config.toml");
    let tool = |arguments: &[&str]| -> Result<String> {
        let mut command = Command::new(demo.binary());
        command.arg("--config").arg(&config).env("NO_PROXY", "*");
        for entry in &portal.resolve {
            command.args(["--resolve", entry]);
        }
        shell::capture(command.args(arguments))
    };
    demo.step("sign in, list, download CSV, XML and PDF", || {
        let summary = tool(&["--json", "fetch"])?;
        ensure!(
            summary.contains("\"logins\": 1"),
            "not one sign-in: {summary}"
        );
        note(tool(&["list"])?.lines().last().unwrap_or_default());
        Ok(())
    })?;
    demo.step("again: nothing is downloaded, nothing is said", || {
        let said = tool(&["fetch"])?;
        ensure!(said.is_empty(), "it said {said}");
        Ok(())
    })?;
    demo.step("prove every invoice to the cent", || {
        let verdicts = tool(&["check", "--all"])?;
        let passed = verdicts
            .lines()
            .filter(|line| line.contains("passed"))
            .count();
        ensure!(passed == 12 && verdicts.lines().count() == 12, "{verdicts}");
        note(verdicts.lines().last().unwrap_or_default());
        Ok(())
    })?;
    demo.step("export a journal, sum up by class", || {
        let journal = tool(&["export", "--to", "hledger"])?;
        ensure!(
            journal
                .lines()
                .filter(|line| line.ends_with(") UPS"))
                .count()
                == 12,
            "not twelve transactions"
        );
        note(&tool(&["report"])?);
        Ok(())
    })?;
    demo.step(
        "refuse the portal when its authority is not the one configured",
        || {
            let other = Portal::start(demo.sandbox().dir("other").as_path())?;
            let status = Command::new(demo.binary())
                .arg("--config")
                .arg(&config)
                .args([
                    "--resolve",
                    &other.resolve[0],
                    "--resolve",
                    &other.resolve[1],
                ])
                .args(["doctor-tls", "www.portal.test"])
                .stdout(Stdio::null())
                .status()?;
            ensure!(
                status.code() == Some(11),
                "ended with {status}, expected 11"
            );
            Ok(())
        },
    )
}
