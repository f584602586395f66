//! What looking at thousands of endpoints costs, beside the programs people use for it today.
//!
//! One process serves all endpoints on the same two cores, so rates are lower bounds; processor
//! time is each client's own.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::{Fleet, expect};
use crate::bench::Report;
use crate::measure::{PASSES, Sample, Series, Variant, alternate, time};
use crate::{setup, shell};

/// Endpoints of the fleet, and how many of them each slower program is given.
const FLEET: usize = 4000;
const EXPORTER: usize = 1000;
const S_CLIENT: usize = 200;
const SSLYZE: usize = 50;
/// Requests to the exporter at a time; more make it slower.
const EXPORTER_AT_ONCE: usize = 64;
/// For the memory of a large fleet.
const MANY: usize = 100_000;

/// One endpoint as the fleet's targets file names it.
struct Endpoint {
    address: String,
    name: String,
}

pub(super) fn run(report: &mut Report) -> Result<()> {
    let openssl = shell::version("openssl", "version")?;
    let sslyze = setup::python_tool("sslyze")?;
    report.peer(format!("{openssl} (`s_client`, 32 at a time)"));
    report.peer(format!(
        "prometheus-blackbox-exporter {} ({EXPORTER_AT_ONCE} probes at a time)",
        shell::capture(Command::new("dpkg-query").args([
            "--show",
            "--showformat=${Version}",
            "prometheus-blackbox-exporter",
        ]))?
    ));
    report.peer("sslyze 6.3.1 (`--certinfo`)");
    let directory = report.sandbox().dir("fleet");
    let fleet = start(report, &directory, FLEET)?;
    let series = side_by_side(report, &directory, &sslyze)?;
    table(report, &series);
    drop(fleet);
    many(report)
}

fn start(report: &Report, directory: &Path, count: usize) -> Result<Fleet> {
    let mut child = Command::new(report.helper("fleet")?)
        .arg(directory)
        .args(["0", &count.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut answers = BufReader::new(child.stdout.take().context("the fleet has no output")?);
    let fleet = Fleet(child);
    expect(&mut answers, "ready")?;
    Ok(fleet)
}

fn endpoints(directory: &Path) -> Result<Vec<Endpoint>> {
    let text = fs::read_to_string(directory.join("targets"))?;
    text.lines()
        .map(|line| {
            let (address, name) = line.split_once(" sni=").context("a line without a name")?;
            Ok(Endpoint {
                address: address.to_owned(),
                name: name.to_owned(),
            })
        })
        .collect()
}

/// `certwatch scan` of the fleet in `directory`, with this store.
fn scan(binary: &Path, directory: &Path, store: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .args(["scan", "-f"])
        .arg(directory.join("targets"))
        .arg("--roots")
        .arg(directory.join("roots.pem"))
        .arg("--store")
        .arg(store);
    command
}

fn side_by_side(report: &Report, directory: &Path, sslyze: &Path) -> Result<Vec<Series>> {
    let binary = report.binary().to_owned();
    let (cold, steady) = (directory.join("cold.db"), directory.join("steady.db"));
    // The learning sweeps are over before anything is measured.
    for _ in 0..2 {
        time(&mut scan(&binary, directory, &steady))?;
    }
    let endpoints = endpoints(directory)?;
    let exporter = Exporter::start(directory, &endpoints[..EXPORTER])?;
    let roots = directory.join("roots.pem");
    let list = directory.join("s_client");
    write(
        &list,
        endpoints[..S_CLIENT]
            .iter()
            .map(|e| format!("-connect {} -servername {}\n", e.address, e.name)),
    )?;
    let sslyze_list = directory.join("sslyze");
    write(
        &sslyze_list,
        endpoints[..SSLYZE].iter().map(|e| {
            let (ip, port) = e.address.split_once(':').unwrap_or((&e.address, "443"));
            format!("{}:{port}{{{ip}}}\n", e.name)
        }),
    )?;
    let s_client = || {
        let mut command = Command::new("xargs");
        command
            .args(["-P32", "-L1", "-a"])
            .arg(&list)
            .args(["openssl", "s_client", "-verify_quiet", "-CAfile"])
            .arg(&roots)
            .stderr(Stdio::null());
        command
    };
    let variants = vec![
        Variant::program("certwatch, first scan", || {
            for suffix in ["", "-wal", "-shm"] {
                // Not there in the first pass.
                let _ = fs::remove_file(format!("{}{suffix}", cold.display()));
            }
            Ok(scan(&binary, directory, &cold))
        }),
        Variant::program("certwatch, later scan", || {
            Ok(scan(&binary, directory, &steady))
        }),
        Variant::new("blackbox exporter", || exporter.probe_all(EXPORTER)),
        Variant::program("openssl s_client", || Ok(s_client())),
        Variant::program("sslyze", || {
            let mut command = Command::new(sslyze);
            command
                .args(["--certinfo", "--mozilla_config", "disable", "--targets_in"])
                .arg(&sslyze_list)
                .stderr(Stdio::null());
            Ok(command)
        }),
    ];
    let series = alternate(variants, PASSES)?;
    let events = shell::capture(
        Command::new(&binary)
            .args(["events", "--severity", "info", "--store"])
            .arg(&steady),
    )?;
    ensure!(
        events.is_empty(),
        "scans of an unchanged fleet found something:\n{events}"
    );
    Ok(series)
}

fn table(report: &mut Report, series: &[Series]) {
    let counts = [FLEET, FLEET, EXPORTER, S_CLIENT, SSLYZE];
    let per_thousand = |series: &Series, count: usize| {
        series.cpu().as_secs_f64() * 1000.0 / f64::from(u32::try_from(count).unwrap_or(u32::MAX))
    };
    let ours = per_thousand(&series[1], FLEET);
    let rows: Vec<Vec<String>> = series
        .iter()
        .zip(counts)
        .map(|(series, count)| {
            let rate =
                f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / series.wall().as_secs_f64();
            let cpu = per_thousand(series, count);
            vec![
                series.name.clone(),
                count.to_string(),
                format!("{cpu:.3}"),
                format!("{:.1}", cpu / ours),
                format!("{rate:.0}"),
            ]
        })
        .collect();
    report.table(
        &format!(
            "Looking at {FLEET} TLS 1.3 endpoints with ECDSA keys, served on the same two cores. \
             certwatch proves possession of the key, verifies the path, looks everything up in its \
             store and writes there; a later scan of the unchanged fleet found no event. Processor \
             seconds are the client's, user and system."
        ),
        &["client", "targets", "CPU s per 1000", "ratio", "targets/s"],
        &rows,
    );
}

/// The exporter with a module per endpoint, because the name to ask for belongs to the module.
struct Exporter {
    child: Child,
    port: u16,
    requests: Vec<String>,
}

impl Exporter {
    fn start(directory: &Path, endpoints: &[Endpoint]) -> Result<Self> {
        let config = directory.join("exporter.yml");
        let roots = directory.join("roots.pem");
        let mut text = "modules:\n".to_owned();
        let mut requests = Vec::new();
        for (n, endpoint) in endpoints.iter().enumerate() {
            writeln!(
                text,
                "  m{n}: {{prober: tcp, timeout: 10s, tcp: {{tls: true, tls_config: {{ca_file: {}, \
                 server_name: {}}}}}}}",
                roots.display(),
                endpoint.name
            )?;
            requests.push(format!("/probe?module=m{n}&target={}", endpoint.address));
        }
        write(&config, [text])?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port();
        let child = Command::new("prometheus-blackbox-exporter")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run prometheus-blackbox-exporter")?;
        let exporter = Self {
            child,
            port,
            requests,
        };
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(Instant::now() < patience, "the exporter does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(exporter)
    }

    /// Asks for every endpoint once; the processor time is the exporter's alone.
    fn probe_all(&self, count: usize) -> Result<Sample> {
        let before = self.cpu()?;
        let started = Instant::now();
        let (next, good) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..EXPORTER_AT_ONCE {
                scope.spawn(|| {
                    while let Some(path) = self.requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                        if self
                            .get(path)
                            .is_ok_and(|text| text.contains("\nprobe_success 1"))
                        {
                            good.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let wall = started.elapsed();
        let good = good.into_inner();
        ensure!(
            good == count,
            "{good} of {count} probes of the exporter succeeded"
        );
        Ok(Sample {
            wall,
            cpu: self.cpu()?.saturating_sub(before),
            ..Sample::default()
        })
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    }

    /// User and system time so far; proc(5) counts in hundredths of a second.
    fn cpu(&self) -> Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields = text.rsplit_once(") ").context("an odd stat file")?.1;
        let ticks: u64 = fields
            .split(' ')
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_millis(ticks * 10))
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It has nothing to save; if it ended by itself both fail, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The memory of a large fleet with its store open, and what a scan of it writes.
fn many(report: &mut Report) -> Result<()> {
    let directory = report.sandbox().dir("many");
    let store = directory.join("store.db");
    let _fleet = start(report, &directory, MANY)?;
    let binary = report.binary().to_owned();
    let mut rows = Vec::new();
    for what in ["first scan", "second scan"] {
        let mut command = scan(&binary, &directory, &store);
        let sample = time(command.args(["--concurrency", "1024"]))?;
        let count = f64::from(u32::try_from(MANY)?);
        rows.push(vec![
            what.to_owned(),
            format!("{:.0}", sample.wall.as_secs_f64()),
            format!("{:.3}", sample.cpu.as_secs_f64() * 1000.0 / count),
            format!("{:.0}", count / sample.wall.as_secs_f64()),
            mebibytes(sample.peak_memory),
            mebibytes(fs::metadata(&store)?.len()),
        ]);
    }
    report.table(
        &format!(
            "{MANY} targets with a certificate each, 1024 in flight, the store open; one pass."
        ),
        &[
            "",
            "s",
            "CPU s per 1000",
            "targets/s",
            "peak MiB",
            "store MiB",
        ],
        &rows,
    );
    Ok(())
}

/// Rounded.
fn mebibytes(bytes: u64) -> String {
    ((bytes + (1 << 19)) >> 20).to_string()
}

fn write(path: &Path, lines: impl IntoIterator<Item = String>) -> Result<()> {
    let mut file = fs::File::create(path)?;
    for line in lines {
        file.write_all(line.as_bytes())?;
    }
    Ok(())
}
