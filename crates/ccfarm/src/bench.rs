//! How fast each node is, how many slots it deserves, and which `-j` the device should use.

mod report;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::doctor::job;
use crate::farm::{Farm, MAX_SLOTS, Node};
use crate::probe::{Outcome, probe};
use crate::proto::Job;
use crate::source::identity;
use crate::verdict::{Expected, Subject, target};
pub use report::{print_json, print_text};

/// Jobs per measured point: enough for a median at one at a time, bounded at many.
const MIN_JOBS: u32 = 5;
/// Rounds of a full load at each point.
const ROUNDS: u32 = 3;
/// A point counts as saturated when more jobs at a time bring less than this share more.
const WORTHWHILE: f64 = 1.05;
/// Memory that one compiler may need; a rule of thumb for C++ at -O2.
const MEMORY_PER_JOB: u64 = 512 << 20;

/// What was measured on one node.
#[derive(Debug)]
pub struct Curve {
    /// The node's name.
    pub name: String,
    /// Slots in the farm file.
    pub present: u16,
    /// The points in the order asked for, or why there are none.
    pub points: Result<Vec<Point>, String>,
    /// Slots that the node deserves; those of the farm file if it did not answer.
    pub slots: u16,
}

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Jobs at a time.
    pub jobs: u32,
    /// Jobs finished per second.
    pub per_second: f64,
    /// Median time of one job.
    pub median: Duration,
}

/// What the measurements mean for the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advice {
    /// For `make -j`.
    pub jobs: u32,
    /// Slots that keep one device core busy; known if the device's time per job is.
    pub enough: Option<u32>,
}

/// Measures one node after the other, so that they do not share this host's network.
pub fn run(farm: &Farm, jobs: &[u32]) -> Vec<Curve> {
    farm.nodes
        .iter()
        .map(|node| measure(farm, node, jobs))
        .collect()
}

fn measure(farm: &Farm, node: &Node, jobs: &[u32]) -> Curve {
    let name = farm
        .target
        .names
        .first()
        .map(ToString::to_string)
        .unwrap_or_default();
    let job = job(&name, identity(&name), farm.target.cflags.words());
    let points: Result<Vec<_>, _> = jobs
        .iter()
        .map(|&count| point(farm, node, &name, &job, count))
        .collect();
    let slots = points
        .as_ref()
        .map_or(node.slots, |points| slots_for(points, node));
    Curve {
        name: node.name.to_string(),
        present: node.slots,
        points,
        slots,
    }
}

fn point(farm: &Farm, node: &Node, name: &str, job: &Job, count: u32) -> Result<Point, String> {
    let total = (count * ROUNDS).max(MIN_JOBS);
    let taken = AtomicU32::new(0);
    let start = Instant::now();
    let work = || {
        let mut times = Vec::new();
        while taken.fetch_add(1, Ordering::Relaxed) < total {
            let start = Instant::now();
            let outcome = probe(node.host.as_ref(), node.port, job, farm.limits);
            compiled(&outcome, node, name)?;
            times.push(start.elapsed());
        }
        Ok(times)
    };
    let results: Vec<Result<Vec<Duration>, String>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        let lost = || Err("internal error while measuring".to_owned());
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| lost()))
            .collect()
    });
    let elapsed = start.elapsed();
    let mut times: Vec<_> = results
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    times.sort();
    let per_second = f64::from(total) / elapsed.as_secs_f64();
    Ok(Point {
        jobs: count,
        per_second,
        median: times[times.len() / 2],
    })
}

/// Only real compiles count: a node that refuses quickly would look fast.
fn compiled(outcome: &Outcome, node: &Node, name: &str) -> Result<(), String> {
    let subject = Subject {
        node: node.name.as_ref(),
        compiler: name,
        triple: None,
    };
    match target(outcome, &Expected::default(), subject) {
        Ok(_) => Ok(()),
        Err(finding) => Err(format!("{}: {}", finding.verdict, finding.detail)),
    }
}

/// The fewest jobs at a time that come within 5 % of the best, within the node's limits.
fn slots_for(points: &[Point], node: &Node) -> u16 {
    let best = points
        .iter()
        .map(|point| point.per_second)
        .fold(0.0, f64::max);
    let knee = points
        .iter()
        .filter(|point| point.per_second * WORTHWHILE >= best)
        .map(|point| point.jobs)
        .min()
        .unwrap_or(u32::from(node.slots));
    let by_memory = node
        .memory
        .map_or(u64::MAX, |memory| memory.0 / MEMORY_PER_JOB);
    let by_cpus = node.cpus.map_or(u64::MAX, u64::from);
    let slots = u64::from(knee)
        .min(by_memory)
        .min(by_cpus)
        .clamp(1, u64::from(MAX_SLOTS));
    u16::try_from(slots).unwrap_or(MAX_SLOTS)
}

/// `device` is the device's own work per job: make, distcc and the preprocessor.
pub fn advise(curves: &[Curve], device: Option<Duration>) -> Advice {
    let answered = || curves.iter().filter(|curve| curve.points.is_ok());
    let slots: u32 = answered().map(|curve| u32::from(curve.slots)).sum();
    let node_time = answered()
        .filter_map(|curve| {
            curve
                .points
                .as_ref()
                .ok()?
                .first()
                .map(|point| point.median)
        })
        .max();
    let enough = device.zip(node_time).map(|(device, node)| {
        let ratio = (node.as_secs_f64() / device.as_secs_f64()).ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a ratio of two positive times, clamped"
        )]
        let enough = ratio.clamp(1.0, f64::from(MAX_SLOTS)) as u32;
        enough
    });
    // One more than the slots keeps the device preprocessing while all nodes compile.
    Advice {
        jobs: enough.map_or(slots, |enough| enough.min(slots)) + 1,
        enough,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::farm::EXAMPLE;

    fn point(jobs: u32, per_second: f64) -> Point {
        Point {
            jobs,
            per_second,
            median: Duration::from_millis(210),
        }
    }

    fn node(extra: &str) -> Node {
        let text = EXAMPLE.to_owned() + extra;
        Farm::parse(Path::new("farm.toml"), text)
            .unwrap()
            .nodes
            .remove(0)
    }

    fn curve(slots: u16) -> Curve {
        Curve {
            name: "n".to_owned(),
            present: 4,
            points: Ok(vec![point(1, 5.0)]),
            slots,
        }
    }

    #[test]
    fn slots_end_where_more_jobs_stop_to_pay() {
        let points = [point(1, 5.0), point(2, 9.8), point(4, 10.0), point(8, 9.9)];
        assert_eq!(slots_for(&points, &node("")), 2);
        let points = [point(1, 5.0), point(2, 10.0), point(4, 19.0)];
        assert_eq!(slots_for(&points, &node("")), 4);
    }

    #[test]
    fn slots_stay_within_processors_and_memory() {
        let points = [point(8, 80.0)];
        assert_eq!(slots_for(&points, &node("cpus = 3\n")), 3);
        assert_eq!(slots_for(&points, &node("memory = \"1G\"\n")), 2);
        assert_eq!(slots_for(&points, &node("memory = \"1M\"\n")), 1);
    }

    #[test]
    fn the_device_s_own_work_limits_the_advice() {
        let curves = [curve(4), curve(8)];
        assert_eq!(
            advise(&curves, None),
            Advice {
                jobs: 13,
                enough: None
            }
        );
        // 0.21 s on a node against 0.27 s on the device: one slot keeps it busy.
        let device = Some(Duration::from_millis(270));
        assert_eq!(
            advise(&curves, device),
            Advice {
                jobs: 2,
                enough: Some(1)
            }
        );
        let device = Some(Duration::from_millis(50));
        assert_eq!(
            advise(&curves, device),
            Advice {
                jobs: 6,
                enough: Some(5)
            }
        );
    }

    #[test]
    fn a_node_that_did_not_answer_lends_no_slots() {
        let mut down = curve(4);
        down.points = Err("down".to_owned());
        assert_eq!(advise(&[down, curve(2)], None).jobs, 3);
    }
}
