//! qemu with Debian's generic kernel. Emulated in software: a /dev/kvm that can be opened may still
//! not boot this kernel.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::{BUSYBOX, Backend, Options, ROOT, RunDir, check_installed, parameter, write_new};
use crate::{shell, workspace};

pub(super) const PACKAGES: &[&str] = &["qemu-system-x86", "busybox-static", "kmod"];

const QEMU: &str = "/usr/bin/qemu-system-x86_64";
/// The package that depends on the current kernel. The one for cloud machines has neither PPP nor
/// the file system that reads the host's files.
const KERNEL_PACKAGE: &str = "linux-image-amd64";
/// What the initial RAM disk loads, each with what it depends on.
const MODULES: &[&str] = &["virtio_pci", "9pnet_virtio", "9p", "overlay", "i6300esb"];
const HEAD: &str = include_str!("qemu-head.sh");
const TAIL: &str = include_str!("qemu-tail.sh");

/// The command line that boots the machine.
pub(super) fn command(run_dir: &RunDir, options: &Options) -> Result<Vec<OsString>> {
    check_installed(Backend::Qemu, &[QEMU, BUSYBOX])?;
    let kernel = Kernel::get()?;
    let initrd = initial_disk(run_dir, &kernel)?;
    let modules = parameter("vm.modules=", &kernel.root.join("lib/modules"))?;
    let mut append =
        OsString::from("console=ttyS0 quiet loglevel=3 panic=-1 tsc=reliable mitigations=off ");
    append.push(&modules);
    append.push(format!(" vm.restarts={}", options.restarts));

    let memory = options.memory_mib.to_string();
    let mut words: Vec<OsString> = vec![QEMU.into()];
    let fixed = [
        "-machine",
        "q35,accel=tcg",
        "-cpu",
        "max",
        "-smp",
        "2",
        "-m",
        &memory,
        "-nic",
        "none",
        "-vga",
        "none",
        "-display",
        "none",
        "-monitor",
        "none",
        "-serial",
        "stdio",
    ];
    words.extend(fixed.map(OsString::from));
    words.extend(["-device".into(), "i6300esb".into()]);
    words.extend(["-kernel".into(), kernel.image().into()]);
    words.extend(["-initrd".into(), initrd.into()]);
    words.extend(["-append".into(), append]);
    let host = "readonly=on,multidevs=remap";
    words.extend(share("host", Path::new("/"), host)?);
    words.extend(share("out", &run_dir.0, "multidevs=remap")?);
    Ok(words)
}

/// A directory of the host as a file system of the guest.
fn share(tag: &str, path: &Path, options: &str) -> Result<Vec<OsString>> {
    let mut device = parameter(&format!("local,id={tag},path="), path)?;
    device.push(format!(",security_model=none,{options}"));
    Ok(vec![
        "-fsdev".into(),
        device,
        "-device".into(),
        format!("virtio-9p-pci,fsdev={tag},mount_tag={tag}").into(),
    ])
}

/// An unpacked kernel package.
struct Kernel {
    root: PathBuf,
    release: String,
}

impl Kernel {
    fn image(&self) -> PathBuf {
        self.root.join(format!("boot/vmlinuz-{}", self.release))
    }

    /// Fetches and unpacks the current kernel package below the target directory, once. Installing
    /// it would make the host boot it.
    fn get() -> Result<Self> {
        let depends = shell::capture(Command::new("apt-cache").args(["depends", KERNEL_PACKAGE]))?;
        let package = depends
            .lines()
            .find_map(|line| line.trim().strip_prefix("Depends: linux-image-"))
            .with_context(|| format!("apt knows no {KERNEL_PACKAGE}; run `apt-get update`"))?;
        let release = package.trim().to_owned();
        let root = workspace::target_dir()?.join("vm/kernel").join(&release);
        let kernel = Self { root, release };
        if !kernel.image().exists() {
            kernel.unpack()?;
        }
        Ok(kernel)
    }

    fn unpack(&self) -> Result<()> {
        let download = self.root.with_extension("download");
        fs::create_dir_all(&download)?;
        println!("          fetching linux-image-{} (70 MB)", self.release);
        let package = format!("linux-image-{}", self.release);
        let mut apt = Command::new("apt-get");
        shell::capture(
            apt.args(["-q", "download", &package])
                .current_dir(&download),
        )?;
        let file = fs::read_dir(&download)?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .context("apt downloaded no package")?;
        // The image comes last into its place: it says that the rest is there.
        let partial = self.root.with_extension("partial");
        let _ = fs::remove_dir_all(&partial);
        shell::capture(Command::new("dpkg-deb").arg("-x").arg(&file).arg(&partial))?;
        let mut depmod = Command::new("/sbin/depmod");
        shell::capture(depmod.arg("-b").arg(&partial).arg(&self.release))?;
        let _ = fs::remove_dir_all(&self.root);
        fs::rename(&partial, &self.root)?;
        fs::remove_dir_all(&download)?;
        Ok(())
    }

    /// Files to load for a module, in order.
    fn files(&self, module: &str) -> Result<Vec<PathBuf>> {
        let mut modprobe = Command::new("/sbin/modprobe");
        let list = shell::capture(modprobe.arg("-d").arg(&self.root).args([
            "-S",
            &self.release,
            "--show-depends",
            module,
        ]))?;
        Ok(list
            .lines()
            .filter_map(|line| line.strip_prefix("insmod "))
            .map(|path| PathBuf::from(path.trim()))
            .collect())
    }
}

fn initial_disk(run_dir: &RunDir, kernel: &Kernel) -> Result<PathBuf> {
    let tree = run_dir.file("initrd.d");
    fs::create_dir_all(tree.join("bin"))?;
    fs::create_dir_all(tree.join("modules"))?;
    fs::copy(BUSYBOX, tree.join("bin/busybox"))?;
    write_new(&tree.join("init"), [HEAD, ROOT, TAIL].concat().as_bytes())?;
    let mut order = String::new();
    for module in MODULES {
        for file in kernel.files(module)? {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !order.lines().any(|line| line == name) {
                fs::copy(&file, tree.join("modules").join(&name))
                    .with_context(|| format!("cannot copy {}", file.display()))?;
                order.push_str(&name);
                order.push('\n');
            }
        }
    }
    write_new(&tree.join("modules/order"), order.as_bytes())?;
    let archive = run_dir.file("initrd");
    let status = Command::new(BUSYBOX)
        .args(["sh", "-c", "$0 find . | $0 cpio -o -H newc", BUSYBOX])
        .current_dir(&tree)
        .stdin(Stdio::null())
        .stdout(fs::File::create(&archive)?)
        .stderr(Stdio::null())
        .status()?;
    ensure!(status.success(), "cannot write the initial RAM disk");
    Ok(archive)
}
