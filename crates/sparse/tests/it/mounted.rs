//! Files of a blockfuse mount as input: block devices that look like regular files.

mod privileged {
    use crate::support::{allocated, noise, reference, run, sparse_file};
    use nightshift_testkit::{Cmd, LoopDevice, MountGuard, Sandbox, any, has, needs};
    use serde_json::Value;

    const MIB: u64 = 1 << 20;
    /// Odd in mebibytes, so that the last chunk of every size is a short one.
    const DEVICE: u64 = 4097 * MIB;

    fn json(sandbox: &Sandbox, line: &str) -> Value {
        let output = run(sandbox, &format!("--json {line}")).success();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A sparse file under a loop device under blockfuse: its holes reach sparseimg, which reads
    /// nothing else than the data and gives what it gives for the sparse file itself.
    #[test]
    #[ignore = "needs root"]
    fn holes_of_a_mounted_device_are_not_read() {
        needs::root();
        let blockfuse = needs::workspace_binary("blockfuse", "blockfuse");
        let sandbox = Sandbox::new();
        // Between two chunks, far away from everything, and at the very end.
        let data: Vec<(u64, Vec<u8>)> = [(MIB - 8192, 300_000), (3 << 30, 100_000)]
            .into_iter()
            .map(|(at, len)| (at, noise(at, len)))
            .chain([(DEVICE - 4096, vec![7; 4096])])
            .collect();
        let places: Vec<(u64, &[u8])> = data.iter().map(|(at, data)| (*at, &data[..])).collect();
        sparse_file(&sandbox.join("backing"), DEVICE, &places);
        let stored = allocated(&sandbox.join("backing"));
        let device = LoopDevice::over(sandbox.join("backing"));
        sandbox.dir("devices");
        sandbox.symlink(device.path(), "devices/disk");

        for engine in ["kernel", "copy"] {
            let mount = MountGuard::adopt(sandbox.dir(format!("mnt-{engine}")));
            Cmd::new(&blockfuse)
                .args(["mount", "--engine", engine])
                .arg("--state")
                .arg(sandbox.join(format!("state-{engine}")))
                .args([&sandbox.join("devices"), mount.path()])
                .run()
                .assert(0, "", any());
            let file = format!("mnt-{engine}/disk");

            let copied = json(&sandbox, &format!("copy {file} copy"));
            assert_eq!(copied["size"], DEVICE, "{engine}: {copied}");
            // What is not a hole is read; the rest, more than 4 GiB, is not.
            assert_eq!(copied["read"], stored, "{engine}: {copied}");
            assert_eq!(copied["holes"], DEVICE - stored, "{engine}: {copied}");
            run(&sandbox, "verify copy backing").assert(0, has("are equal"), "");

            let map = json(&sandbox, &format!("map {file}"));
            assert_eq!(map["totals"]["hole"], DEVICE - stored, "{engine}: {map}");
            assert_eq!(map["totals"]["data"], stored, "{engine}: {map}");

            run(&sandbox, &format!("sig -b 128K {file} ours")).success();
            run(&sandbox, "sig -b 128K backing theirs").success();
            reference(&sandbox, "cmp ours theirs");
            // A delta against an image taken from the mount is empty but for its copies.
            run(&sandbox, &format!("delta --basis copy {file} delta")).success();
            assert!(sandbox.read("delta").len() <= 32, "{engine}");
            mount.unmount();
        }
    }
}
