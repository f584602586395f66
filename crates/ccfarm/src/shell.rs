//! The farm's environment, for a shell or for one command.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::cli::Shell;
use crate::error::Error;
use crate::farm::Farm;
use crate::kit::environment;

/// The environment as commands of a shell, for `eval` or `source`.
pub fn export(farm: &Farm, shell: Shell) -> String {
    let line = |(name, value): (&str, String)| {
        // The farm's words contain nothing that a shell would take apart inside double quotes.
        match (shell, name == "PATH") {
            (Shell::Sh, true) => format!("export {name}=\"{value}:$PATH\"\n"),
            (Shell::Sh, false) => format!("export {name}=\"{value}\"\n"),
            (Shell::Fish, true) => format!("set -gx {name} \"{value}\" $PATH\n"),
            (Shell::Fish, false) => format!("set -gx {name} \"{value}\"\n"),
        }
    };
    environment(farm).into_iter().map(line).collect()
}

/// Becomes `command` in the farm's environment. Returns only if it cannot be started.
///
/// The process is replaced, so signals and exit status are the command's own.
pub fn run(farm: &Farm, command: &[OsString]) -> Error {
    let Some((program, args)) = command.split_first() else {
        return Error::Usage("no command to run".to_owned());
    };
    let mut process = Command::new(program);
    process.args(args);
    for (name, value) in environment(farm) {
        if name == "PATH" {
            let mut path = OsString::from(value);
            if let Some(present) = std::env::var_os("PATH") {
                path.push(":");
                path.push(present);
            }
            process.env(name, path);
        } else {
            process.env(name, value);
        }
    }
    let source = process.exec();
    Error::Run {
        program: program.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::farm::EXAMPLE;

    #[test]
    fn each_shell_gets_its_own_syntax() {
        let farm = Farm::parse(Path::new("farm.toml"), EXAMPLE.to_owned()).unwrap();
        let sh = export(&farm, Shell::Sh);
        assert!(
            sh.starts_with("export PATH=\"/usr/local/lib/ccfarm/bin:$PATH\"\n"),
            "{sh}"
        );
        let fish = export(&farm, Shell::Fish);
        assert!(
            fish.starts_with("set -gx PATH \"/usr/local/lib/ccfarm/bin\" $PATH\n"),
            "{fish}"
        );
        assert!(fish.contains("set -gx DISTCC_FALLBACK \"0\"\n"), "{fish}");
    }
}
