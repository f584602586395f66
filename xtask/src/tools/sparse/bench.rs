//! The measurements of sparseimg, each beside the Debian programs that do the same.
//!
//! Memory that nothing has used for a while may have gone back to the host of a virtual machine,
//! and is slow when it is touched again. Whoever happens to get such pages looks slow, so before
//! each pass as much memory as it may need is touched and freed again.

use super::images;
use crate::bench::Report;
use crate::measure::{PASSES, Series, Variant, alternate, ratio};
use crate::shell;
use anyhow::Result;
use nightshift_testkit::Sandbox;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Length of the image: an odd one, so that no block size fits.
const IMAGE: u64 = (768 << 20) + 133;
/// What changes in it: mebibytes of new data, and scattered writes of 4 KiB.
const FRESH: u64 = 32;
const SCATTERED: u64 = 200;
/// Length of the image for cold copies.
const COLD: u64 = 1 << 30;

const HEAD: &[&str] = &[
    "variant",
    "wall s",
    "cpu s",
    "peak MiB",
    "times faster",
    "times less cpu",
];

pub(super) fn run(report: &mut Report) -> Result<()> {
    report.peer("rdiff of librsync 2.3.2 (Debian), cp, dd and fallocate of Debian 12");
    report.peer(shell::version("rsync", "--version")?);
    report.peer(shell::version("qemu-img", "--version")?);
    let memory = Sandbox::in_memory();
    let bench = Bench {
        tool: report.binary().to_owned(),
        dir: memory.path().to_owned(),
    };
    images::image(&bench.path("old"), IMAGE)?;
    bench.capture("cp", "--sparse=never old new")?;
    images::change(&bench.path("new"), IMAGE, FRESH, SCATTERED)?;
    bench.signature(report)?;
    bench.delta(report)?;
    bench.patch(report)?;
    bench.dig(report)?;
    bench.copy_in_memory(report)?;
    drop(memory);
    let disk = report.sandbox().path().to_owned();
    let bench = Bench {
        tool: report.binary().to_owned(),
        dir: disk,
    };
    bench.terabyte(report)?;
    bench.copy_cold(report)
}

struct Bench {
    tool: PathBuf,
    dir: PathBuf,
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A program in the directory; `out` is removed before each pass.
    fn variant(&self, name: &str, program: &str, line: &str, out: &str) -> Variant<'_> {
        let program = if program == "sparseimg" {
            self.tool.clone()
        } else {
            program.into()
        };
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let out = self.path(out);
        Variant::program(name, move || {
            remove(&out)?;
            touch_memory(IMAGE)?;
            let mut command = Command::new(&program);
            command.args(&words).current_dir(&self.dir);
            Ok(command)
        })
    }

    fn ours(&self, name: &str, line: &str, out: &str) -> Variant<'_> {
        self.variant(name, "sparseimg", &format!("-q {line}"), out)
    }

    fn capture(&self, program: &str, line: &str) -> Result<()> {
        shell::capture(
            Command::new(program)
                .args(line.split(' '))
                .current_dir(&self.dir),
        )
        .map(drop)
    }

    fn same(&self, a: &str, b: &str) -> Result<()> {
        self.capture("cmp", &format!("{a} {b}"))
    }

    fn signature(&self, report: &mut Report) -> Result<()> {
        let series = alternate(
            vec![
                self.variant("rdiff", "rdiff", "-b 131072 signature old s1", "s1"),
                self.ours("sparseimg -j 1", "-j 1 sig -b 128K old s2", "s2"),
                self.ours("sparseimg", "sig -b 128K old s2", "s2"),
            ],
            PASSES,
        )?;
        self.same("s1", "s2")?;
        report.table(
            "Signature of 768 MiB in memory, blocks of 128 KiB; equal byte for byte.",
            HEAD,
            &rows(&series),
        );
        Ok(())
    }

    fn delta(&self, report: &mut Report) -> Result<()> {
        self.capture("rdiff", "-f -b 4096 signature old s4k")?;
        let series = alternate(
            vec![
                self.variant("rdiff, by signature", "rdiff", "delta s1 new d1", "d1"),
                self.ours("sparseimg, by signature", "delta s1 new d2", "d2"),
                self.ours("sparseimg, --no-roll", "delta --no-roll s1 new d4", "d4"),
                self.ours("sparseimg, --basis", "delta --basis old new d3", "d3"),
            ],
            PASSES,
        )?;
        self.capture("rdiff", "-f patch old d2 out")?;
        self.same("out", "new")?;
        self.capture("rdiff", "-f patch old d3 out")?;
        self.same("out", "new")?;
        self.capture("rdiff", "-f delta s4k new d5")?;
        remove(&self.path("out"))?;
        let size = |name: &str| -> Result<String> {
            Ok(format!(
                "{:.2} MB",
                in_units(self.path(name).metadata()?.len(), 1_000_000)
            ))
        };
        report.table(
            "Delta of the changed image: 32 MiB new, 200 scattered writes of 4 KiB.",
            HEAD,
            &rows(&series),
        );
        let sizes = [
            ("rdiff, 128 KiB", "d1"),
            ("sparseimg, 128 KiB", "d2"),
            ("sparseimg, 128 KiB, --no-roll", "d4"),
            ("rdiff, 4 KiB", "d5"),
            ("sparseimg --basis, 4 KiB", "d3"),
        ];
        let rows = sizes
            .iter()
            .map(|(name, file)| Ok(vec![(*name).to_owned(), size(file)?]));
        report.table(
            "Their sizes.",
            &["variant", "delta"],
            &rows.collect::<Result<Vec<_>>>()?,
        );
        Ok(())
    }

    fn patch(&self, report: &mut Report) -> Result<()> {
        let series = alternate(
            vec![
                self.variant("rdiff", "rdiff", "patch old d1 o1", "o1"),
                self.ours("sparseimg -j 1", "-j 1 patch old d1 o2", "o2"),
                self.ours("sparseimg", "patch old d1 o2", "o2"),
            ],
            PASSES,
        )?;
        self.same("o1", "o2")?;
        report.table("Patch in memory.", HEAD, &rows(&series));
        remove(&self.path("o1"))?;
        remove(&self.path("o2"))
    }

    fn dig(&self, report: &mut Report) -> Result<()> {
        let dense = |name: &str, program: PathBuf, words: &'static [&'static str]| {
            let target = self.path("dense");
            Variant::program(name, move || {
                remove(&target)?;
                let mut copy = Command::new("cp");
                shell::capture(
                    copy.arg("--sparse=never")
                        .arg(self.path("old"))
                        .arg(&target),
                )?;
                touch_memory(IMAGE / 4)?;
                let mut command = Command::new(&program);
                command.args(words).arg(&target);
                Ok(command)
            })
        };
        let series = alternate(
            vec![
                dense("fallocate -d", "fallocate".into(), &["-d"]),
                dense(
                    "sparseimg -j 1",
                    self.tool.clone(),
                    &["-q", "-j", "1", "dig"],
                ),
                dense("sparseimg", self.tool.clone(), &["-q", "dig"]),
            ],
            PASSES,
        )?;
        self.same("dense", "old")?;
        report.table(
            "Digging holes into the dense image in memory.",
            HEAD,
            &rows(&series),
        );
        remove(&self.path("dense"))
    }

    fn copy_in_memory(&self, report: &mut Report) -> Result<()> {
        let qemu = "convert -f raw -O raw -S 4k old out";
        let series = alternate(
            vec![
                self.variant("cp --sparse=always", "cp", "--sparse=always old out", "out"),
                self.variant(
                    "dd conv=sparse",
                    "dd",
                    "if=old of=out bs=64K conv=sparse status=none",
                    "out",
                ),
                self.variant("rsync -S -W", "rsync", "-S -W old out", "out"),
                self.variant("qemu-img convert -S 4k", "qemu-img", qemu, "out"),
                self.ours("sparseimg -j 1", "-j 1 copy old out", "out"),
                self.ours("sparseimg", "copy old out", "out"),
            ],
            PASSES,
        )?;
        self.same("old", "out")?;
        report.table("Copy in memory.", HEAD, &rows(&series));
        Ok(())
    }

    fn copy_cold(&self, report: &mut Report) -> Result<()> {
        images::image(&self.path("cold"), COLD)?;
        self.capture("sync", "cold")?;
        let cold = |name: &str, line: String| {
            Variant::program(name, move || {
                remove(&self.path("out"))?;
                shell::capture(Command::new("sync").arg("-f").arg(&self.dir))?;
                self.capture("dd", "if=cold iflag=nocache count=0 status=none")?;
                touch_memory(COLD * 2)?;
                let mut command = Command::new("sh");
                command.args(["-c", &line]).current_dir(&self.dir);
                Ok(command)
            })
        };
        let tool = self.tool.display();
        let series = alternate(
            vec![
                cold(
                    "cp --sparse=always, sync",
                    "cp --sparse=always cold out && sync out".to_owned(),
                ),
                cold(
                    "dd iflag=direct, reading alone",
                    "dd if=cold of=/dev/null bs=4M iflag=direct status=none".to_owned(),
                ),
                cold("sparseimg", format!("{tool} -q copy cold out")),
                cold("sparseimg -j 1", format!("{tool} -q -j 1 copy cold out")),
                cold(
                    "sparseimg --direct no",
                    format!("{tool} -q copy --direct no cold out"),
                ),
            ],
            PASSES,
        )?;
        self.same("cold", "out")?;
        report.table(
            "Copy of 1 GiB from disk to disk, source not cached, target synced.",
            HEAD,
            &rows(&series),
        );
        remove(&self.path("cold"))?;
        remove(&self.path("out"))
    }

    fn terabyte(&self, report: &mut Report) -> Result<()> {
        images::terabyte(&self.path("tera"))?;
        let series = alternate(
            vec![
                self.ours("copy", "copy tera out", "out"),
                self.ours("sig", "sig tera out", "out"),
                self.ours("map", "map tera", "out"),
            ],
            PASSES,
        )?;
        let rows: Vec<Vec<String>> = rows(&series)
            .into_iter()
            .map(|row| row[..4].to_vec())
            .collect();
        report.table("A file of 1 TiB with 64 MiB of data.", &HEAD[..4], &rows);
        remove(&self.path("tera"))?;
        remove(&self.path("out"))
    }
}

/// Touches and frees `bytes` of memory, in a process of its own (see [`images`]).
fn touch_memory(bytes: u64) -> Result<()> {
    let mut dd = Command::new("dd");
    dd.args([
        "if=/dev/zero",
        "of=/dev/null",
        "count=1",
        "iflag=fullblock",
        "status=none",
    ]);
    shell::capture(dd.arg(format!("bs={bytes}"))).map(drop)
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn in_units(bytes: u64, unit: u32) -> f64 {
    bytes as f64 / f64::from(unit)
}

/// One row per variant; the first is what the others are compared with.
fn rows(series: &[Series]) -> Vec<Vec<String>> {
    let Some(first) = series.first() else {
        return Vec::new();
    };
    series
        .iter()
        .map(|one| {
            vec![
                one.name.clone(),
                format!("{:.2}", one.wall().as_secs_f64()),
                format!("{:.2}", one.cpu().as_secs_f64()),
                format!("{:.0}", in_units(one.peak_memory(), 1 << 20)),
                format!("{:.1}", ratio(one.wall(), first.wall())),
                format!("{:.1}", ratio(one.cpu(), first.cpu())),
            ]
        })
        .collect()
}
