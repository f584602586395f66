//! How fast a device is read through the mount: beside the device itself, the design of the
//! original program and nbdfuse with nbdkit.
//!
//! The window is small, and each cold pass follows at once upon another that does not count,
//! because a virtual machine's memory that is touched for the first time, or for the first time
//! since the host took it back, costs more than any of the variants. Caches are dropped on both
//! sides; a file of the kernel engine loses its cache when it is closed. Processor time is
//! that of the reader and of all threads of the serving processes; work that the kernel does for
//! them in threads of its own is in neither.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nightshift_testkit::{LoopDevice, MountGuard, Sandbox, noise};
use rustix::fs::Advice;

use super::rdiff_backup;
use crate::bench::Report;
use crate::measure::{Sample, Series, Variant, alternate, time};
use crate::shell;

/// What is read in a pass, in bytes.
const WINDOW: usize = 256 << 20;
const PASSES: usize = 7;
/// Reads of 4 KiB in a random pass.
const RANDOM_READS: u64 = 8192;
const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn bench(report: &mut Report) -> Result<()> {
    report.peer(shell::version("nbdfuse", "--version")?);
    report.peer(shell::version("nbdkit", "--version")?);
    report.peer("the original's design (benches/original.c, libfuse 3, one thread)");
    let original = build_original(report.sandbox())?;
    let data = noise(1, WINDOW);

    let zram = Zram::new(&data)?;
    let what = "a compressed RAM disk (zram) with incompressible data";
    reads(report, &original, what, &zram.path, None)?.add_to(report);
    drop(zram);

    // On the disk of the machine, unlike the test kit's own files.
    let file = report.sandbox().file("disk", &data);
    let disk = LoopDevice::options().over(&file)?;
    let what = "a loop device over a file on disk";
    reads(report, &original, what, disk.path(), Some(&file))?.add_to(report);
    backups(report, &disk, &data)?;
    many_devices(report)
}

/// All ways of reading one device.
fn reads(
    report: &Report,
    original: &Path,
    what: &str,
    device: &Path,
    below: Option<&Path>,
) -> Result<Table> {
    // Made anew for each cold pass: what a server keeps mapped stays in the device's cache, and
    // the others would read it from there.
    let makers: [Maker<'_>; 5] = [
        Box::new(|| Ok(Target::direct(device))),
        Box::new(|| Target::blockfuse(report, "kernel", device)),
        Box::new(|| Target::blockfuse(report, "copy", device)),
        Box::new(|| Target::original(report, original, device)),
        Box::new(|| Target::nbdfuse(report, device)),
    ];
    let cold = |work: &dyn Fn(&File) -> Result<()>| {
        let variants = makers.iter().zip(NAMES).map(|(make, name)| {
            Variant::new(name, move || {
                let read = || {
                    let target = make()?;
                    target.forget(device, below)?;
                    let file = File::open(&target.file)?;
                    target.measure(|| work(&file))
                };
                // The pages that this one leaves free are those that the next one takes.
                read()?;
                read()
            })
        });
        alternate(variants.collect(), PASSES)
    };
    let columns = [
        ("cold, 128 KiB", cold(&|file| sequential(file, 128 << 10))?),
        ("cold, 1 MiB", cold(&|file| sequential(file, 1 << 20))?),
    ];
    let random = cold(&scattered)?;
    let warm = makers.iter().zip(NAMES).map(|(make, name)| {
        let mut kept = None;
        Variant::new(name, move || {
            // Opened once, and read once by the pass that does not count.
            let (target, file) = match &mut kept {
                Some(kept) => kept,
                none => {
                    let target = make()?;
                    let file = File::open(&target.file)?;
                    none.insert((target, file))
                }
            };
            target.measure(|| sequential(file, 1 << 20))
        })
    });
    let warm = alternate(warm.collect(), PASSES)?;

    let mut head = vec!["variant".to_owned()];
    for (name, _) in &columns {
        head.extend([
            format!("{name}: MiB/s"),
            "of direct".to_owned(),
            "CPU s/GiB".to_owned(),
        ]);
    }
    head.extend(
        [
            "warm: MiB/s",
            "of direct",
            "random 4 KiB: MiB/s",
            "of direct",
        ]
        .map(str::to_owned),
    );
    let rows = (0..NAMES.len()).map(|row| {
        let mut cells = vec![NAMES[row].to_owned()];
        for (_, series) in &columns {
            cells.extend([rate(&series[row], WINDOW), of_direct(series, row)]);
            cells.push(format!("{:.2}", series[row].cpu().as_secs_f64() * 4.0));
        }
        cells.extend([rate(&warm[row], WINDOW), of_direct(&warm, row)]);
        let bytes = usize::try_from(RANDOM_READS * 4096).unwrap_or(usize::MAX);
        cells.extend([rate(&random[row], bytes), of_direct(&random, row)]);
        cells
    });
    let caption = format!(
        "Reading {} MiB of {what}; medians of {PASSES} passes, variants alternating, best pass \
         in brackets.",
        WINDOW >> 20
    );
    let rows = rows.collect();
    Ok(Table {
        caption,
        head,
        rows,
    })
}

/// A finished table.
struct Table {
    caption: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn add_to(&self, report: &mut Report) {
        let head: Vec<_> = self.head.iter().map(String::as_str).collect();
        report.table(&self.caption, &head, &self.rows);
    }
}

fn rate(series: &Series, bytes: usize) -> String {
    let mib = |time: Duration| {
        let kib = f64::from(u32::try_from(bytes >> 10).unwrap_or(u32::MAX));
        kib / 1024.0 / time.as_secs_f64()
    };
    format!("{:.0} ({:.0})", mib(series.wall()), mib(series.best()))
}

fn of_direct(series: &[Series], row: usize) -> String {
    format!(
        "{:.2}",
        crate::measure::ratio(series[row].wall(), series[0].wall())
    )
}

/// The variants, in the order in which they are made; the first is what the others are compared
/// with.
const NAMES: [&str; 5] = [
    "the device itself",
    "blockfuse, kernel engine",
    "blockfuse, copy engine",
    "the original's design",
    "nbdfuse with nbdkit",
];

type Maker<'a> = Box<dyn Fn() -> Result<Target> + 'a>;

/// A way to read the device.
struct Target {
    file: PathBuf,
    /// Processes that serve it.
    servers: Vec<u32>,
    /// Kept for what dropping them ends.
    _guards: (Option<MountGuard>, Option<Server>),
}

impl Target {
    fn direct(device: &Path) -> Self {
        let file = device.to_owned();
        Self {
            file,
            servers: Vec::new(),
            _guards: (None, None),
        }
    }

    fn blockfuse(report: &Report, engine: &str, device: &Path) -> Result<Self> {
        // A directory of its own for each pass: the daemon of the last one may still be ending.
        static PASS: AtomicU32 = AtomicU32::new(0);
        let name = device
            .file_name()
            .context("a device has a name")?
            .to_owned();
        let pass = PASS.fetch_add(1, Ordering::Relaxed);
        let key = format!("{}-{engine}-{pass}", name.display());
        let (source, mountpoint) = directories(report.sandbox(), &key);
        report.sandbox().symlink(device, source.join("device"));
        let guard = MountGuard::adopt(&mountpoint);
        let mut mount = Command::new(report.binary());
        mount
            .args(["mount", "--engine", engine])
            .args([&source, &mountpoint]);
        shell::capture(&mut mount)?;
        let status = shell::capture(
            Command::new(report.binary())
                .args(["status", "--json"])
                .arg(&mountpoint),
        )?;
        let status: serde_json::Value = serde_json::from_str(&status)?;
        let pid = status["pid"].as_u64().context("status without a pid")?;
        Ok(Self {
            file: mountpoint.join("device"),
            servers: vec![u32::try_from(pid)?],
            _guards: (Some(guard), None),
        })
    }

    fn original(report: &Report, program: &Path, device: &Path) -> Result<Self> {
        let key = format!(
            "{}-original",
            device.file_name().unwrap_or_default().display()
        );
        let (_, mountpoint) = directories(report.sandbox(), &key);
        let guard = MountGuard::adopt(&mountpoint);
        let mut command = Command::new(program);
        command.args([device, &mountpoint]).args(["-f", "-s"]);
        let server = Server::start(&mut command, &mountpoint.join("device"))?;
        Ok(Self {
            file: mountpoint.join("device"),
            servers: vec![server.0.id()],
            _guards: (Some(guard), Some(server)),
        })
    }

    fn nbdfuse(report: &Report, device: &Path) -> Result<Self> {
        let key = format!(
            "{}-nbdfuse",
            device.file_name().unwrap_or_default().display()
        );
        let (_, mountpoint) = directories(report.sandbox(), &key);
        let guard = MountGuard::adopt(&mountpoint);
        let mut command = Command::new("nbdfuse");
        command.args(["-r", "-C", "4"]).arg(&mountpoint);
        command
            .args(["[", "nbdkit", "-r", "file"])
            .arg(device)
            .arg("]");
        let server = Server::start(&mut command, &mountpoint.join("nbd"))?;
        let mut servers = vec![server.0.id()];
        servers.extend(children(server.0.id())?);
        Ok(Self {
            file: mountpoint.join("nbd"),
            servers,
            _guards: (Some(guard), Some(server)),
        })
    }

    /// Empties the caches of the file, of the device and of what lies below it.
    fn forget(&self, device: &Path, below: Option<&Path>) -> Result<()> {
        for path in [Some(self.file.as_path()), Some(device), below]
            .into_iter()
            .flatten()
        {
            rustix::fs::fadvise(File::open(path)?, 0, None, Advice::DontNeed)?;
        }
        Ok(())
    }

    /// Runs `work`; its time, and the processor time of this thread and of the servers.
    fn measure(&self, work: impl FnOnce() -> Result<()>) -> Result<Sample> {
        let cpu = || -> Result<Duration> {
            let own = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            let own = Duration::new(own.tv_sec.unsigned_abs(), u32::try_from(own.tv_nsec)?);
            self.servers
                .iter()
                .try_fold(own, |sum, pid| Ok(sum + processor_time(*pid)?))
        };
        let (before, started) = (cpu()?, Instant::now());
        work()?;
        let wall = started.elapsed();
        Ok(Sample {
            wall,
            cpu: cpu()?.saturating_sub(before),
            peak_memory: 0,
        })
    }
}

/// Touches what a pass will fill with cached pages, so that the machine has that memory.
fn settle() {
    drop(std::hint::black_box(vec![1_u8; 2 * WINDOW]));
}

fn sequential(file: &File, block: usize) -> Result<()> {
    let mut buffer = vec![0; block];
    let mut position = 0;
    while position < WINDOW as u64 {
        let length = file.read_at(&mut buffer, position)?;
        ensure!(length > 0, "the file ends at {position}");
        position += length as u64;
    }
    Ok(())
}

/// Visits 4 KiB blocks in an order that no read-ahead guesses.
fn scattered(file: &File) -> Result<()> {
    const BLOCKS: u64 = WINDOW as u64 / 4096;
    let mut buffer = [0; 4096];
    for step in 0..RANDOM_READS {
        // An odd factor visits each block once.
        let block = (step * 40_503) % BLOCKS;
        file.read_exact_at(&mut buffer, block * 4096)?;
    }
    Ok(())
}

/// What all threads of a process have used, from the scheduler's count in nanoseconds.
fn processor_time(pid: u32) -> Result<Duration> {
    let mut total = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end while we look.
        let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else {
            continue;
        };
        total += text
            .split_whitespace()
            .next()
            .context("empty schedstat")?
            .parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

fn children(pid: u32) -> Result<Vec<u32>> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    text.split_whitespace()
        .map(|child| Ok(child.parse()?))
        .collect()
}

fn directories(sandbox: &Sandbox, key: &str) -> (PathBuf, PathBuf) {
    (
        sandbox.dir(format!("{key}-source")),
        sandbox.dir(format!("{key}-mount")),
    )
}

/// A program in the foreground, ended on drop.
struct Server(Child);

impl Server {
    /// Starts it and waits until `file` is there.
    fn start(command: &mut Command, file: &Path) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let line = shell::line(command);
        let mut server = Self(
            command
                .spawn()
                .with_context(|| format!("cannot run `{line}`"))?,
        );
        let deadline = Instant::now() + LIMIT;
        while !file.exists() {
            if let Some(status) = server.0.try_wait()? {
                bail!("`{line}` ended: {status}");
            }
            ensure!(
                Instant::now() < deadline,
                "`{line}` does not serve {}",
                file.display()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Unmounting has ended it; otherwise nothing is lost by a kill.
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

fn build_original(sandbox: &Sandbox) -> Result<PathBuf> {
    let flags = shell::capture(Command::new("pkg-config").args(["--cflags", "--libs", "fuse3"]))?;
    let source = crate::workspace::root().join("crates/blockfuse/benches/original.c");
    let program = sandbox.join("original");
    let mut gcc = Command::new("gcc");
    gcc.args(["-O2", "-Wall", "-Wextra", "-o"])
        .args([&program, &source]);
    shell::capture(gcc.args(flags.split_whitespace()))?;
    Ok(program)
}

/// A RAM disk of the kernel, removed on drop.
struct Zram {
    number: u32,
    path: PathBuf,
}

impl Zram {
    fn new(data: &[u8]) -> Result<Self> {
        // Where zram is a module, this is what loads it; built in, it changes nothing.
        let _output = Command::new("modprobe").arg("zram").output();
        let number = fs::read_to_string("/sys/class/zram-control/hot_add")
            .context("this kernel has no zram")?
            .trim()
            .parse()?;
        let zram = Self {
            number,
            path: format!("/dev/zram{number}").into(),
        };
        let size = format!("/sys/block/zram{number}/disksize");
        #[expect(
            clippy::disallowed_methods,
            reason = "an attribute of the kernel, not state"
        )]
        fs::write(size, data.len().to_string())?;
        let device = File::options().write(true).open(&zram.path)?;
        device.write_all_at(data, 0)?;
        device.sync_all()?;
        Ok(zram)
    }
}

impl Drop for Zram {
    fn drop(&mut self) {
        #[expect(
            clippy::disallowed_methods,
            reason = "an attribute of the kernel, not state"
        )]
        let _result = fs::write(
            "/sys/class/zram-control/hot_remove",
            self.number.to_string(),
        );
    }
}

/// A whole run of rdiff-backup over the device, and over a plain file with the same bytes.
fn backups(report: &mut Report, disk: &LoopDevice, data: &[u8]) -> Result<()> {
    let plain = report.sandbox().dir("plain");
    report.sandbox().file("plain/device", data);
    let mut sources = vec![("a plain file".to_owned(), plain, None)];
    for engine in ["kernel", "copy"] {
        let (source, mountpoint) = directories(report.sandbox(), &format!("backup-{engine}"));
        report.sandbox().symlink(disk.path(), source.join("device"));
        let guard = MountGuard::adopt(&mountpoint);
        let mut mount = Command::new(report.binary());
        mount
            .args(["mount", "--engine", engine])
            .args([&source, &mountpoint]);
        shell::capture(&mut mount)?;
        sources.push((
            format!("blockfuse, {engine} engine"),
            mountpoint,
            Some(guard),
        ));
    }
    let sandbox = report.sandbox();
    let variants = sources.iter().map(|(name, directory, _)| {
        Variant::new(name, move || {
            let mirror = sandbox.join("mirror");
            if mirror.exists() {
                fs::remove_dir_all(&mirror)?;
            }
            let file = directory.join("device");
            for path in [&file, disk.path(), disk.backing()] {
                rustix::fs::fadvise(File::open(path)?, 0, None, Advice::DontNeed)?;
            }
            settle();
            time(&mut rdiff_backup(
                super::FIRST,
                "backup",
                &[],
                directory,
                &mirror,
            )?)
        })
    });
    let series = alternate(variants.collect(), crate::measure::PASSES)?;
    let rows: Vec<_> = series
        .iter()
        .map(|series| {
            let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
            vec![
                series.name.clone(),
                seconds(series.wall()),
                seconds(series.best()),
            ]
        })
        .collect();
    let caption = format!(
        "A first rdiff-backup of {} MiB into an empty mirror, from the start of the program to \
         its end; medians of {} runs.",
        WINDOW >> 20,
        crate::measure::PASSES
    );
    report.table(&caption, &["source", "s", "best s"], &rows);
    Ok(())
}

/// From the start of the program to its end, when the mount answers.
fn many_devices(report: &mut Report) -> Result<()> {
    let disks: Vec<_> = (0..4)
        .map(|_| LoopDevice::options().of_size(1 << 20))
        .collect::<Result<_, _>>()?;
    let mut rows = Vec::new();
    for count in [10_usize, 1000] {
        let (source, mountpoint) = directories(report.sandbox(), &format!("many-{count}"));
        for (index, disk) in (0..count).zip(disks.iter().cycle()) {
            report
                .sandbox()
                .symlink(disk.path(), source.join(format!("device-{index}")));
        }
        let binary = report.binary();
        let pass = || {
            let guard = MountGuard::adopt(&mountpoint);
            let mut mount = Command::new(binary);
            let sample = time(mount.arg("mount").args([&source, &mountpoint]))?;
            let listed = fs::read_dir(&mountpoint)?.count();
            ensure!(listed == count, "{listed} files instead of {count}");
            shell::capture(Command::new(binary).arg("umount").arg(&mountpoint))?;
            drop(guard);
            Ok(sample)
        };
        let series = alternate(vec![Variant::new("mount", pass)], PASSES)?;
        let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1000.0);
        rows.push(vec![
            count.to_string(),
            ms(series[0].wall()),
            ms(series[0].best()),
        ]);
    }
    let caption = "Mounting a directory of links to devices, from the start of the program until \
                   the mount answers; medians.";
    report.table(caption, &["devices", "ms", "best ms"], &rows);
    Ok(())
}
