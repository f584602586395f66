//! `--watch`: nobody has to call refresh.

mod privileged {
    use std::fs;
    use std::time::Duration;

    use nightshift_testkit::{LoopDevice, wait_for};

    use crate::mounted::Mounted;
    use crate::source::{MIB, Source};

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    #[ignore = "needs root"]
    fn names_and_devices_that_come_and_go_are_seen() {
        let source = Source::new();
        let mount = Mounted::new(source.path(), &["--watch"]);
        let file = mount.path("late");
        assert!(!file.exists());
        let device = source.noisy("late", 2 * MIB);
        wait_for("the new name appears", LIMIT, || file.exists());
        assert!(fs::read(&file).unwrap() == fs::read(device.path()).unwrap());
        fs::remove_file(source.path().join("late")).unwrap();
        wait_for("the name is gone", LIMIT, || !file.exists());
    }

    #[test]
    #[ignore = "needs root"]
    fn a_device_that_grows_is_seen_at_the_next_look_even_without_watch() {
        let source = Source::new();
        let device = LoopDevice::of_size(2 * MIB);
        source.link("disk", &device);
        let mount = Mounted::new(source.path(), &[]);
        let file = mount.path("disk");
        assert_eq!(file.metadata().unwrap().len(), 2 * MIB);
        fs::File::options()
            .write(true)
            .open(device.backing())
            .unwrap()
            .set_len(3 * MIB)
            .unwrap();
        device.reread_size();
        let limit = Duration::from_secs(20);
        wait_for("it has grown", limit, || {
            file.metadata().unwrap().len() == 3 * MIB
        });
        assert_eq!(fs::read(&file).unwrap().len() as u64, 3 * MIB);
    }

    #[test]
    #[ignore = "needs root"]
    fn a_device_that_is_detached_disappears() {
        let source = Source::new();
        let device = source.noisy("disk", 2 * MIB);
        let mount = Mounted::new(source.path(), &["--watch"]);
        let file = mount.path("disk");
        assert!(file.exists());
        // The name stays; the device behind it has no size any more.
        device.detach().unwrap();
        wait_for("the file is gone", LIMIT, || !file.exists());
    }
}
