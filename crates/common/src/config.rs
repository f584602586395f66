//! Configuration in layers: flags beat environment beats file beats defaults; used by every tool.
//!
//! A tool declares an all-optional layer for its file (`#[derive(Deserialize, Default)]` with
//! `#[serde(deny_unknown_fields, default)]`), loads it with [`load`], and merges it with its flags
//! through a [`Resolver`], which remembers where each value came from for `--show-config`.
//! Values that need a position in later checks are `toml::Spanned`.
//!
//! Do not use serde's `flatten` or `untagged` in a layer: both lose the position of a mistake.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::Command;
use clap::parser::ValueSource;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Spanned;

use crate::error::Report;
use crate::escape::Escaped;
use crate::exit::Exit;
use crate::flags::SharedFlags;
use crate::run::Context;

/// Where configuration files live.
pub const DIRECTORY: &str = "/etc/nightshift";

/// A mistake in the configuration. All lead to exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in the file is wrong.
    #[error("{}:{line}:{column}: {reason}", path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// A value from a flag or the environment is wrong together with others.
    #[error("{origin}: {reason}")]
    Value {
        /// Where the value came from.
        origin: Origin,
        /// What is wrong.
        reason: String,
    },
}

impl Report for ConfigError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// A file as read, with what is needed to point into it later.
#[derive(Debug, Default)]
pub struct Loaded<T> {
    /// The tool's layer; all keys optional.
    pub layer: T,
    source: Option<Source>,
}

#[derive(Clone, Debug)]
struct Source {
    path: PathBuf,
    text: String,
}

/// Reads the file named by `--config`, or `/etc/nightshift/<tool>.toml` when that exists.
pub fn load<T: DeserializeOwned + Default>(
    tool: &str,
    flags: &SharedFlags,
) -> Result<Loaded<T>, ConfigError> {
    let default = Path::new(DIRECTORY).join(format!("{tool}.toml"));
    let path = flags.config.as_ref().unwrap_or(&default);
    match std::fs::read_to_string(path) {
        Ok(text) => parse(path, text),
        Err(error) if error.kind() == io::ErrorKind::NotFound && flags.config.is_none() => {
            Ok(Loaded {
                layer: T::default(),
                source: None,
            })
        }
        Err(source) => Err(ConfigError::Read {
            path: path.clone(),
            source,
        }),
    }
}

/// Parses a layer from text; `path` is for messages.
pub fn parse<T: DeserializeOwned>(path: &Path, text: String) -> Result<Loaded<T>, ConfigError> {
    let source = Source {
        path: path.to_owned(),
        text,
    };
    match toml::from_str(&source.text) {
        Ok(layer) => Ok(Loaded {
            layer,
            source: Some(source),
        }),
        Err(error) => {
            // Without a span the mistake is about the whole file: its first line is named.
            Err(source.mistake(error.span().unwrap_or(0..0), error.message()))
        }
    }
}

impl<T> Loaded<T> {
    /// The file that was read; none when the default one is missing.
    pub fn path(&self) -> Option<&Path> {
        self.source.as_ref().map(|source| source.path.as_path())
    }

    /// A mistake at a span of the file, for checks that the parser cannot make.
    pub fn error_at(&self, span: Range<usize>, reason: impl fmt::Display) -> ConfigError {
        match &self.source {
            Some(source) => source.mistake(span, &reason.to_string()),
            None => ConfigError::Value {
                origin: Origin::Default,
                reason: reason.to_string(),
            },
        }
    }
}

impl Source {
    fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(&self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        )
    }

    fn mistake(&self, span: Range<usize>, reason: &str) -> ConfigError {
        let (line, column) = self.position(span.start);
        // Parser messages may span lines; an error is one line.
        let reason = reason.trim().replace('\n', "; ");
        ConfigError::Mistake {
            path: self.path.clone(),
            line,
            column,
            reason,
        }
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// A file and its line, from 1.
    File(PathBuf, usize),
    /// Built in.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "flag --{name}"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::File(path, line) => write!(f, "{}:{line}", Escaped::path(path)),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// Merges the layers value by value and keeps the list that `--show-config` prints.
#[derive(Debug)]
pub struct Resolver<'a> {
    context: &'a Context,
    source: Option<&'a Source>,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    key: String,
    value: Option<toml::Value>,
    origin: Origin,
}

impl<'a> Resolver<'a> {
    /// `context` is what the run wrapper hands to the tool.
    pub fn new<T>(context: &'a Context, loaded: &'a Loaded<T>) -> Self {
        Resolver {
            context,
            source: loaded.source.as_ref(),
            rows: Vec::new(),
        }
    }

    /// The effective value of `key` (dotted, as in the file). `flag` is clap's value, which may
    /// also have come from the environment; `arg` is its clap id.
    pub fn value<V: Serialize>(
        &mut self,
        key: &str,
        arg: &str,
        flag: Option<V>,
        file: Option<Spanned<V>>,
        default: V,
    ) -> V {
        let (value, origin) = self
            .pick(arg, flag, file)
            .unwrap_or((default, Origin::Default));
        self.remember(key, Some(&value), origin);
        value
    }

    /// The same for a setting without a default.
    pub fn optional<V: Serialize>(
        &mut self,
        key: &str,
        arg: &str,
        flag: Option<V>,
        file: Option<Spanned<V>>,
    ) -> Option<V> {
        let (value, origin) = match self.pick(arg, flag, file) {
            Some((value, origin)) => (Some(value), origin),
            None => (None, Origin::Default),
        };
        self.remember(key, value.as_ref(), origin);
        value
    }

    /// A switch that a flag can only turn on.
    pub fn switch(
        &mut self,
        key: &str,
        arg: &str,
        flag: bool,
        file: Option<Spanned<bool>>,
    ) -> bool {
        self.value(key, arg, flag.then_some(true), file, false)
    }

    /// Where the value of `key` came from, for checks over several values.
    pub fn origin(&self, key: &str) -> Origin {
        self.rows
            .iter()
            .find(|row| row.key == key)
            .map_or(Origin::Default, |row| row.origin.clone())
    }

    /// A mistake in the value of `key`, found after merging.
    pub fn mistake(&self, key: &str, reason: impl fmt::Display) -> ConfigError {
        ConfigError::Value {
            origin: self.origin(key),
            reason: format!("{key}: {reason}"),
        }
    }

    /// Prints the list: valid TOML, one `key = value  # origin` per line; a setting that is not
    /// set is a comment.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        for row in &self.rows {
            match &row.value {
                Some(value) => writeln!(out, "{} = {value}  # {}", row.key, row.origin)?,
                None => writeln!(out, "# {} is not set", row.key)?,
            }
        }
        out.flush()
    }

    fn pick<V>(&self, arg: &str, flag: Option<V>, file: Option<Spanned<V>>) -> Option<(V, Origin)> {
        if let Some(value) = flag {
            return Some((value, self.flag_origin(arg)));
        }
        file.map(|spanned| {
            let origin = match self.source {
                Some(source) => {
                    Origin::File(source.path.clone(), source.position(spanned.span().start).0)
                }
                None => Origin::Default,
            };
            (spanned.into_inner(), origin)
        })
    }

    fn flag_origin(&self, arg: &str) -> Origin {
        // The argument may belong to any subcommand level.
        let mut level = Some((&self.context.command, &self.context.matches));
        while let Some((command, matches)) = level {
            // try_: asking a level for an argument that it does not have would panic.
            if matches.try_contains_id(arg).is_ok()
                && matches.value_source(arg) == Some(ValueSource::EnvVariable)
                && let Some(variable) = env_of(command, arg)
            {
                return Origin::Environment(variable);
            }
            level = matches
                .subcommand()
                .and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
        }
        Origin::Flag(arg.replace('_', "-"))
    }

    fn remember<V: Serialize>(&mut self, key: &str, value: Option<&V>, origin: Origin) {
        let value = value.map(|value| {
            toml::Value::try_from(value).unwrap_or_else(|_| {
                // Only a path that is not UTF-8 has no TOML form; it is shown as what it is.
                toml::Value::String("(cannot be shown)".into())
            })
        });
        self.rows.push(Row {
            key: key.to_owned(),
            value,
            origin,
        });
    }
}

fn env_of(command: &Command, arg: &str) -> Option<String> {
    let arg = command
        .get_arguments()
        .find(|candidate| candidate.get_id() == arg)?;
    Some(arg.get_env()?.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;
    use serde::Deserialize;

    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Layer {
        engine: Option<Spanned<String>>,
        threads: Option<Spanned<u32>>,
    }

    fn context(args: &[&str]) -> Context {
        let command = Command::new("tool")
            // PATH is a variable that every environment has.
            .arg(Arg::new("engine").long("engine").env("PATH"))
            .arg(
                Arg::new("threads")
                    .long("threads")
                    .value_parser(clap::value_parser!(u32)),
            );
        let matches = command.clone().try_get_matches_from(args).unwrap();
        Context { command, matches }
    }

    #[test]
    fn flags_beat_the_file_and_every_origin_is_shown() {
        let text = "\nengine = \"copy\"\nthreads = 3\n".to_owned();
        let loaded: Loaded<Layer> = parse(Path::new("/etc/t.toml"), text).unwrap();
        let context = context(&["tool", "--engine", "kernel"]);
        let mut resolver = Resolver::new(&context, &loaded);
        let Layer { engine, threads } = parse::<Layer>(
            Path::new("/etc/t.toml"),
            "\nengine = \"copy\"\nthreads = 3\n".to_owned(),
        )
        .unwrap()
        .layer;
        let flag = context.matches.get_one::<String>("engine").cloned();
        assert_eq!(
            resolver.value("engine", "engine", flag, engine, "auto".into()),
            "kernel"
        );
        assert_eq!(resolver.value("threads", "threads", None, threads, 2), 3);
        assert_eq!(
            resolver.optional::<String>("state", "state", None, None),
            None
        );
        assert!(!resolver.switch("watch", "watch", false, None));
        let mut shown = Vec::new();
        resolver.print(&mut shown).unwrap();
        assert_eq!(
            String::from_utf8(shown).unwrap(),
            "engine = \"kernel\"  # flag --engine\nthreads = 3  # /etc/t.toml:3\n\
             # state is not set\nwatch = false  # default\n"
        );
    }

    #[test]
    fn a_value_from_the_environment_names_its_variable() {
        let loaded = Loaded::<Layer>::default();
        let context = context(&["tool"]);
        let mut resolver = Resolver::new(&context, &loaded);
        let flag = context.matches.get_one::<String>("engine").cloned();
        resolver.value("engine", "engine", flag, None, "auto".into());
        assert_eq!(
            resolver.origin("engine"),
            Origin::Environment("PATH".into())
        );
        assert_eq!(
            resolver.mistake("engine", "no such engine").to_string(),
            "environment PATH: engine: no such engine"
        );
    }

    #[test]
    fn mistakes_are_found_by_file_line_and_column() {
        for (text, expected) in [
            ("engine = 3\n", "/etc/t.toml:1:10: "),
            (
                "threads = 1\nengin = \"x\"\n",
                "/etc/t.toml:2:1: unknown field `engin`",
            ),
            ("threads = \"é\" x\n", "/etc/t.toml:1:15: "),
        ] {
            let error = parse::<Layer>(Path::new("/etc/t.toml"), text.to_owned()).unwrap_err();
            assert!(
                error.to_string().starts_with(expected),
                "{error} for {text:?}"
            );
            assert!(!error.to_string().contains('\n'));
        }
    }

    #[test]
    fn a_named_file_must_exist_and_the_default_one_need_not() {
        let flags = SharedFlags {
            config: Some("/nonexistent.toml".into()),
            ..Default::default()
        };
        assert!(matches!(
            load::<Layer>("no-such-tool", &flags),
            Err(ConfigError::Read { .. })
        ));
        assert!(
            load::<Layer>("no-such-tool", &SharedFlags::default())
                .unwrap()
                .path()
                .is_none()
        );
    }

    #[test]
    fn checks_after_parsing_point_into_the_file() {
        let text = "threads = 99\n".to_owned();
        let loaded: Loaded<Layer> = parse(Path::new("t.toml"), text).unwrap();
        let span = loaded.layer.threads.as_ref().unwrap().span();
        assert_eq!(
            loaded.error_at(span, "at most 16").to_string(),
            "t.toml:1:11: at most 16"
        );
    }
}
