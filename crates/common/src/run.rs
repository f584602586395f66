//! The wrapper around every tool: parse, set up the log, run, report, exit code; used by every
//! tool's one-line `main`.

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches, ValueEnum as _};

use crate::error::{self, Report};
use crate::exit::Exit;
use crate::flags::{Generate, SharedFlags};
use crate::manual::{self, Manual};
use crate::output::Out;
use crate::{logging, signals};

/// What the wrapper must know about a tool.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// The binary's name; also that of its configuration file and the prefix of its messages.
    pub name: &'static str,
    /// The prose of its manual pages.
    pub manual: Manual,
}

/// What the wrapper hands to the tool besides its parsed command line.
#[derive(Debug)]
pub struct Context {
    /// The command line's definition, which knows the names of environment variables.
    pub command: Command,
    /// The raw matches, from which [`crate::config::Resolver`] tells flags from environment.
    pub matches: ArgMatches,
}

/// Runs a tool from its arguments to its exit code. Nothing below calls `process::exit`.
///
/// `C` is the clap type of the command line, `shared` finds the common flags in it, `body` does
/// the work. An error is reported once, here, with its chain and its hint. [`Exit::Signal`] ends
/// the process by that signal after everything was dropped.
pub fn run<C, E>(
    tool: &Tool,
    argv: impl IntoIterator<Item = OsString>,
    shared: fn(&C) -> &SharedFlags,
    body: impl FnOnce(C, &Context) -> Result<Exit, E>,
) -> ExitCode
where
    C: CommandFactory + FromArgMatches,
    E: Report,
{
    let argv: Vec<OsString> = argv.into_iter().collect();
    if let Some(what) = asked_to_generate(&argv) {
        return generate::<C>(tool, what);
    }
    let parsed = C::command()
        .try_get_matches_from(argv)
        .and_then(|matches| C::from_arg_matches(&matches).map(|cli| (cli, matches)));
    let (cli, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version are errors to clap, but go to stdout and are success.
            let exit = if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
            // Nobody is left to tell when even this cannot be printed.
            let _ = error.print();
            return exit.into();
        }
    };
    logging::init(tool.name, shared(&cli));
    let exit = body(
        cli,
        &Context {
            command: C::command(),
            matches,
        },
    )
    .unwrap_or_else(|error| {
        error::report(&error);
        error.exit()
    });
    if let Exit::Signal(signal) = exit {
        signals::raise(signal);
    }
    exit.into()
}

/// Looked at before parsing, so that no other argument is required.
fn asked_to_generate(argv: &[OsString]) -> Option<Generate> {
    let first = argv.get(1)?.to_str()?;
    let what = match first.strip_prefix("--generate=") {
        Some(what) => what,
        None if first == "--generate" => argv.get(2)?.to_str()?,
        None => return None,
    };
    Generate::from_str(what, false).ok()
}

fn generate<C: CommandFactory>(tool: &Tool, what: Generate) -> ExitCode {
    let mut command = C::command().name(tool.name).bin_name(tool.name);
    match manual::generate(what, &mut command, &tool.manual, &mut Out::stdout()) {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            // The log is not set up: no flags were parsed.
            let _ = writeln!(std::io::stderr(), "{}: error: {error}", tool.name);
            Exit::Failed.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        shared: SharedFlags,
        required: u32,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("no")]
    struct No;

    impl Report for No {
        fn exit(&self) -> Exit {
            Exit::Attention
        }
    }

    const TOOL: Tool = Tool {
        name: "tool",
        manual: Manual {
            tool: "",
            config: None,
        },
    };

    fn code(args: &[&str], body: fn(u32) -> Result<Exit, No>) -> String {
        let argv = args.iter().map(OsString::from);
        let code = run::<Cli, No>(&TOOL, argv, |cli| &cli.shared, |cli, _| body(cli.required));
        format!("{code:?}")
    }

    #[test]
    fn outcomes_and_errors_become_codes() {
        let done = format!("{:?}", ExitCode::from(0));
        let attention = format!("{:?}", ExitCode::from(1));
        let usage = format!("{:?}", ExitCode::from(2));
        assert_eq!(code(&["tool", "7"], |_| Ok(Exit::Done)), done);
        assert_eq!(code(&["tool", "7"], |_| Err(No)), attention);
        assert_eq!(code(&["tool"], |_| Ok(Exit::Done)), usage);
    }

    #[test]
    fn generating_needs_no_other_argument_and_must_come_first() {
        let asked =
            |args: &[&str]| asked_to_generate(&args.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(asked(&["tool", "--generate", "bash"]), Some(Generate::Bash));
        assert_eq!(asked(&["tool", "--generate=man"]), Some(Generate::Man));
        assert_eq!(asked(&["tool", "--generate", "nonsense"]), None);
        assert_eq!(asked(&["tool", "7", "--generate", "bash"]), None);
    }
}
