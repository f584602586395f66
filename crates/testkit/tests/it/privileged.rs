//! Loop devices, mounts and namespaces need root.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::Duration;

use nightshift_testkit::{
    Cmd, LoopDevice, MountGuard, NetNs, Sandbox, has, needs, noise, wait_for,
};

const LONG: Duration = Duration::from_secs(20);

#[test]
#[ignore = "needs root"]
fn a_loop_device_has_the_content_of_its_file() {
    needs::root();
    let content = noise(1, 1_048_576 + 512);
    let device = LoopDevice::of_content(&content);
    assert!(
        device
            .path()
            .metadata()
            .unwrap()
            .file_type()
            .is_block_device()
    );
    assert!(device.is_bound());
    assert_eq!(std::fs::read(device.path()).unwrap(), content);
}

#[test]
#[ignore = "needs root"]
fn loop_options_reach_the_kernel() {
    needs::root();
    let options = LoopDevice::options()
        .read_only()
        .offset(4096)
        .sector_size(4096);
    let device = options.of_size(1 << 20).unwrap();
    let attribute = |name: &str| {
        let path = Path::new("/sys/block").join(device.name()).join(name);
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    };
    assert_eq!(attribute("ro"), "1");
    assert_eq!(attribute("size"), "2048");
    assert_eq!(attribute("loop/offset"), "4096");
    assert_eq!(attribute("queue/logical_block_size"), "4096");
}

#[test]
#[ignore = "needs root"]
fn a_panic_detaches_and_deletes() {
    needs::root();
    let device = LoopDevice::of_size(1 << 20);
    let (name, backing) = (device.name().to_owned(), device.backing().to_owned());
    let unwound = std::thread::spawn(move || {
        let _device = device;
        panic!("as a failing assertion would");
    });
    assert!(unwound.join().is_err());
    assert!(!backing.exists());
    let attribute = Path::new("/sys/block").join(name).join("loop/backing_file");
    let bound = std::fs::read_to_string(attribute).unwrap_or_default();
    assert!(!bound.contains(&*backing.to_string_lossy()), "{bound}");
}

#[test]
#[ignore = "needs root"]
fn a_guard_leaves_a_reused_loop_number_alone() {
    needs::root();
    let first = LoopDevice::of_size(1 << 20);
    first.detach().unwrap();
    wait_for("the device is free", LONG, || !first.is_bound());
    // Whoever has the number now is not ours; dropping `first` must not detach it.
    let others: Vec<LoopDevice> = (0..3).map(|_| LoopDevice::of_size(1 << 20)).collect();
    drop(first);
    assert!(others.iter().all(LoopDevice::is_bound));
}

#[test]
#[ignore = "needs root"]
fn many_threads_get_distinct_loop_devices() {
    needs::root();
    let attach = || {
        (0..8)
            .map(|_| LoopDevice::of_size(1 << 16))
            .collect::<Vec<_>>()
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(attach)).collect();
    let devices: Vec<_> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    let mut names: Vec<_> = devices.iter().map(LoopDevice::name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 32);
}

#[test]
#[ignore = "needs root"]
fn a_mount_ends_with_its_guard_even_when_busy() {
    needs::root();
    let sandbox = Sandbox::new();
    let target = sandbox.dir("with space");
    let mount = MountGuard::mount("tmpfs", "none", &target, "size=1m");
    assert!(mount.is_mounted());
    let busy = std::fs::File::create(target.join("open")).unwrap();
    drop(mount);
    assert!(!MountGuard::adopt(&target).is_mounted());
    drop(busy);
}

#[test]
#[ignore = "needs root"]
fn a_sandbox_never_deletes_through_a_forgotten_mount() {
    needs::root();
    let outer = Sandbox::new();
    let precious = outer.file("precious/file", "keep me");
    let inner = Sandbox::new();
    let target = inner.dir("bound");
    Cmd::new("/bin/mount")
        .arg("--bind")
        .arg(outer.join("precious"))
        .arg(&target)
        .run()
        .success();
    drop(inner);
    assert_eq!(std::fs::read(precious).unwrap(), b"keep me");
    assert!(!target.exists());
}

#[test]
#[ignore = "needs root"]
fn two_namespaces_talk_over_their_cable_until_it_is_pulled() {
    needs::root();
    let (left, right) = (NetNs::new("tk"), NetNs::new("tk"));
    left.connect("192.0.2.1/24", &right, "192.0.2.2/24", "cable");
    let listener = left.run(|| TcpListener::bind("192.0.2.1:7").unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, peer) = listener.accept().unwrap();
        stream.write_all(peer.ip().to_string().as_bytes()).unwrap();
    });
    let mut seen = String::new();
    right
        .run(|| TcpStream::connect("192.0.2.1:7").unwrap())
        .read_to_string(&mut seen)
        .unwrap();
    server.join().unwrap();
    assert_eq!(seen, "192.0.2.2");
    left.ip(&["link", "set", "cable", "down"]);
    assert!(right.run(|| TcpStream::connect("192.0.2.1:7")).is_err());
}

#[test]
#[ignore = "needs root"]
fn a_namespace_takes_its_processes_along() {
    needs::root();
    let ns = NetNs::new("tk");
    let name = ns.name().to_owned();
    let mut sleeper = Cmd::new("/bin/sleep").arg("1000").in_netns(&ns).spawn();
    wait_for("the process is inside", LONG, || {
        Cmd::new("/bin/ip")
            .args(["netns", "pids", &name])
            .run()
            .success()
            .stdout
            .len()
            > 1
    });
    drop(ns);
    wait_for("the process is gone", LONG, || !sleeper.is_alive());
    Cmd::new("/bin/ip")
        .args(["netns", "pids", &name])
        .run()
        .assert(1, "", has("No such file"));
}
