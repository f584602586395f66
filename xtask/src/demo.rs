//! `cargo xtask demo`: the main job of every tool, on real input, visibly.
//!
//! The last line is `demo: ok`, or names the step that failed. What a demo creates belongs to
//! guards, so that a failure or a Ctrl-C leaves nothing behind.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use nightshift_testkit::Sandbox;

use crate::setup::{self, Needs};
use crate::tools::{self, Tool};
use crate::workspace::{self, Profile};
use crate::{interrupt, shell};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these tools
    #[arg(value_name = "TOOL")]
    tools: Vec<String>,
    /// How the tools are built; what a demo shows does not depend on it, the time to build does
    #[arg(long, value_enum, default_value_t = Profile::Dev)]
    profile: Profile,
}

/// What a tool's demo works with.
#[derive(Debug)]
pub(crate) struct Demo {
    name: &'static str,
    binary: PathBuf,
    sandbox: Sandbox,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tools: Vec<_> = tools::select(&options.tools)?
        .into_iter()
        .filter(|tool| tool.demo.is_some())
        .collect();
    ensure!(!tools.is_empty(), "none of these tools has a demo");
    ensure!(
        setup::is_root(),
        "demo: the tools work on block devices, mounts and interfaces: run it as root"
    );
    Needs::for_demo(&tools).meet()?;
    println!("demo: building");
    let dir = workspace::build(&tools, options.profile)?;
    let started = Instant::now();
    for tool in &tools {
        show(tool, &dir).with_context(|| format!("demo: failed in {}", tool.package))?;
    }
    println!(
        "demo: {} in {:.0} s",
        plural(tools.len()),
        started.elapsed().as_secs_f64()
    );
    println!("demo: ok");
    Ok(())
}

fn plural(tools: usize) -> String {
    format!("{tools} tool{}", if tools == 1 { "" } else { "s" })
}

fn show(tool: &Tool, dir: &Path) -> Result<()> {
    let Some(part) = tool.demo else { return Ok(()) };
    let demo = Demo {
        name: tool.package,
        binary: dir.join(tool.binary),
        sandbox: Sandbox::new(),
    };
    // The guards of the test kit panic; here that is an error like any other.
    catch_unwind(AssertUnwindSafe(|| part(&demo))).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        Err(anyhow!("{}", text.unwrap_or("panic")))
    })
}

impl Demo {
    /// Does one step and prints what it is and how long it took.
    pub(crate) fn step<T>(&self, what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        interrupt::check()?;
        print!("{:<14}{what} ... ", self.name);
        std::io::stdout().flush()?;
        let started = Instant::now();
        let result = work();
        let end = if result.is_ok() { "ok" } else { "FAILED" };
        println!("{end} ({:.1} s)", started.elapsed().as_secs_f64());
        result.with_context(|| format!("step \"{what}\""))
    }

    /// A directory that goes when the demo ends.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Runs the tool with `args` and returns its stdout.
    pub(crate) fn tool<A: AsRef<std::ffi::OsStr>>(
        &self,
        args: impl IntoIterator<Item = A>,
    ) -> Result<String> {
        shell::capture(Command::new(self.binary()).args(args))
    }

    /// The tool's binary, for demos that run it in the background.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }
}

/// Prints what a reader of the demo should see: a result, a number, a quotation.
pub(crate) fn note(text: &str) {
    for line in text.lines() {
        println!("{:<14}    {line}", "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> Demo {
        Demo {
            name: "tool",
            binary: "/bin/echo".into(),
            sandbox: Sandbox::new(),
        }
    }

    #[test]
    fn a_failing_step_is_named() {
        let error = demo()
            .step("break", || -> Result<()> { Err(anyhow!("reason")) })
            .unwrap_err();
        assert_eq!(format!("{error:#}"), "step \"break\": reason");
    }

    #[test]
    fn a_tool_is_run_and_its_output_returned() {
        assert_eq!(demo().tool(["a", "b"]).unwrap(), "a b\n");
    }

    #[test]
    fn a_panicking_guard_becomes_an_error() {
        fn part(_: &Demo) -> Result<()> {
            panic!("no {}", "device");
        }
        let tool = Tool {
            demo: Some(part),
            ..Tool::named("tool")
        };
        assert_eq!(
            show(&tool, Path::new("/")).unwrap_err().to_string(),
            "no device"
        );
    }
}
