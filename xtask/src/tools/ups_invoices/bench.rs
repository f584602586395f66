//! Totals and the full typed check of a large billing file, beside DuckDB.
//!
//! Totals are compared before any time is quoted: a fast wrong answer is worth nothing.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::build_portal;
use crate::bench::Report;
use crate::measure::{PASSES, Series, Variant, alternate, ratio};
use crate::{setup, shell};

/// Size of the generated file; `UPS_BENCH_BYTES` overrides it.
const BYTES: &str = "1000000000";

/// Sums by class and code and by invoice in one pass, or all typed columns cast: what our two
/// commands do. Naming the columns or letting DuckDB find them, with or without quotes and line
/// ends given, took it the same time.
const DUCKDB: &str = r#"
import sys, duckdb
path, what, kinds = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
db = duckdb.connect()
db.execute("set threads = 2")
db.execute("set enable_progress_bar = false")  # it goes to standard output, among the sums
src = f"read_csv('{path}', header=false, all_varchar=true, delim=',', quote='\"', columns={{" + ",".join(f"'c{i}': 'VARCHAR'" for i in range(250)) + "})"
if what == "totals":
    sums = db.execute(f"select c43, c44, sum(cast(c52 as decimal(18,2))), count(*), grouping(c5) from {src} group by grouping sets ((c43, c44), (c5))").fetchall()
    for *code, by_code in sums:
        if by_code:
            print(*code)
    print(sum(not row[-1] for row in sums))
else:
    types = {"amount": "decimal(18,2)", "decimal": "decimal(18,4)", "integer": "bigint", "date": "date"}
    casts = [f"count(cast(nullif(c{i}, '') as {types[k]}))" for i, k in enumerate(kinds) if k in types]
    print(db.execute(f"select {','.join(casts)}, sum(cast(c52 as decimal(18,2))) from {src}").fetchall())
"#;

pub(super) fn run(report: &mut Report) -> Result<()> {
    report.peer("DuckDB 2.0.0 (Python package)");
    let directory = report.sandbox().path().to_owned();
    let portal = build_portal()?;
    let large = directory.join("large.csv");
    let bytes = std::env::var("UPS_BENCH_BYTES").unwrap_or_else(|_unset| BYTES.to_owned());
    generate(&portal, &bytes, &large)?;
    let one = directory.join("one.csv");
    generate(&portal, "5000000", &one)?;
    let python = setup::python_tool("python3")?;
    let kinds = kinds()?;
    let binary = report.binary().to_owned();
    let ours = |arguments: &[&str]| {
        let mut command = Command::new(&binary);
        command.args(arguments);
        command
    };
    let theirs = |what: &str| {
        let mut command = Command::new(&python);
        command
            .args(["-c", DUCKDB])
            .arg(&large)
            .args([what, &kinds]);
        command
    };
    let path = large.to_str().context("a plain path")?;
    agree(
        &shell::capture(&mut ours(&["--json", "report", "--from-files", path]))?,
        &shell::capture(&mut theirs("totals"))?,
    )?;
    let mut rows = Vec::new();
    for (what, arguments, peer) in [
        (
            "totals by class, code and invoice",
            ["report", "--from-files", path],
            "totals",
        ),
        (
            "check, all 250 columns typed",
            ["check", "--files", path],
            "check",
        ),
    ] {
        let series = alternate(
            vec![
                Variant::program("ups-invoices", || Ok(ours(&arguments))),
                Variant::program("DuckDB", || Ok(theirs(peer))),
            ],
            PASSES,
        )?;
        let (mine, peer) = (&series[0], &series[1]);
        let seconds = |series: &Series| {
            let (wall, cpu) = (series.wall().as_secs_f64(), series.cpu().as_secs_f64());
            format!("{wall:.2} s ({cpu:.2} s)")
        };
        rows.push(vec![
            what.to_owned(),
            seconds(mine),
            seconds(peer),
            format!("{:.2}", ratio(peer.wall(), mine.wall())),
            format!("{:.2}", ratio(peer.cpu(), mine.cpu())),
            format!("{} MiB", mine.peak_memory() >> 20),
            format!("{} MiB", peer.peak_memory() >> 20),
        ]);
    }
    let size = std::fs::metadata(&large)?.len();
    let caption = format!(
        "A generated billing file of {size} bytes, page cache warm, whole processes, two threads \
         each, processor time in brackets; the totals of both were equal."
    );
    let head = [
        "task",
        "ups-invoices",
        "DuckDB",
        "ratio",
        "of processor time",
        "peak",
        "peak of DuckDB",
    ];
    report.table(&caption, &head, &rows);
    let one = one.to_str().context("a plain path")?;
    let small = alternate(
        vec![Variant::program("check", || {
            Ok(ours(&["check", "--files", one]))
        })],
        PASSES,
    )?;
    let time = format!("{:.0} ms", small[0].wall().as_secs_f64() * 1000.0);
    report.table(
        "One file of 5 MB, checked.",
        &["task", "time"],
        &[vec!["check".to_owned(), time]],
    );
    Ok(())
}

fn generate(portal: &Path, bytes: &str, to: &Path) -> Result<()> {
    let file = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
    shell::run(Command::new(portal).args(["generate", bytes]).stdout(file))
}

/// Kinds of the 250 columns in order, for the casts.
fn kinds() -> Result<String> {
    let table = crate::workspace::root().join("crates/ups-invoices/data/columns.tsv");
    let text = std::fs::read_to_string(table)?;
    let kinds: Vec<&str> = text
        .lines()
        .skip(1)
        .map(|line| line.split('\t').nth(3).unwrap_or_default())
        .collect();
    ensure!(kinds.len() == 250, "{} columns in the table", kinds.len());
    Ok(kinds.join(","))
}

/// Compares sums by class and code, row counts, and the number of invoices.
fn agree(ours: &str, theirs: &str) -> Result<()> {
    let ours: Value = serde_json::from_str(ours)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut mine: Vec<String> = ours["codes"]
        .as_array()
        .context("no codes")?
        .iter()
        .map(|code| {
            format!(
                "{} {} {} {}",
                text(&code["class"]),
                text(&code["code"]),
                text(&code["net"]),
                code["rows"]
            )
        })
        .collect();
    let mut peer: Vec<String> = theirs.lines().map(str::to_owned).collect();
    let invoices = peer.pop().context("DuckDB said nothing")?;
    mine.sort();
    peer.sort();
    ensure!(mine == peer, "totals differ:\n{mine:#?}\n{peer:#?}");
    ensure!(
        ours["invoices"].as_u64() == invoices.parse().ok(),
        "numbers of invoices differ"
    );
    Ok(())
}
