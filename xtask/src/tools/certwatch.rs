//! certwatch: remembers every certificate chain.

mod bench;

use std::io::{BufReader, Write as _};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::{Debian, Extra, Helper, Tool};
use crate::demo::{Demo, note};

pub(super) const TOOL: Tool = Tool {
    extras: &[
        Extra::Unit("certwatch.service"),
        Extra::Unit("certwatch-scan.service"),
        Extra::Unit("certwatch-scan.timer"),
        Extra::Example("certwatch.toml"),
        Extra::Example("cron"),
    ],
    debian: Debian {
        test: &["ldnsutils", "openssl", "postgresql", "unbound"],
        demo: &[],
        bench: &["openssl", "prometheus-blackbox-exporter"],
    },
    helpers: &[Helper::Example("fleet")],
    bench_python: &["sslyze==6.3.1"],
    demo: Some(demo),
    bench: Some(bench::run),
    fuzz: &["hello", "starttls", "certificate", "targets"],
    ..Tool::named("certwatch")
};

/// Ends the fleet with the demo, whichever way that goes.
struct Fleet(Child);

impl Drop for Fleet {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Scans a small fleet twice, gives one host a certificate of another CA, and scans again.
fn demo(demo: &Demo) -> Result<()> {
    let sandbox = demo.sandbox();
    let (mut fleet, mut answers) = demo.step("start a fleet of 60 TLS endpoints", || {
        let mut child = Command::new(demo.helper("fleet")?)
            .arg(sandbox.path())
            .args(["0", "60"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let answers = BufReader::new(child.stdout.take().context("the fleet has no output")?);
        let mut fleet = (Fleet(child), answers);
        expect(&mut fleet.1, "ready")?;
        Ok(fleet)
    })?;
    let (targets, roots) = (sandbox.join("targets"), sandbox.join("roots.pem"));
    let store = sandbox.join("store.db");
    let tool = |args: &[&str]| -> Result<(Option<i32>, String)> {
        let output = Command::new(demo.binary())
            .args(args)
            .arg("--store")
            .arg(&store)
            .arg("--roots")
            .arg(&roots)
            .stderr(Stdio::inherit())
            .output()?;
        Ok((
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        ))
    };
    let file = targets.display().to_string();
    let scan = || tool(&["scan", "-f", &file]);
    for what in [
        "scan: everything is seen for the first time",
        "scan again: nothing is news",
    ] {
        demo.step(what, || {
            let (code, text) = scan()?;
            ensure!(code == Some(0) && text.is_empty(), "exit {code:?}: {text}");
            Ok(())
        })?;
    }
    demo.step("give one host a certificate of another CA", || {
        let stdin = fleet.0.stdin.as_mut().context("the fleet has no input")?;
        writeln!(stdin, "swap h7.fleet.test other")?;
        expect(&mut answers, "swapped")
    })?;
    let text = demo.step("scan: the change is found", || {
        let (code, text) = scan()?;
        ensure!(
            code == Some(1) && text.contains("owner-changed"),
            "exit {code:?}: {text}"
        );
        Ok(text)
    })?;
    note(&text);
    let target = text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    let (_, text) = demo.step("show old beside new", || tool(&["diff", &target]))?;
    note(&text);
    Ok(())
}

fn expect(answers: &mut impl std::io::BufRead, word: &str) -> Result<()> {
    let mut line = String::new();
    answers.read_line(&mut line)?;
    ensure!(line.trim() == word, "the fleet said {line:?}");
    Ok(())
}
