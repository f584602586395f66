//! The measurements of sparseimg, each beside the Debian programs that do the same.

use crate::bench::Report;
use crate::measure::{PASSES, Series, Variant, alternate, ratio};
use crate::shell;
use anyhow::Result;
use nightshift_testkit::Sandbox;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Length of the image: an odd one, so that no block size fits.
const IMAGE: u64 = (1536 << 20) + 133;
/// Length of the image for cold copies: larger than any cache of the disk.
const COLD: u64 = 4 << 30;

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
    image(&bench.path("old"), IMAGE)?;
    changed(&bench.path("old"), &bench.path("new"))?;
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
    bench.copy_cold(report)?;
    bench.terabyte(report)
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
                self.ours("sparseimg -j 2", "-j 2 sig -b 128K old s2", "s2"),
            ],
            PASSES,
        )?;
        self.same("s1", "s2")?;
        report.table(
            "Signature of 1.5 GiB in memory, blocks of 128 KiB; equal byte for byte.",
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
                self.ours("sparseimg -j 2, by signature", "-j 2 delta s1 new d2", "d2"),
                self.ours(
                    "sparseimg -j 2, --no-roll",
                    "-j 2 delta --no-roll s1 new d4",
                    "d4",
                ),
                self.ours(
                    "sparseimg -j 2, --basis",
                    "-j 2 delta --basis old new d3",
                    "d3",
                ),
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
            "Delta of the changed image: 64 MiB new, 400 scattered writes of 4 KiB.",
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
                self.ours("sparseimg -j 2", "-j 2 patch old d1 o2", "o2"),
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
                dense(
                    "sparseimg -j 2",
                    self.tool.clone(),
                    &["-q", "-j", "2", "dig"],
                ),
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
                self.ours("sparseimg -j 2", "-j 2 copy old out", "out"),
            ],
            PASSES,
        )?;
        self.same("old", "out")?;
        report.table("Copy in memory.", HEAD, &rows(&series));
        Ok(())
    }

    fn copy_cold(&self, report: &mut Report) -> Result<()> {
        image(&self.path("cold"), COLD)?;
        self.capture("sync", "cold")?;
        let cold = |name: &str, line: String| {
            Variant::program(name, move || {
                remove(&self.path("out"))?;
                shell::capture(Command::new("sync").arg("-f").arg(&self.dir))?;
                self.capture("dd", "if=cold iflag=nocache count=0 status=none")?;
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
                    "sparseimg --direct yes",
                    format!("{tool} -q copy --direct yes cold out"),
                ),
                cold(
                    "sparseimg --direct no",
                    format!("{tool} -q copy --direct no cold out"),
                ),
            ],
            PASSES,
        )?;
        self.same("cold", "out")?;
        report.table(
            "Copy of 4 GiB from disk to disk, source not cached, target synced.",
            HEAD,
            &rows(&series),
        );
        remove(&self.path("cold"))?;
        remove(&self.path("out"))
    }

    fn terabyte(&self, report: &mut Report) -> Result<()> {
        let file = File::create(self.path("tera"))?;
        file.set_len(1 << 40)?;
        let data = vec![7; 1 << 20];
        for number in 0..64_u64 {
            file.write_all_at(&data, number * (16 << 30))?;
        }
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

/// Writes an image: two of five mebibytes are data without repetition, the rest stored zeros.
fn image(path: &Path, len: u64) -> Result<()> {
    let mut noise = vec![0; 64 << 20];
    File::open("/dev/urandom")?.read_exact(&mut noise)?;
    let mut file = File::create(path)?;
    let mut left = len;
    let mut number = 0_usize;
    while left > 0 {
        let step = usize::try_from(left.min(1 << 20))?;
        let mut piece = vec![0; step];
        if number % 5 < 2 {
            // Another part of the noise each time, and a number in each page.
            let start = number * 7919 % (63 << 20);
            piece.copy_from_slice(&noise[start..start + step]);
            for (page, bytes) in piece.chunks_mut(4096).enumerate() {
                let mark = (number * 256 + page).to_le_bytes();
                let len = mark.len().min(bytes.len());
                bytes[..len].copy_from_slice(&mark[..len]);
            }
        }
        file.write_all(&piece)?;
        left -= step as u64;
        number += 1;
    }
    Ok(())
}

/// A copy with 64 MiB of new data and 400 scattered changes of 4 KiB.
fn changed(old: &Path, new: &Path) -> Result<()> {
    shell::capture(Command::new("cp").arg("--sparse=never").args([old, new]))?;
    let mut random = File::open("/dev/urandom")?;
    let mut file = File::options().write(true).open(new)?;
    let mut data = vec![0; 64 << 20];
    random.read_exact(&mut data)?;
    file.seek(SeekFrom::Start(700 << 20))?;
    file.write_all(&data)?;
    for number in 0..400_u64 {
        let at = number * 3_989_504 % (1536 << 20) / 4096 * 4096;
        file.write_all_at(&data[usize::try_from(number)? * 4096..][..4096], at)?;
    }
    Ok(())
}
