//! What each subcommand does, in terms of the other modules.

mod files;
mod load;

use std::io::Write;
use std::path::{Path, PathBuf};

use nightshift_common::atomic;
use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::flags::SharedFlags;
use nightshift_common::output::Out;

use crate::cli::{Cli, Command, Doctor, FarmArg, Judging, Probe, Toolroot, ToolrootBuild};
use crate::doctor::report::exit_of;
use crate::doctor::{Examination, Patient, print_json, print_text};
use crate::error::{Error, at};
use crate::farm::{DISTCC_PORT, EXAMPLE, Farm};
use crate::probe::Limits;
use crate::reference::{self, Reference};
use crate::verdict::Expected;
use crate::{shell, toolroot};

/// Permission bits of written farm and reference files.
const FILE_MODE: u32 = 0o644;

pub(crate) fn run(cli: Cli) -> Result<Exit, Error> {
    let shared = &cli.shared;
    if shared.show_config {
        let farm = cli.command.farm().ok_or_else(|| {
            Error::Usage("--show-config needs a command that reads a farm file".to_owned())
        })?;
        return show_config(shared, farm);
    }
    match cli.command {
        Command::Init { file } => init(file),
        Command::Doctor(args) => doctor(shared, &args),
        Command::Probe(args) => probe(&args),
        Command::Reference(args) => {
            let farm = load(shared, &args.farm)?;
            let compiler = args.cc.unwrap_or_else(|| farm.device_compiler("gcc"));
            let reference = reference::ask(&farm, &args.via, &compiler)?;
            atomic::replace_with(&args.output, FILE_MODE, reference.to_toml()?.as_bytes())?;
            Ok(Exit::Done)
        }
        Command::Plan(args) => files::plan(shared, &args),
        Command::Render(args) => files::render(shared, &args),
        Command::Apply(args) => files::apply(shared, &args),
        Command::Toolroot(Toolroot::Build(args)) => build_toolroot(&args),
        Command::Bench(args) => load::bench(shared, &args),
        Command::Status(args) => load::status(shared, &args),
        Command::Env(args) => {
            let text = shell::export(&load(shared, &args.farm)?, args.shell);
            let mut out = Out::stdout();
            out.write_all(text.as_bytes())
                .and_then(|()| out.flush())
                .map_err(Error::Output)?;
            Ok(Exit::Done)
        }
        Command::Run(args) => Err(shell::run(&load(shared, &args.farm)?, &args.command)),
    }
}

impl Command {
    /// The farm argument of commands that have one.
    fn farm(&self) -> Option<&FarmArg> {
        match self {
            Self::Doctor(args) => Some(&args.farm),
            Self::Reference(args) => Some(&args.farm),
            Self::Plan(args) => Some(&args.files.farm),
            Self::Render(args) => Some(&args.files.farm),
            Self::Apply(args) => Some(&args.files.farm),
            Self::Bench(args) => Some(&args.farm),
            Self::Status(args) => Some(&args.farm),
            Self::Env(args) => Some(&args.farm),
            Self::Run(args) => Some(&args.farm),
            Self::Init { .. } | Self::Probe(_) | Self::Toolroot(_) => None,
        }
    }
}

/// --farm, CCFARM_FARM, --config, the default.
fn farm_path(shared: &SharedFlags, arg: &FarmArg) -> PathBuf {
    arg.farm
        .as_ref()
        .or(shared.config.as_ref())
        .cloned()
        .unwrap_or_else(default_farm)
}

fn default_farm() -> PathBuf {
    Path::new(nightshift_common::config::DIRECTORY).join("ccfarm.toml")
}

fn load(shared: &SharedFlags, arg: &FarmArg) -> Result<Farm, Error> {
    Farm::load(&farm_path(shared, arg))
}

fn show_config(shared: &SharedFlags, arg: &FarmArg) -> Result<Exit, Error> {
    Farm::show(&farm_path(shared, arg), &mut Out::stdout())?;
    Ok(Exit::Done)
}

fn init(file: Option<PathBuf>) -> Result<Exit, Error> {
    let path = file.unwrap_or_else(default_farm);
    // create_new: an existing farm file is somebody's work.
    let mut file = std::fs::File::create_new(&path).map_err(at("create", &path))?;
    file.write_all(EXAMPLE.as_bytes())
        .map_err(at("write", &path))?;
    Ok(Exit::Done)
}

fn build_toolroot(args: &ToolrootBuild) -> Result<Exit, Error> {
    let built = toolroot::build(&args.cc, args.cxx, &args.output)?;
    for path in &built.interpreters {
        tracing::error!(
            hint = "a wrapper script in place of the compiler brings one; name the real program",
            "/{} would be in the tool root; nothing was written",
            Escaped::path(path)
        );
    }
    if !built.interpreters.is_empty() {
        return Ok(Exit::Attention);
    }
    tracing::info!(
        files = built.files,
        bytes = built.bytes,
        "tool root written"
    );
    Ok(Exit::Done)
}

fn doctor(shared: &SharedFlags, args: &Doctor) -> Result<Exit, Error> {
    let farm = load(shared, &args.farm)?;
    let mut examination = of_farm(&farm);
    judge(&mut examination.expected, &args.judging, Some(&farm))?;
    report(&examination, args.judging.json)
}

fn probe(args: &Probe) -> Result<Exit, Error> {
    let farm = args.farm.as_deref().map(Farm::load).transpose()?;
    let (host, port) = host_and_port(&args.node)?;
    let mut examination = match &farm {
        Some(farm) => of_farm(farm),
        None => Examination {
            nodes: Vec::new(),
            names: vec!["gcc".to_owned()],
            cflags: vec!["-O2".to_owned()],
            triple: None,
            expected: Expected::default(),
            limits: Limits::default(),
        },
    };
    examination.nodes = vec![Patient {
        name: args.node.clone(),
        host,
        port,
    }];
    if !args.cc.is_empty() {
        examination.names.clone_from(&args.cc);
    }
    let reference = judge(&mut examination.expected, &args.judging, farm.as_ref())?;
    if let (Some(reference), None) = (reference, &farm) {
        // Its digest holds for its own flags only.
        let words = reference.cflags.split_ascii_whitespace();
        examination.cflags = words.map(str::to_owned).collect();
        examination.triple = Some(reference.triple);
    }
    report(&examination, args.judging.json)
}

fn of_farm(farm: &Farm) -> Examination {
    let patient = |node: &crate::farm::Node| Patient {
        name: node.name.to_string(),
        host: node.host.to_string(),
        port: node.port,
    };
    Examination {
        nodes: farm.nodes.iter().map(patient).collect(),
        names: farm.target.names.iter().map(ToString::to_string).collect(),
        cflags: farm.target.cflags.words().to_vec(),
        triple: Some(farm.target.triple.to_string()),
        expected: farm.expected(),
        limits: farm.limits,
    }
}

/// Adds what the command line says about judging; returns the reference, if one is given.
fn judge(
    expected: &mut Expected,
    judging: &Judging,
    farm: Option<&Farm>,
) -> Result<Option<Reference>, Error> {
    expected.strict = judging.strict;
    let Some(path) = &judging.reference else {
        return Ok(None);
    };
    let reference = Reference::load(path, farm)?;
    reference.refine(expected);
    Ok(Some(reference))
}

fn report(examination: &Examination, json: bool) -> Result<Exit, Error> {
    let rows = examination.run();
    let mut out = Out::stdout();
    let print = if json { print_json } else { print_text };
    print(&rows, &mut out).map_err(Error::Output)?;
    Ok(exit_of(&rows))
}

/// `box`, `box:3632`, `10.0.0.1:3632`, `fd00::1`, `[fd00::1]:3632`.
fn host_and_port(text: &str) -> Result<(String, u16), Error> {
    let bad = || Error::Usage(format!("\"{text}\" is not HOST or HOST:PORT"));
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(bad()),
        }
    } else {
        match text.split_once(':') {
            // More than one colon: an IPv6 address without a port.
            Some((_, rest)) if rest.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = match port {
        Some(port) => port
            .parse()
            .ok()
            .filter(|&port| port != 0)
            .ok_or_else(bad)?,
        None => DISTCC_PORT,
    };
    if host.is_empty() {
        Err(bad())
    } else {
        Ok((host.to_owned(), port))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_with_or_without_its_port() {
        for (text, host, port) in [
            ("box", "box", 3632),
            ("box:1", "box", 1),
            ("10.0.0.1:3633", "10.0.0.1", 3633),
            ("fd00::1", "fd00::1", 3632),
            ("[fd00::1]", "fd00::1", 3632),
            ("[fd00::1]:99", "fd00::1", 99),
        ] {
            assert_eq!(
                host_and_port(text).unwrap(),
                (host.to_owned(), port),
                "{text}"
            );
        }
        for text in [
            "",
            ":1",
            "box:",
            "box:0",
            "box:65536",
            "[fd00::1",
            "[fd00::1]x",
        ] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
