//! The long random test: opens, reads, writes, refreshes, devices that come and go, daemons that
//! are stopped and killed. Every byte read is compared, and nothing may be left behind.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nightshift_testkit::{LoopDevice, MountGuard, Sandbox, noise};

use crate::{interrupt, shell};

const DISKS: usize = 6;
/// Not a multiple of 4096 for every other disk, so that both block sizes of the image occur.
const SIZE: u64 = 4 << 20;
/// Files held open at a time, at most.
const HELD: usize = 8;
/// How long the kernel may take to finish a close or a detach.
const LIMIT: Duration = Duration::from_secs(30);
/// What a daemon may grow by, in KiB. Its windows are mapped, not resident for long.
const GROWTH: u64 = 48 << 10;

/// Runs for `minutes` with the binaries in `directory`.
pub(super) fn soak(directory: &Path, minutes: u32) -> Result<()> {
    let end = Instant::now() + Duration::from_mins(1) * minutes;
    let seed = std::process::id();
    println!("soak: seed {seed}");
    let images = images_in_use();
    let mut soak = Soak::new(directory, seed.into())?;
    let mut steps = 0_u64;
    while Instant::now() < end {
        interrupt::check()?;
        soak.step()
            .with_context(|| format!("step {steps}, seed {seed}"))?;
        steps += 1;
        if steps.is_multiple_of(500) {
            soak.settle()?;
        }
    }
    soak.settle()?;
    let compared = soak.compared >> 20;
    let restarts = soak.restarts;
    soak.finish()?;
    wait_until("the loop devices under the images are gone", || {
        images_in_use() <= images
    })?;
    println!("soak: {steps} steps, {restarts} restarts, {compared} MiB compared");
    Ok(())
}

struct Disk {
    name: String,
    device: LoopDevice,
    content: Vec<u8>,
    /// Whether the source directory has its name.
    linked: bool,
}

/// A file that stays open over several steps.
struct Held {
    file: File,
    disk: usize,
}

struct Soak<'a> {
    directory: &'a Path,
    sandbox: Sandbox,
    random: Random,
    disks: Vec<Disk>,
    held: Vec<Held>,
    mount: Option<MountGuard>,
    /// Descriptors and resident KiB of the daemon when nothing is open.
    baseline: (usize, u64),
    pid: u32,
    compared: u64,
    restarts: u64,
}

impl<'a> Soak<'a> {
    fn new(directory: &'a Path, seed: u64) -> Result<Self> {
        let sandbox = Sandbox::in_memory();
        sandbox.dir("dev");
        sandbox.dir("mnt");
        let disks = (0..DISKS).map(|index| {
            let size = SIZE + 512 * (index as u64 % 2);
            let content = noise(index as u64, usize::try_from(size)?);
            let device = LoopDevice::options().of_content(&content)?;
            let name = format!("disk {index}");
            sandbox.symlink(device.path(), Path::new("dev").join(&name));
            anyhow::Ok(Disk {
                name,
                device,
                content,
                linked: true,
            })
        });
        let disks = disks.collect::<Result<_>>()?;
        let mut soak = Self {
            directory,
            sandbox,
            random: Random(seed | 1),
            disks,
            held: Vec::new(),
            mount: None,
            baseline: (0, 0),
            pid: 0,
            compared: 0,
            restarts: 0,
        };
        soak.start()?;
        Ok(soak)
    }

    fn step(&mut self) -> Result<()> {
        let disk = self.random.below(DISKS);
        match self.random.below(100) {
            0..40 => self.read(disk),
            40..55 => self.hold(disk),
            55..75 => self.read_held(),
            75..83 => self.write(disk),
            83..89 => self.come_or_go(disk),
            89..92 => self.exchange(disk),
            92..95 => self.hang_up(),
            95..97 => self.restart("TERM"),
            97 => self.restart("KILL"),
            _ => self.settle(),
        }
    }

    /// Opens a file, compares a part of it and closes it.
    fn read(&mut self, disk: usize) -> Result<()> {
        if let Some(file) = self.open(disk)? {
            self.compare(&file, disk)?;
        }
        Ok(())
    }

    fn hold(&mut self, disk: usize) -> Result<()> {
        if self.held.len() == HELD {
            let index = self.random.below(HELD);
            self.held.swap_remove(index);
        }
        if let Some(file) = self.open(disk)? {
            self.held.push(Held { file, disk });
        }
        Ok(())
    }

    fn read_held(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let index = self.random.below(self.held.len());
        let held = self.held.swap_remove(index);
        self.compare(&held.file, held.disk)?;
        self.held.push(held);
        Ok(())
    }

    /// Writes to a device; with a refresh, whoever has it open must see it.
    fn write(&mut self, disk: usize) -> Result<()> {
        let length = 1 + self.random.below(200_000);
        let bytes = noise(self.random.next(), length);
        let disk = &mut self.disks[disk];
        let offset = self.random.below(disk.content.len() - length);
        disk.content[offset..offset + length].copy_from_slice(&bytes);
        let device = File::options().write(true).open(disk.device.path())?;
        device.write_all_at(&bytes, offset as u64)?;
        self.refresh()
    }

    /// Takes a name away or puts it back.
    fn come_or_go(&mut self, disk: usize) -> Result<()> {
        let disk = &mut self.disks[disk];
        let name = self.sandbox.join("dev").join(&disk.name);
        if disk.linked {
            fs::remove_file(&name)?;
        } else {
            std::os::unix::fs::symlink(disk.device.path(), &name)?;
        }
        disk.linked = !disk.linked;
        self.refresh()
    }

    /// Detaches a device that nobody has open and puts another one under its name.
    fn exchange(&mut self, disk: usize) -> Result<()> {
        if self.held.iter().any(|held| held.disk == disk) {
            return Ok(());
        }
        let content = noise(self.random.next(), self.disks[disk].content.len());
        let disk = &mut self.disks[disk];
        disk.device.detach()?;
        wait_until("an idle device can be detached", || !disk.device.is_bound())?;
        disk.device = LoopDevice::options().of_content(&content)?;
        disk.content = content;
        if disk.linked {
            let name = self.sandbox.join("dev").join(&disk.name);
            fs::remove_file(&name)?;
            std::os::unix::fs::symlink(disk.device.path(), &name)?;
        }
        self.refresh()
    }

    /// A refresh by signal, which nobody waits for.
    fn hang_up(&mut self) -> Result<()> {
        self.signal("HUP")
    }

    /// Ends the daemon and starts another one.
    fn restart(&mut self, signal: &str) -> Result<()> {
        self.held.clear();
        self.signal(signal)?;
        let pid = self.pid;
        wait_until("the daemon ends", || {
            !Path::new(&format!("/proc/{pid}")).exists()
        })?;
        // After a kill the dead mount is still there.
        if self.mount.as_ref().is_some_and(MountGuard::is_mounted) {
            self.tool(["umount", "--lazy"])?;
        }
        // Before the next one: a guard unmounts whatever is on its mount point.
        self.mount = None;
        self.restarts += 1;
        self.start()
    }

    /// Closes everything and looks for what was left behind.
    fn settle(&mut self) -> Result<()> {
        self.held.clear();
        let (descriptors, memory) = self.baseline;
        let pid = self.pid;
        wait_until("the daemon has closed its files", || {
            usage(pid).is_ok_and(|(now, _)| now <= descriptors)
        })?;
        let (_, now) = usage(pid)?;
        ensure!(
            now <= memory + GROWTH,
            "the daemon grew from {memory} to {now} KiB"
        );
        Ok(())
    }

    fn start(&mut self) -> Result<()> {
        let mountpoint = self.sandbox.join("mnt");
        let engine = ["auto", "auto", "kernel", "copy"][self.random.below(4)];
        let mut command = Command::new(self.directory.join("blockfuse"));
        command.args(["mount", "--engine", engine, "--mtime", "changed", "--state"]);
        command
            .arg(self.sandbox.join("state.json"))
            .arg(self.sandbox.join("dev"));
        shell::capture(command.arg(&mountpoint))?;
        self.mount = Some(MountGuard::adopt(&mountpoint));
        let status: serde_json::Value = serde_json::from_str(&self.tool(["status", "--json"])?)?;
        let pid = status["pid"].as_u64().context("status without a pid")?;
        self.pid = u32::try_from(pid)?;
        // The first opens start what a daemon keeps for good.
        for disk in 0..DISKS {
            self.read(disk)?;
        }
        // A release comes after close(2) has returned.
        wait_until("everything is closed", || {
            let status = self.tool(["status", "--json"]).unwrap_or_default();
            !status.is_empty() && !status.contains("\"opens\":1")
        })?;
        self.baseline = usage(self.pid)?;
        Ok(())
    }

    fn finish(mut self) -> Result<()> {
        self.held.clear();
        self.tool(["umount"])?;
        Ok(())
    }

    fn open(&self, disk: usize) -> Result<Option<File>> {
        let disk = &self.disks[disk];
        let path = self.sandbox.join("mnt").join(&disk.name);
        match File::open(&path) {
            Ok(file) if disk.linked => Ok(Some(file)),
            Ok(_) => anyhow::bail!("{} is there though its name is gone", path.display()),
            Err(error) if !disk.linked && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot open {}", path.display())),
        }
    }

    fn compare(&mut self, file: &File, disk: usize) -> Result<()> {
        let content = &self.disks[disk].content;
        let offset = self.random.below(content.len());
        let length = (1 + self.random.below(1 << 20)).min(content.len() - offset);
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset as u64)?;
        let same = bytes == content[offset..offset + length];
        ensure!(
            same,
            "{} differs in {length} bytes from {offset}",
            self.disks[disk].name
        );
        ensure!(
            file.read_at(&mut [0], content.len() as u64)? == 0,
            "the file is too long"
        );
        self.compared += length as u64;
        Ok(())
    }

    fn refresh(&self) -> Result<()> {
        self.tool(["refresh"]).map(drop)
    }

    fn tool<const N: usize>(&self, args: [&str; N]) -> Result<String> {
        let mut command = Command::new(self.directory.join("blockfuse"));
        shell::capture(command.args(args).arg(self.sandbox.join("mnt")))
    }

    fn signal(&self, name: &str) -> Result<()> {
        shell::capture(Command::new("kill").args(["-s", name, &self.pid.to_string()])).map(drop)
    }
}

/// Descriptors and resident KiB of a process.
fn usage(pid: u32) -> Result<(usize, u64)> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let memory = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    Ok((
        descriptors,
        memory.context("no RssAnon in /proc/PID/status")?,
    ))
}

/// Loop devices that carry the image of an open file.
fn images_in_use() -> usize {
    let devices = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let files = devices.map(|device| fs::read_to_string(device.path().join("loop/backing_file")));
    files
        .flatten()
        .filter(|file| file.contains("memfd:blockfuse"))
        .count()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        ensure!(
            Instant::now() < deadline,
            "waited {LIMIT:?} in vain until {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// Xorshift: the same steps for the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or_default()
    }
}
