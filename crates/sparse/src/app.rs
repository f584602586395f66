//! From the parsed command line to the exit code: runs one verb and prints what it did.

use crate::cli::{
    Cli, Command, CopyArgs, DeltaArgs, DigArgs, EstimateArgs, MapArgs, PatchArgs, RestoreArgs,
    SigArgs, TargetArgs, VerifyArgs,
};
use crate::compose::MAX_SEGMENTS;
use crate::config::{NAME, Settings};
use crate::copy::{CopyOptions, copy};
use crate::diff::{DiffOptions, by_basis, by_signature};
use crate::dig::{DigOptions, dig};
use crate::error::Error;
use crate::output::Output;
use crate::patch::{PatchOptions, patch};
use crate::progress::Progress;
use crate::reader::{Input, STREAM};
use crate::signature::Format;
use crate::target::TargetOptions;
use crate::verify::compare;
use crate::{bmap, estimate, map, restore, sign, svg, texts};
use nightshift_common::error::{Report, chain, report};
use nightshift_common::escape::Escaped;
use nightshift_common::exit::Exit;
use nightshift_common::human::ByteSize;
use nightshift_common::manual::Manual;
use nightshift_common::output::Out;
use nightshift_common::run::{Context, Tool};
use nightshift_common::signals::{SIGINT, SIGTERM, Signals};
use serde::Serialize;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Version of every JSON object printed here; objects only ever gain members.
const JSON_VERSION: u32 = 1;

const TOOL: Tool = Tool {
    name: NAME,
    manual: Manual {
        tool: include_str!("../../../docs/man/sparseimg.8.md"),
        config: Some(include_str!("../../../docs/man/sparseimg.toml.5.md")),
    },
};

/// Runs the tool from its arguments to its exit code.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> ExitCode {
    nightshift_common::run::run(&TOOL, argv, |cli: &Cli| &cli.shared, body)
}

fn body(cli: Cli, context: &Context) -> Result<Exit, Error> {
    let Some(settings) = Settings::resolve(&cli, context)? else {
        return Ok(Exit::Done);
    };
    let Some(command) = cli.command else {
        let text = "a command is missing; see sparseimg --help";
        return Err(Error::Argument(text.to_owned()));
    };
    let signals =
        Signals::listen(&[SIGINT, SIGTERM]).map_err(Error::io("watch", Path::new("signals")))?;
    let signals = Arc::new(signals);
    let asked = Arc::clone(&signals);
    let draw = io::stderr().is_terminal() && !cli.shared.quiet && !cli.json;
    let progress = Progress::new(draw, move || asked.ending().is_some());
    let run = Run {
        settings,
        progress,
        json: cli.json,
        quiet: cli.shared.quiet,
    };
    let outcome = match &command {
        Command::Copy(args) => run.copy(args),
        Command::Dig(args) => run.dig(args),
        Command::Map(args) => run.map(args),
        Command::Estimate(args) => run.estimate(args),
        Command::Verify(args) => run.verify(args),
        Command::Sig(args) => run.sig(args),
        Command::Delta(args) => run.delta(args),
        Command::Patch(args) => run.patch(args),
        Command::Restore(args) => run.restore(args),
    };
    run.progress.clear();
    match outcome {
        Err(Error::Interrupted) => Ok(Exit::Signal(signals.ending().unwrap_or(SIGTERM))),
        Err(error) if run.json => {
            Run::print_json(
                json!({ "error": { "kind": error.kind(), "message": chain(&error) } }),
            )?;
            Err(error)
        }
        other => other,
    }
}

/// What every verb needs.
struct Run {
    settings: Settings,
    progress: Progress,
    json: bool,
    quiet: bool,
}

impl Run {
    fn copy(&self, args: &CopyArgs) -> Result<Exit, Error> {
        let mut target = self.target(args.place);
        target.preserve_holes = args.preserve_holes;
        let options = CopyOptions {
            jobs: self.settings.jobs,
            direct: self.settings.direct,
            reflink: self.settings.reflink,
            verify: args.verify,
            require_stable: args.require_stable,
            keep_going: args.keep_going,
            target,
        };
        let done = copy(&args.source, &args.target, options, &self.progress)?;
        if done.changed {
            tracing::warn!(path = %args.source.display(), "the source changed while it was read; the copy is not one state of it");
        }
        if done.lost > 0 {
            tracing::warn!(bytes = done.lost, "unreadable bytes were replaced by zeros");
        }
        if done.verified == Some(false) {
            tracing::error!("source and copy differ");
        }
        if args.target.as_os_str() != STREAM {
            self.show(&done, || texts::copied(args, &done))?;
        }
        let attention = done.changed || done.lost > 0 || done.verified == Some(false);
        Ok(if attention {
            Exit::Attention
        } else {
            Exit::Done
        })
    }

    fn dig(&self, args: &DigArgs) -> Result<Exit, Error> {
        let options = DigOptions {
            jobs: self.settings.jobs,
            dry_run: args.dry_run,
            hole: self.settings.hole_size,
            preserve: args.preserve,
            force: args.force,
        };
        let mut failures = Vec::new();
        let mut results: Vec<Value> = Vec::new();
        for file in &args.files {
            match dig(file, options, &self.progress) {
                Ok(done) if self.json => {
                    let mut value = to_value(&done);
                    value["path"] = file.to_string_lossy().into();
                    results.push(value);
                }
                Ok(done) => self.say(&texts::dug(file, &done, args.dry_run))?,
                Err(Error::Interrupted) => return Err(Error::Interrupted),
                // With one file its own error is the error of the run.
                Err(error) if args.files.len() == 1 => return Err(error),
                Err(error) => {
                    self.progress.clear();
                    report(&error);
                    if self.json {
                        let message = chain(&error);
                        results.push(json!({
                            "path": file.to_string_lossy(),
                            "error": { "kind": error.kind(), "message": message },
                        }));
                    }
                    failures.push(error);
                }
            }
        }
        if self.json {
            Self::print_json(json!({ "files": results }))?;
        }
        let (failed, total) = (failures.len(), args.files.len());
        match failures.pop() {
            None => Ok(Exit::Done),
            Some(last) if failed == total => Ok(last.exit()),
            Some(_) => Ok(Exit::Partial),
        }
    }

    fn map(&self, args: &MapArgs) -> Result<Exit, Error> {
        let settings = &self.settings;
        let found = map::map(
            &args.file,
            settings.hole_size,
            !args.no_read,
            settings.jobs,
            &self.progress,
        )?;
        let mut to_stdout = false;
        if let Some(path) = &args.svg {
            to_stdout |= path.as_os_str() == STREAM;
            let mut picture = Vec::new();
            svg::write(&found, &mut picture).map_err(Error::io("draw", path))?;
            write_file(path, &picture)?;
        }
        if let Some(path) = &args.bmap {
            to_stdout |= path.as_os_str() == STREAM;
            write_file(
                path,
                bmap::write(&found, settings.jobs, &self.progress)?.as_bytes(),
            )?;
        }
        self.progress.clear();
        if !to_stdout {
            let mut out = Out::stdout();
            let printed = if self.json {
                map::write_json(&found, &mut out).and_then(|()| out.flush())
            } else {
                map::write_text(&found, &mut out)
            };
            printed.map_err(stdout_failed)?;
        }
        Ok(Exit::Done)
    }

    fn estimate(&self, args: &EstimateArgs) -> Result<Exit, Error> {
        let basis = args.basis.as_deref();
        let found = estimate::estimate(&args.file, basis, self.settings.jobs, &self.progress)?;
        self.progress.clear();
        if self.json {
            Self::print_json(to_value(&found))?;
        } else {
            estimate::write_text(&found, Out::stdout()).map_err(stdout_failed)?;
        }
        Ok(Exit::Done)
    }

    fn verify(&self, args: &VerifyArgs) -> Result<Exit, Error> {
        if let Some(map) = &args.bmap {
            return self.verify_bmap(&args.a, map, args.all);
        }
        let Some(b) = &args.b else {
            return Err(Error::Argument("nothing to compare with".to_owned()));
        };
        let done = compare(&args.a, b, self.settings.jobs, args.all, &self.progress)?;
        let equal = done.differing_bytes == 0;
        self.show(&done, || texts::compared(&args.a, b, &done))?;
        Ok(if equal { Exit::Done } else { Exit::Attention })
    }

    fn verify_bmap(&self, file: &Path, map: &Path, all: bool) -> Result<Exit, Error> {
        let wrong = bmap::verify(file, map, self.settings.jobs, &self.progress)?;
        let ranges: Vec<_> = wrong
            .iter()
            .map(|range| (range.start, range.end - range.start))
            .collect();
        let value = json!({ "wrong_ranges": ranges });
        self.show(&value, || {
            let name = Escaped::path(file).to_string();
            let Some((first, _)) = ranges.first() else {
                return format!("{name}: every checksum is right");
            };
            let mut text = format!(
                "{name}: {} ranges are wrong, the first at offset {first}",
                ranges.len()
            );
            if all {
                texts::push_ranges(&mut text, &ranges);
            }
            text
        })?;
        Ok(if wrong.is_empty() {
            Exit::Done
        } else {
            Exit::Attention
        })
    }

    fn sig(&self, args: &SigArgs) -> Result<Exit, Error> {
        let input = Input::open(&args.file)?;
        let format = Format {
            weak: args.rollsum.into(),
            strong: args.hash.into(),
        };
        let header = sign::header(&input, format, self.settings.block_size, args.sum_size)?;
        let output = Output::create(&args.signature, &[&input])?;
        let path = &args.signature;
        let done = sign::sign(
            &input,
            header,
            &mut &output,
            path,
            self.settings.jobs,
            &self.progress,
        )?;
        input.check_unchanged()?;
        output.finish()?;
        if path.as_os_str() != STREAM {
            self.show(&done, || {
                format!(
                    "{}: {} blocks of {} bytes, signature {}",
                    Escaped::path(&args.file),
                    done.blocks,
                    done.block_len,
                    ByteSize(done.signature).approx()
                )
            })?;
        }
        Ok(Exit::Done)
    }

    fn delta(&self, args: &DeltaArgs) -> Result<Exit, Error> {
        let options = DiffOptions {
            jobs: self.settings.jobs,
            roll: !args.no_roll,
        };
        let (new, out, done) = match (&args.basis, args.files.as_slice()) {
            (Some(old), [new, out]) => {
                let step = args.block_size.get();
                (
                    new,
                    out,
                    by_basis(old, new, out, step, options, &self.progress)?,
                )
            }
            (None, [signature, new, out]) => (
                new,
                out,
                by_signature(signature, new, out, options, &self.progress)?,
            ),
            _ => {
                let text = "delta takes SIG NEW DELTA, or NEW DELTA after --basis OLD";
                return Err(Error::Argument(text.to_owned()));
            }
        };
        if out.as_os_str() != STREAM {
            self.show(&done, || texts::delta(new, &done))?;
        }
        Ok(Exit::Done)
    }

    fn patch(&self, args: &PatchArgs) -> Result<Exit, Error> {
        let options = PatchOptions {
            jobs: self.settings.jobs,
            max_output: args.max_output,
            target: self.target(args.place),
        };
        let tmp_dir = &self.settings.tmp_dir;
        let done = patch(
            &args.old,
            &args.delta,
            &args.out,
            options,
            tmp_dir,
            &self.progress,
        )?;
        if args.out.as_os_str() != STREAM {
            self.show(&done, || texts::patched(&args.out, &done))?;
        }
        Ok(Exit::Done)
    }

    fn restore(&self, args: &RestoreArgs) -> Result<Exit, Error> {
        if args.list {
            let listing = restore::list(&args.file)?;
            if self.json {
                Self::print_json(json!({ "times": listing }))?;
            } else {
                for line in &listing {
                    self.say(&line.to_string())?;
                }
            }
            return Ok(Exit::Done);
        }
        let Some(out) = &args.out else {
            return Err(Error::Argument("no output is named".to_owned()));
        };
        let options = restore::RestoreOptions {
            jobs: self.settings.jobs,
            at: args.at.clone(),
            verify: !args.no_verify,
            max_segments: MAX_SEGMENTS,
            target: self.target(args.place),
        };
        let done = restore::restore(
            &args.file,
            out,
            &options,
            &self.settings.tmp_dir,
            &self.progress,
        )?;
        if done.too_early {
            tracing::warn!(oldest = %done.time, "no backup is that old; the oldest one was taken");
        }
        let wrong = done.checksum == restore::Checksum::Wrong;
        if wrong {
            tracing::error!("the restored file does not have the recorded SHA-1");
        }
        if out.as_os_str() != STREAM {
            self.show(&done, || done.to_string())?;
        }
        Ok(if wrong || done.too_early {
            Exit::Attention
        } else {
            Exit::Done
        })
    }

    fn target(&self, place: TargetArgs) -> TargetOptions {
        TargetOptions {
            zero: self.settings.target_zero,
            force_device: place.force_device,
            preserve_holes: false,
            hole: self.settings.hole_size,
        }
    }

    /// Prints the result in the form asked for; nothing under `--quiet`.
    fn show(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> Result<(), Error> {
        self.progress.clear();
        if self.json {
            Self::print_json(to_value(value))
        } else {
            self.say(&text())
        }
    }

    fn say(&self, text: &str) -> Result<(), Error> {
        if self.quiet {
            return Ok(());
        }
        let mut out = Out::stdout();
        writeln!(out, "{text}")
            .and_then(|()| out.flush())
            .map_err(stdout_failed)
    }

    fn print_json(mut value: Value) -> Result<(), Error> {
        value["version"] = JSON_VERSION.into();
        let mut out = Out::stdout();
        let printed = serde_json::to_writer(&mut out, &value)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
            .and_then(|()| out.flush());
        printed.map_err(stdout_failed)
    }
}

fn stdout_failed(error: io::Error) -> Error {
    Error::io("write", Path::new("standard output"))(error)
}

/// Reports are plain structures of numbers and texts; they always have a JSON form.
fn to_value(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

fn write_file(path: &Path, content: &[u8]) -> Result<(), Error> {
    let output = Output::create(path, &[])?;
    (&output)
        .write_all(content)
        .map_err(Error::io("write", path))?;
    output.finish()
}
