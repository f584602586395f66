//! The hardware watchdog, on a computer that it really resets.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Outlives the restarts.
const STATE: &str = "/vmout/state";
/// Answers as long as its device exists.
const TARGET: &str = "10.99.0.1";
/// Silence that calls for action.
const TIMEOUT: Duration = Duration::from_secs(12);

fn run(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .status()
        .unwrap()
        .success()
}

fn supervisor() -> Child {
    let text = format!(
        "[watchdog]\nping = [\"{TARGET}\"]\ntimeout = \"{}s\"\naction = [\"stop-feeding\"]\n\
         device = \"/dev/watchdog0\"\n[defaults]\nstate_dir = \"{STATE}\"\n\
         [[bundle]]\nname = \"kb\"\n[[bundle.link]]\ncommand = \"sleep 1000\"\n",
        TIMEOUT.as_secs()
    );
    fs::write("/run/pppmon.toml", text).unwrap();
    let log = fs::File::create("/run/pppmon.log").unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_pppmon"))
        .args(["run", "-vv", "--config", "/run/pppmon.toml"])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    // Its time counts from about here. On an emulated processor the program alone takes seconds
    // to be loaded.
    let started = Instant::now();
    while !Path::new("/run/nightshift/pppmon/control.sock").exists() {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "{}",
            self::log()
        );
        sleep(Duration::from_millis(20));
    }
    child
}

fn log() -> String {
    fs::read_to_string("/run/pppmon.log").unwrap_or_default()
}

/// Notes every tenth of a second how long the machine has been waiting for its reset: since the
/// watchdog may have begun to wait, and since it must have.
fn wait_for_reset(boot: u32, earliest: Instant, latest: Instant) -> ! {
    let note = Path::new(STATE).join(format!("waited-{boot}"));
    let draft = note.with_extension("draft");
    while latest.elapsed() < TIMEOUT * 4 {
        let seconds = [earliest, latest].map(|moment| moment.elapsed().as_secs_f64());
        fs::write(&draft, format!("{} {}", seconds[0], seconds[1])).unwrap();
        fs::rename(&draft, &note).unwrap();
        sleep(Duration::from_millis(100));
    }
    panic!("no reset\n{}", log());
}

/// How long the boot before waited.
#[track_caller]
fn assert_waited(boot: u32, expected: Duration) {
    let text = fs::read_to_string(Path::new(STATE).join(format!("waited-{boot}"))).unwrap();
    let (most, least) = text.split_once(' ').unwrap();
    println!("reset after {least} to {most} s of silence");
    let (most, least): (f64, f64) = (most.parse().unwrap(), least.parse().unwrap());
    let expected = expected.as_secs_f64();
    assert!(most >= expected, "too early");
    // After the alarm the device counts the shortest time that it knows, 1.02 s: two stages of 512
    // ticks, each of 2^15 cycles at 33 MHz. A tenth is for an emulated processor.
    assert!(least <= expected * 1.1 + 1.02, "too late");
}

/// Runs once after each start of the machine.
#[test]
#[ignore = "needs an emulated computer"]
fn the_watchdog_resets_the_machine_twice_and_not_again() {
    let boots = Path::new(STATE).join("boots");
    let boot: u32 = fs::read_to_string(&boots).map_or(1, |text| text.parse::<u32>().unwrap() + 1);
    fs::write(&boots, boot.to_string()).unwrap();
    for module in [
        "ppp_generic",
        "ppp_async",
        "ppp_synctty",
        "pppoe",
        "dummy",
        "i6300esb",
    ] {
        assert!(run("modprobe", &[module]), "{module}");
    }
    let reachable = boot == 1;
    if reachable {
        assert!(run("ip", &["link", "add", "target", "type", "dummy"]));
        assert!(run(
            "ip",
            &["address", "add", &format!("{TARGET}/32"), "dev", "target"]
        ));
        assert!(run("ip", &["link", "set", "target", "up"]));
    }
    let spawned = Instant::now();
    let mut child = supervisor();
    let ready = Instant::now();
    match boot {
        1 => {
            // Content for longer than it would wait without an answer.
            sleep(TIMEOUT * 5 / 2);
            assert!(child.try_wait().unwrap().is_none(), "{}", log());
            let deleted = Instant::now();
            assert!(run("ip", &["link", "delete", "target"]));
            // The last answer may be as old as the distance of two pings.
            let last_answer = deleted.checked_sub(Duration::from_secs(1)).unwrap();
            wait_for_reset(boot, last_answer, Instant::now());
        }
        2 => {
            assert_waited(1, TIMEOUT);
            // Nobody has answered since the start: twice the time.
            wait_for_reset(boot, spawned, ready);
        }
        3 => {
            assert_waited(2, TIMEOUT * 2);
            let started = Instant::now();
            while !log().contains("restarted 2 times within the hour already, not again") {
                assert!(started.elapsed() < TIMEOUT * 4, "{}", log());
                sleep(Duration::from_millis(100));
            }
            // It goes on feeding the device.
            sleep(TIMEOUT * 2);
            println!("third silence within the hour: no reset");
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
            child.wait().unwrap();
        }
        _ => panic!("boot {boot}: reset once too often"),
    }
}

#[test]
#[ignore = "needs an emulated computer"]
fn the_service_is_replaced_when_it_hangs_and_released_when_asked() {
    crate::vm::service::the_service_is_replaced_when_it_hangs_and_released_when_asked();
}
