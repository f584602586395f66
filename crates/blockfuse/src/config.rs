//! The configuration file's layer, and the settings that come out of all layers.
//!
//! ```toml
//! [mount]                       # defaults for every mount
//! hide_internal = true
//!
//! [[mounts]]                    # `blockfuse mount /mnt/block-devices` knows the rest
//! source = "/dev/mapper"
//! mountpoint = "/mnt/block-devices"
//! options = { mtime = "refresh", include = ["*_snap*"] }
//! ```

use std::path::{Path, PathBuf};

use nightshift_common::config::{ConfigError, Loaded, Resolver};
use nightshift_common::run::Context;
use serde::Deserialize;
use toml::Spanned;

use crate::cli::{MountArgs, ScanArgs, ordered_globs};
use crate::engine::Choice;
use crate::error::Error;
use crate::extents::Holes;
use crate::mode::Mode;
use crate::mtime::Policy;
use crate::names::Rules;
use crate::options::MountOptions;
use crate::scan;

/// `/etc/nightshift/blockfuse.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FileLayer {
    /// Defaults for every mount.
    pub mount: MountLayer,
    /// Mounts that have names of their own.
    pub mounts: Vec<MountEntry>,
}

/// One `[[mounts]]` entry.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountEntry {
    /// The directory of devices.
    pub source: PathBuf,
    /// Where it is mounted; absolute.
    pub mountpoint: Spanned<PathBuf>,
    /// What differs from the defaults.
    #[serde(default)]
    pub options: MountLayer,
}

/// Settings of a mount; all optional.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MountLayer {
    /// Which engine.
    pub engine: Option<Spanned<Choice>>,
    /// How many threads.
    pub threads: Option<Spanned<u16>>,
    /// In KiB.
    pub readahead: Option<Spanned<u32>>,
    /// Which modification times.
    pub mtime: Option<Spanned<Policy>>,
    /// Where given modification times are remembered.
    pub state: Option<Spanned<PathBuf>>,
    /// Whether holes are reported.
    pub holes: Option<Spanned<Holes>>,
    /// Whether devices that come and go are noticed.
    pub watch: Option<Spanned<bool>>,
    /// Globs of wanted names.
    pub include: Option<Spanned<Vec<String>>>,
    /// Globs of unwanted names; looked at after the wanted ones, so they win.
    pub exclude: Option<Spanned<Vec<String>>>,
    /// Leave out LVM's own devices.
    pub hide_internal: Option<Spanned<bool>>,
    /// Descend into directories.
    pub recursive: Option<Spanned<bool>>,
    /// Export regular files too.
    pub include_files: Option<Spanned<bool>>,
    /// Owner.
    pub uid: Option<Spanned<u32>>,
    /// Group.
    pub gid: Option<Spanned<u32>>,
    /// Permission bits, as octal text.
    pub mode: Option<Spanned<Mode>>,
    /// Let other users in.
    pub allow_other: Option<Spanned<bool>>,
}

/// A mount with nothing left open.
#[derive(Debug)]
pub struct Settings {
    /// The directory of devices.
    pub source: PathBuf,
    /// Where to mount.
    pub mountpoint: PathBuf,
    /// Do not go to the background.
    pub foreground: bool,
    /// Which engine.
    pub engine: Choice,
    /// How many threads.
    pub threads: u16,
    /// In KiB.
    pub readahead: u32,
    /// Which modification times.
    pub mtime: Policy,
    /// Where given modification times are remembered, if not at the default place.
    pub state: Option<PathBuf>,
    /// Whether holes are reported.
    pub holes: Holes,
    /// Whether devices that come and go are noticed.
    pub watch: bool,
    /// What to export.
    pub scan: scan::Options,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Permission bits.
    pub mode: Mode,
    /// Let other users in.
    pub allow_other: bool,
    /// Where the process id goes.
    pub pidfile: Option<PathBuf>,
}

impl Settings {
    /// Threads by default: one that hangs on a dying disk leaves one for the others.
    const THREADS: u16 = 2;
    /// Read-ahead by default, in KiB: as large as a request can be.
    const READAHEAD: u32 = 1024;

    /// Merges all layers. The resolver remembers the origins for `--show-config`.
    pub fn merge(
        args: MountArgs,
        loaded: &Loaded<FileLayer>,
        context: &Context,
        resolver: &mut Resolver<'_>,
    ) -> Result<Self, Error> {
        let (named, mountpoint) = match <[PathBuf; 2]>::try_from(args.paths) {
            Ok([source, mountpoint]) => (Some(source), mountpoint),
            Err(paths) => (None, paths.into_iter().next().unwrap_or_default()),
        };
        let entry = entry_for(loaded, &mountpoint)?;
        let source = named
            .or_else(|| entry.map(|entry| entry.source.clone()))
            .ok_or_else(|| Error::NoSource(mountpoint.clone()))?;
        let file = loaded.layer.mount.clone();
        let own = entry.map(|entry| entry.options.clone()).unwrap_or_default();

        let mut options = MountOptions::default();
        for list in &args.options {
            options.add(list)?;
        }
        let mut globs = std::mem::take(&mut options.globs);
        globs.extend(ordered_globs(&context.matches));

        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        let r = resolver;
        let engine = r.value(
            "mount.engine",
            "engine",
            args.engine.or(options.engine),
            own.engine.or(file.engine),
            Choice::default(),
        );
        let threads = r.value(
            "mount.threads",
            "threads",
            args.threads.or(options.threads),
            own.threads.or(file.threads),
            Self::THREADS,
        );
        if !(1..=64).contains(&threads) {
            return Err(r.mistake("mount.threads", "expected 1 to 64").into());
        }
        let readahead = r.value(
            "mount.readahead",
            "readahead",
            args.readahead.or(options.readahead),
            own.readahead.or(file.readahead),
            Self::READAHEAD,
        );
        let mtime = r.value(
            "mount.mtime",
            "mtime",
            args.mtime.or(options.mtime),
            own.mtime.or(file.mtime),
            Policy::default(),
        );
        let holes = r.value(
            "mount.holes",
            "holes",
            args.holes.or(options.holes),
            own.holes.or(file.holes),
            Holes::default(),
        );
        let watch = r.switch(
            "mount.watch",
            "watch",
            args.watch || options.watch,
            own.watch.or(file.watch),
        );
        let state = args.state.or(options.state);
        let state = state.or_else(|| own.state.or(file.state).map(Spanned::into_inner));
        let rules = rules(
            globs,
            own.include.or(file.include),
            own.exclude.or(file.exclude),
            r,
        )?;
        let scan = scan::Options {
            rules,
            hide_internal: r.switch(
                "mount.hide_internal",
                "hide_internal",
                args.scan.hide_internal || options.hide_internal,
                own.hide_internal.or(file.hide_internal),
            ),
            recursive: r.switch(
                "mount.recursive",
                "recursive",
                args.scan.recursive || options.recursive,
                own.recursive.or(file.recursive),
            ),
            include_files: r.switch(
                "mount.include_files",
                "include_files",
                args.scan.include_files || options.include_files,
                own.include_files.or(file.include_files),
            ),
        };
        Ok(Self {
            source,
            mountpoint,
            foreground: args.foreground,
            engine,
            threads,
            readahead,
            mtime,
            state,
            holes,
            watch,
            scan,
            uid: r.value(
                "mount.uid",
                "uid",
                args.uid.or(options.uid),
                own.uid.or(file.uid),
                uid,
            ),
            gid: r.value(
                "mount.gid",
                "gid",
                args.gid.or(options.gid),
                own.gid.or(file.gid),
                gid,
            ),
            mode: r.value(
                "mount.mode",
                "mode",
                args.mode.or(options.mode),
                own.mode.or(file.mode),
                Mode::default(),
            ),
            allow_other: r.switch(
                "mount.allow_other",
                "allow_other",
                args.allow_other || options.allow_other,
                own.allow_other.or(file.allow_other),
            ),
            pidfile: args.pidfile,
        })
    }
}

/// What `list` looks at: flags, then the file's defaults.
pub fn scan_options(
    args: &ScanArgs,
    loaded: &Loaded<FileLayer>,
    context: &Context,
    resolver: &mut Resolver<'_>,
) -> Result<scan::Options, Error> {
    let file = loaded.layer.mount.clone();
    let globs = ordered_globs(&context.matches);
    Ok(scan::Options {
        rules: rules(globs, file.include, file.exclude, resolver)?,
        hide_internal: resolver.switch(
            "mount.hide_internal",
            "hide_internal",
            args.hide_internal,
            file.hide_internal,
        ),
        recursive: resolver.switch(
            "mount.recursive",
            "recursive",
            args.recursive,
            file.recursive,
        ),
        include_files: resolver.switch(
            "mount.include_files",
            "include_files",
            args.include_files,
            file.include_files,
        ),
    })
}

/// Globs of the command line replace those of the file as a whole; a mixture of both would have
/// no order that anyone could guess.
fn rules(
    given: Vec<(bool, String)>,
    include: Option<Spanned<Vec<String>>>,
    exclude: Option<Spanned<Vec<String>>>,
    resolver: &mut Resolver<'_>,
) -> Result<Rules, ConfigError> {
    let of = |wanted| -> Option<Vec<String>> {
        let globs = given.iter().filter(|(include, _)| *include == wanted);
        (!given.is_empty()).then(|| globs.map(|(_, glob)| glob.clone()).collect())
    };
    let include = resolver.value("mount.include", "include", of(true), include, Vec::new());
    let exclude = resolver.value("mount.exclude", "exclude", of(false), exclude, Vec::new());
    let ordered = if given.is_empty() {
        let included = include.into_iter().map(|glob| (true, glob));
        included
            .chain(exclude.into_iter().map(|glob| (false, glob)))
            .collect()
    } else {
        given
    };
    let mut rules = Rules::default();
    for (wanted, glob) in ordered {
        let (key, added) = if wanted {
            ("mount.include", rules.include(&glob))
        } else {
            ("mount.exclude", rules.exclude(&glob))
        };
        added.map_err(|invalid| resolver.mistake(key, invalid))?;
    }
    Ok(rules)
}

fn entry_for<'a>(
    loaded: &'a Loaded<FileLayer>,
    mountpoint: &Path,
) -> Result<Option<&'a MountEntry>, ConfigError> {
    let mut seen: Vec<&Path> = Vec::new();
    for entry in &loaded.layer.mounts {
        let path = entry.mountpoint.get_ref();
        let span = entry.mountpoint.span();
        if !path.is_absolute() {
            return Err(loaded.error_at(span, "the mount point must be an absolute path"));
        }
        if seen.contains(&path.as_path()) {
            return Err(loaded.error_at(span, "another entry has this mount point"));
        }
        seen.push(path);
    }
    Ok(loaded
        .layer
        .mounts
        .iter()
        .find(|entry| entry.mountpoint.get_ref() == mountpoint))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::{CommandFactory, FromArgMatches};
    use nightshift_common::config;

    use super::*;
    use crate::cli::{Cli, Command};

    /// Settings, or the message, from a command line and a file; and what --show-config prints.
    fn merged(line: &str, file: &str) -> (Result<Settings, String>, String) {
        let path = Path::new("/etc/nightshift/blockfuse.toml");
        let loaded = match config::parse::<FileLayer>(path, file.to_owned()) {
            Ok(loaded) => loaded,
            Err(error) => return (Err(error.to_string()), String::new()),
        };
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let command = Cli::command();
        let matches = command.clone().try_get_matches_from(words).unwrap();
        let cli = Cli::from_arg_matches(&matches).unwrap();
        let Some(Command::Mount(args)) = cli.command else {
            panic!("{line} is no mount")
        };
        let context = Context { command, matches };
        let mut resolver = Resolver::new(&context, &loaded);
        let settings = Settings::merge(args, &loaded, &context, &mut resolver);
        let mut shown = Vec::new();
        resolver.print(&mut shown).unwrap();
        (
            settings.map_err(|error| error.to_string()),
            String::from_utf8(shown).unwrap(),
        )
    }

    #[test]
    fn without_anything_there_are_defaults() {
        let settings = merged("blockfuse mount /s /m", "").0.unwrap();
        assert_eq!((settings.threads, settings.readahead), (2, 1024));
        assert_eq!(
            (settings.mtime, settings.engine),
            (Policy::Mount, Choice::Auto)
        );
        assert_eq!(settings.mode.bits(), 0o400);
        assert!(settings.scan.rules.want(Path::new("anything")));
    }

    #[test]
    fn flags_beat_options_beat_the_entry_beats_the_defaults_of_the_file() {
        let file = r#"
            [mount]
            threads = 3
            mtime = "now"
            readahead = 128
            mode = "0444"
            [[mounts]]
            source = "/dev/mapper"
            mountpoint = "/m"
            options = { mtime = "refresh", readahead = 256 }
        "#;
        let (settings, shown) = merged("blockfuse mount --threads 5 -o threads=4,mtime=7 /m", file);
        let settings = settings.unwrap();
        assert_eq!(settings.source, Path::new("/dev/mapper"));
        assert_eq!(settings.threads, 5);
        assert_eq!(settings.mtime.to_string(), "7");
        assert_eq!(settings.readahead, 256);
        assert_eq!(settings.mode.bits(), 0o444);
        for line in [
            "mount.threads = 5  # flag --threads\n",
            "mount.readahead = 256  # /etc/nightshift/blockfuse.toml:10\n",
            "mount.mode = \"0444\"  # /etc/nightshift/blockfuse.toml:6\n",
            "mount.recursive = false  # default\n",
        ] {
            assert!(shown.contains(line), "{line:?} is missing in\n{shown}");
        }
    }

    #[test]
    fn globs_of_the_command_line_replace_those_of_the_file() {
        let file = "[mount]\ninclude = [\"a*\"]\nexclude = [\"*z\"]\n";
        let wants = |line: &str, name: &str| {
            merged(line, file)
                .0
                .unwrap()
                .scan
                .rules
                .want(Path::new(name))
        };
        assert!(wants("blockfuse mount /s /m", "ab"));
        assert!(!wants("blockfuse mount /s /m", "az"));
        assert!(!wants("blockfuse mount /s /m", "b"));
        assert!(wants("blockfuse mount --include b /s /m", "b"));
        assert!(!wants("blockfuse mount --include b /s /m", "a"));
        assert!(wants("blockfuse mount -o exclude=b /s /m", "az"));
    }

    #[test]
    fn mistakes_in_the_file_have_a_position() {
        for (file, message) in [
            ("[mount]\nthread = 3\n", "2:1: unknown field `thread`"),
            (
                "[mount]\nmtime = \"never\"\n",
                "2:9: expected mount, refresh, changed, now",
            ),
            (
                "[mount]\nmode = \"0600\"\n",
                "2:8: expected read bits in octal",
            ),
            ("[mount]\nthreads = 70000\n", "2:11: invalid value"),
            (
                "[[mounts]]\nsource = \"/a\"\nmountpoint = \"b\"\n",
                "3:14: the mount point must be an absolute path",
            ),
            (
                "[[mounts]]\nsource = \"/a\"\nmountpoint = \"/b\"\n\
                 [[mounts]]\nsource = \"/c\"\nmountpoint = \"/b\"\n",
                "6:14: another entry has this mount point",
            ),
        ] {
            let error = merged("blockfuse mount /s /m", file).0.unwrap_err();
            let expected = format!("/etc/nightshift/blockfuse.toml:{message}");
            assert!(
                error.starts_with(&expected),
                "{error:?} should begin with {expected:?}"
            );
        }
    }

    #[test]
    fn mistakes_found_later_name_the_key_and_its_origin() {
        let error = merged("blockfuse mount /s /m", "[mount]\nthreads = 0\n")
            .0
            .unwrap_err();
        assert_eq!(
            error,
            "/etc/nightshift/blockfuse.toml:2: mount.threads: expected 1 to 64"
        );
        let error = merged("blockfuse mount --include [ /s /m", "")
            .0
            .unwrap_err();
        assert!(
            error.starts_with("flag --include: mount.include: glob \"[\""),
            "{error}"
        );
        let error = merged("blockfuse mount /m", "").0.unwrap_err();
        assert_eq!(error, "no source directory given for /m");
    }
}
