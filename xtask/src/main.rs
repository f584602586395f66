//! Development commands of the workspace: `cargo xtask COMMAND`.
//!
//! One file per command, one table of tools ([`tools`]). xtask runs the tools' binaries and
//! links none of their crates.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a development command talks to the person who ran it"
)]

#[allow(dead_code, reason = "each bench takes what it needs of it")]
mod bench;
mod ci;
mod demo;
mod fuzz;
mod generate;
mod install;
mod interrupt;
mod licences;
#[allow(dead_code, reason = "each bench takes what it needs of it")]
mod measure;
mod sessions;
mod setup;
mod shell;
mod soak;
#[allow(dead_code, reason = "used by `measure`")]
mod sys;
mod test;
#[cfg(test)]
mod tidy;
mod tools;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about,
    disable_help_subcommand = true
)]
enum Command {
    /// Install what the machine lacks: Debian packages, a private Python environment
    Setup(setup::Options),
    /// Show the main job of every tool on real input
    Demo(demo::Options),
    /// Run the tests; as root all of them
    Test(test::Options),
    /// Run everything that must pass before a change is merged
    Ci(ci::Options),
    /// Write the generated manual pages and completions
    Gen(generate::Options),
    /// Build and install under --prefix and --destdir
    Install(install::Options),
    /// Remove what install put there
    Uninstall(install::Options),
    /// Pack an installed tree into a reproducible archive under target/dist
    Dist,
    /// Measure the numbers that the documentation quotes
    Bench(bench::Options),
    /// Run a tool's long random test
    Soak(soak::Options),
    /// Run a tool's fuzz targets (needs a nightly toolchain and cargo-fuzz)
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    interrupt::install();
    let result = match Command::parse() {
        Command::Setup(options) => setup::run(&options),
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Ci(options) => ci::run(&options),
        Command::Gen(options) => generate::run(&options),
        Command::Install(options) => install::install(&options),
        Command::Uninstall(options) => install::uninstall(&options),
        Command::Dist => install::dist(),
        Command::Bench(options) => bench::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Fuzz(options) => fuzz::run(&options),
    };
    // Everything that had to be cleaned up has been dropped by now.
    interrupt::end_by_signal();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error:#}");
            ExitCode::from(if error.is::<setup::NeedsRoot>() { 2 } else { 1 })
        }
    }
}
