//! What the farm gains on a real device, and what its checks cost.
//!
//! The device is an emulated armel machine pinned to processor 0, the nodes are pinned to
//! processor 1, so that neither takes time from the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nightshift_testkit::{Cmd, EmulatedArm};
use serde_json::Value;

use super::network::Network;
use crate::bench::Report;
use crate::measure::{PASSES, Sample, Series, Variant, alternate, ratio, time};
use crate::{shell, workspace};

/// The files of Lua that are built: some 6,000 lines, enough for a parallel build.
const SOURCES: &[&str] = &[
    "lapi", "lcode", "ldebug", "ldo", "lgc", "llex", "lobject", "lparser", "lstrlib", "ltable",
    "ltablib", "lvm",
];
const STOCK: [&str; 2] = ["10.77.0.2", "10.77.0.3"];
const BOXED: &str = "10.77.0.5";
const GCC: &str = "arm-linux-gnueabi-gcc";

pub(super) fn run(report: &mut Report) -> Result<()> {
    for program in ["distcc", "ccache", GCC] {
        report.peer(shell::version(program, "--version")?);
    }
    let sandbox = report.sandbox().path().to_owned();
    let mut network = Network::new(report.sandbox());
    for address in STOCK {
        network.node(address, &[])?;
    }
    boxed_node(report, &mut network, &sandbox)?;
    builds(report, &network, &sandbox)?;
    jobs(report, &network, &sandbox)?;
    doctor(report, &network, &sandbox)
}

/// A farm file of these nodes.
fn farm(sandbox: &Path, file: &str, nodes: &[&str]) -> Result<String> {
    let head = "client = { allow = [\"10.77.0.1/32\"] }\nccache = { dir = \"/work/cache\" }\n\
                [target]\ntriple = \"arm-linux-gnueabi\"\ncflags = \"-O2\"\n\
                elf = { class = 32, machine = \"arm\", float = \"soft\" }\n";
    let node = |(number, host): (usize, &&str)| {
        format!(
            "[[node]]\nname = \"n{number}\"\nhost = \"{host}\"\nslots = 2\nsandbox = \"bwrap\"\n"
        )
    };
    let nodes: Vec<_> = nodes.iter().enumerate().map(node).collect();
    let path = sandbox.join(file);
    fs::File::create(&path)
        .and_then(|mut out| {
            std::io::Write::write_all(&mut out, (head.to_owned() + &nodes.concat()).as_bytes())
        })
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.display().to_string())
}

/// A node in a tool root under bubblewrap, as rendered.
fn boxed_node(report: &Report, network: &mut Network, sandbox: &Path) -> Result<()> {
    let (tar, root, out) = (
        sandbox.join("root.tar"),
        sandbox.join("root"),
        sandbox.join("out"),
    );
    shell::capture(
        Command::new(report.binary())
            .args(["toolroot", "build", "--cc", GCC, "-o"])
            .arg(&tar),
    )?;
    fs::create_dir_all(&root)?;
    shell::capture(
        Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-xf")
            .arg(&tar),
    )?;
    let farm = farm(sandbox, "boxed.toml", &[BOXED])?;
    shell::capture(
        Command::new(report.binary())
            .args(["render", "--farm", &farm, "-o"])
            .arg(&out),
    )?;
    let start = out.join("nodes/n0/usr/local/lib/ccfarm/start-n0");
    network.start(
        BOXED,
        Cmd::new(start).arg(&root),
        &["taskset", "--cpu-list", "1"],
    );
    Ok(())
}

/// Builds on the device: alone, through the farm, and from the cache.
fn builds(report: &mut Report, network: &Network, sandbox: &Path) -> Result<()> {
    let machine = EmulatedArm::get();
    let farm = farm(sandbox, "farm.toml", &STOCK)?;
    let apply = |undo: &[&str]| {
        shell::capture(
            Command::new(report.binary())
                .args(["apply", "--farm", &farm, "--root"])
                .arg(machine.root())
                .args(undo),
        )
    };
    apply(&[])?;
    let work = sandbox.join("work");
    fs::create_dir_all(&work)?;
    for entry in fs::read_dir(lua()?)? {
        let entry = entry?;
        fs::copy(entry.path(), work.join(entry.file_name()))?;
    }
    let device = Device {
        network,
        machine: &machine,
        work: &work,
    };
    let kit = ". /usr/local/lib/ccfarm/env.sh;";
    let farm = |cc: &str| format!("{kit} make -s -j3 CC='{cc}'");
    let series = alternate(
        vec![
            device.leg(
                "the device alone, -j1",
                false,
                "make -s -j1 CC=/usr/bin/gcc".to_owned(),
            ),
            device.leg(
                "distcc to 2 nodes, -j3",
                false,
                farm("distcc /usr/bin/arm-linux-gnueabi-gcc"),
            ),
            device.leg("device kit, cold cache", true, farm("gcc")),
            device.leg(
                "the same without the guard",
                true,
                format!("export CCACHE_PREFIX=distcc; {}", farm("gcc")),
            ),
            // The leg before has filled the cache.
            device.leg("device kit, warm cache", false, farm("gcc")),
        ],
        PASSES,
    )?;
    apply(&["--undo"])?;

    let alone = &series[0];
    let rows: Vec<_> = series
        .iter()
        .map(|leg| {
            vec![
                leg.name.clone(),
                seconds(leg.wall()),
                seconds(leg.cpu()),
                times(ratio(leg.wall(), alone.wall())),
                times(ratio(leg.cpu(), alone.cpu())),
            ]
        })
        .collect();
    report.table(
        &format!(
            "Building {} files of Lua 5.4 at -O2 on an emulated armel device (qemu) with two nodes.",
            SOURCES.len()
        ),
        &["build", "wall s", "device CPU s", "speed-up, wall", "speed-up, device CPU"],
        &rows,
    );
    report.table(
        "What the guard adds to a cold build.",
        &["", "with / without"],
        &[
            vec![
                "wall".to_owned(),
                times(ratio(series[3].wall(), series[2].wall())),
            ],
            vec![
                "device CPU".to_owned(),
                times(ratio(series[3].cpu(), series[2].cpu())),
            ],
        ],
    );
    Ok(())
}

struct Device<'a> {
    network: &'a Network,
    machine: &'a EmulatedArm,
    work: &'a Path,
}

impl Device<'_> {
    /// One way to build; `cold` empties the cache before each pass.
    fn leg(&self, name: &str, cold: bool, script: String) -> Variant<'_> {
        Variant::new(name, move || {
            for name in SOURCES {
                // The first pass has no objects to remove.
                let _ = fs::remove_file(self.work.join(format!("{name}.o")));
            }
            if cold {
                let _ = fs::remove_dir_all(self.work.join("cache"));
            }
            self.build(&script)
        })
    }

    /// Runs a script on the device; the time is the shell's own, without the start of the machine.
    fn build(&self, script: &str) -> Result<Sample> {
        let objects: Vec<_> = SOURCES.iter().map(|name| format!("{name}.o")).collect();
        // Through stdout, because `capture` passes an interruption on to everything it started.
        let script = format!(
            "cd /work && printf 'CFLAGS = -O2\\nall: {}\\n' > Makefile\n\
             TIMEFORMAT='%R %U %S'; time {{ {script}; }}",
            objects.join(" ")
        );
        let mut command = self.network.command(Path::new("taskset"));
        command
            .args(["--cpu-list", "0"])
            .arg(self.machine.enter())
            .args(["bash", "-e", "-c", &format!("exec 2>&1\n{script}")])
            .env("EMULATED_WORK", self.work);
        let text = shell::capture(&mut command)?;
        for object in &objects {
            ensure!(self.work.join(object).is_file(), "{object} was not made");
        }
        let times: Vec<f64> = text
            .lines()
            .last()
            .unwrap_or_default()
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        let [wall, user, system] = times[..] else {
            anyhow::bail!("no times in: {text}");
        };
        Ok(Sample {
            wall: Duration::from_secs_f64(wall),
            cpu: Duration::from_secs_f64(user + system),
            ..Sample::default()
        })
    }
}

/// One job on a stock and on a sandboxed node.
fn jobs(report: &mut Report, network: &Network, sandbox: &Path) -> Result<()> {
    let binary = report.binary().to_owned();
    let median = |farm: String| {
        let binary = &binary;
        move || -> Result<Sample> {
            let text = shell::capture(
                network
                    .command(binary)
                    .args(["bench", "--jobs", "1", "--json", "--farm", &farm]),
            )?;
            let document: Value = serde_json::from_str(&text)?;
            let seconds = document["nodes"][0]["curve"][0]["median_seconds"].as_f64();
            let wall = Duration::from_secs_f64(seconds.context("bench without a curve")?);
            Ok(Sample {
                wall,
                ..Sample::default()
            })
        }
    };
    let series = alternate(
        vec![
            Variant::new(
                "stock distccd",
                median(farm(sandbox, "one.toml", &STOCK[..1])?),
            ),
            Variant::new(
                "tool root under bubblewrap",
                median(farm(sandbox, "box.toml", &[BOXED])?),
            ),
        ],
        PASSES,
    )?;
    let rows = compared(&series, &series[0]);
    report.table(
        "One job (the identity source at -O2), median of five jobs per pass.",
        &["node", "s", "of stock"],
        &rows,
    );
    Ok(())
}

/// Doctor on all nodes beside one node at a time, and beside distcc's own prober.
fn doctor(report: &mut Report, network: &Network, sandbox: &Path) -> Result<()> {
    let binary = report.binary().to_owned();
    let doctor = |farm: String| {
        let binary = &binary;
        move || {
            let mut command = network.command(binary);
            command.args(["doctor", "--farm", &farm]);
            Ok(command)
        }
    };
    let all = [STOCK[0], STOCK[1], BOXED];
    let mut variants = vec![Variant::program(
        "doctor, 3 nodes",
        doctor(farm(sandbox, "all.toml", &all)?),
    )];
    for (number, host) in all.iter().enumerate() {
        let farm = farm(sandbox, &format!("only{number}.toml"), &[host])?;
        variants.push(Variant::program(
            format!("doctor, {host} only"),
            doctor(farm),
        ));
    }
    variants.push(Variant::new(
        "lsdistcc, 3 nodes (looks at no object)",
        || {
            time(
                network
                    .command(Path::new("lsdistcc"))
                    .arg(format!("-p{GCC}"))
                    .args(all),
            )
        },
    ));
    let series = alternate(variants, PASSES)?;
    let slowest = series[1..4]
        .iter()
        .max_by_key(|one| one.wall())
        .unwrap_or(&series[0]);
    let rows = compared(&series, slowest);
    report.table(
        "Doctor: two names, two real compiles each, on every node at once.",
        &["run", "s", "of the slowest single node"],
        &rows,
    );
    Ok(())
}

/// Name, time, and time as a share of another's.
fn compared(series: &[Series], with: &Series) -> Vec<Vec<String>> {
    let row = |one: &Series| {
        let share = one.wall().as_secs_f64() / with.wall().as_secs_f64();
        vec![
            one.name.clone(),
            format!("{:.3}", one.wall().as_secs_f64()),
            format!("{share:.2}"),
        ]
    };
    series.iter().map(row).collect()
}

/// The sources of Lua, which cargo downloads for ccfarm's tests.
fn lua() -> Result<PathBuf> {
    let manifest = workspace::metadata()?["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "lua-src")
        .and_then(|package| package["manifest_path"].as_str())
        .context("cargo does not know lua-src")?;
    Ok(Path::new(manifest).with_file_name("lua-5.4.7"))
}

fn seconds(span: Duration) -> String {
    format!("{:.2}", span.as_secs_f64())
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2}")
}
