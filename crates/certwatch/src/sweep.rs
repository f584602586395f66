//! Probes many targets at once: a few threads, each with its own single-threaded runtime, share
//! one schedule. Measured against one multi-threaded runtime this saves the work-stealing, about
//! a tenth of the CPU.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use crate::dns::caa::Caa;
use crate::dns::tlsa::Tlsa;
use crate::dns::{Dns, DnsError};
use crate::outcome::{Outcome, Stage};
use crate::probe::{Prober, Seen};
use crate::schedule::{self, Cidr, Network, Next, Schedule};
use crate::target::Target;

/// Addresses probed per name; farms behind one name rarely publish more.
const MAX_ADDRESSES: usize = 16;
/// Results that may wait for the writer before probing slows down.
const BACKLOG: usize = 1024;
/// Where results come one after the other they are taken many at a time: a thread that waits for
/// each costs as much in waking up as in work.
const GATHER: Duration = Duration::from_millis(10);
/// After this long without a result the writer is told, so that it can let others write.
const LULL: Duration = Duration::from_millis(250);

/// How a sweep behaves.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) threads: usize,
    /// Probes in flight, all threads together.
    pub(crate) in_flight: usize,
    pub(crate) deadline: Duration,
    /// Pause between two probes of one foreign network.
    pub(crate) pause: Duration,
    pub(crate) own_networks: Vec<Cidr>,
    /// Hang up without a goodbye.
    pub(crate) fast: bool,
    /// What to ask of the DNS besides addresses.
    pub(crate) dns: Option<Arc<Dns>>,
    /// Targets, by index, whose CAA records are to be looked at.
    pub(crate) caa_due: Arc<HashSet<usize>>,
}

/// One probe's result; `target` is an index into the list given to [`run`].
#[derive(Debug)]
pub(crate) struct Result {
    pub(crate) target: usize,
    pub(crate) addr: Option<IpAddr>,
    pub(crate) seen: Seen,
    /// Signed TLSA records, where they are asked.
    pub(crate) tlsa: Vec<Tlsa>,
    /// CAA records, where they were due and the resolver answered.
    pub(crate) caa: Option<Caa>,
}

#[derive(Debug)]
struct Job {
    target: usize,
    /// The address to probe, or none yet: the name is to be resolved.
    addr: Option<IpAddr>,
    spent: Duration,
}

struct Shared {
    targets: Arc<[Target]>,
    options: Options,
    schedule: Mutex<Schedule<Job>>,
    changed: Notify,
    stop: AtomicBool,
    /// Jobs running; when none is and none is queued, the sweep is over.
    running: Mutex<usize>,
}

/// Probes the targets that `which` names by index, once, and hands each result to `take`, on the
/// calling thread, and `None` when there was none for a while. `take` ends the sweep early by returning false.
pub(crate) fn run(
    targets: &Arc<[Target]>,
    which: impl IntoIterator<Item = usize>,
    options: &Options,
    mut take: impl FnMut(Option<Result>) -> bool,
) -> std::io::Result<()> {
    let mut schedule = Schedule::new(options.pause);
    let now = Instant::now();
    for index in which {
        let addr = targets[index].ip();
        let network = addr.and_then(|addr| schedule::network(addr, &options.own_networks));
        schedule.push(
            Job {
                target: index,
                addr,
                spent: Duration::ZERO,
            },
            network,
            now,
        );
    }
    let shared = Arc::new(Shared {
        targets: Arc::clone(targets),
        options: options.clone(),
        schedule: Mutex::new(schedule),
        changed: Notify::new(),
        stop: AtomicBool::new(false),
        running: Mutex::new(0),
    });
    let (sender, mut receiver) = mpsc::channel(BACKLOG);
    let mut threads = Vec::new();
    for _ in 0..options.threads.max(1) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(32) // name resolution
            .build()?;
        let (shared, sender) = (Arc::clone(&shared), sender.clone());
        let thread = std::thread::Builder::new()
            .name("probe".to_owned())
            .spawn(move || {
                runtime.block_on(work(&shared, &sender));
                // A resolver call that hangs must not keep the sweep.
                runtime.shutdown_background();
            })?;
        threads.push(thread);
    }
    drop(sender);
    let waiting = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let mut gathered = false;
    loop {
        let next = match receiver.try_recv() {
            Ok(result) => {
                gathered = true;
                Some(result)
            }
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) if std::mem::take(&mut gathered) => {
                std::thread::sleep(GATHER);
                continue;
            }
            Err(TryRecvError::Empty) => {
                let next = async { tokio::time::timeout(LULL, receiver.recv()).await };
                match waiting.block_on(next) {
                    Ok(Some(result)) => {
                        gathered = true;
                        Some(result)
                    }
                    Ok(None) => break,
                    Err(_lull) => None,
                }
            }
        };
        if !take(next) {
            shared.stop.store(true, Ordering::Relaxed);
            receiver.close();
            break;
        }
    }
    drop(receiver);
    for thread in threads {
        // A panic in a probe is a bug; it has been printed, and the others' results stand.
        let _ = thread.join();
    }
    Ok(())
}

async fn work(shared: &Arc<Shared>, sender: &mpsc::Sender<Result>) {
    let prober = Arc::new(Prober::new(shared.options.deadline, shared.options.fast));
    let share = shared
        .options
        .in_flight
        .div_ceil(shared.options.threads.max(1))
        .max(1);
    let mut tasks: JoinSet<Option<Network>> = JoinSet::new();
    loop {
        while let Some(ended) = tasks.try_join_next() {
            end(shared, ended.ok().flatten());
        }
        let mut wait = None;
        while tasks.len() < share && !shared.stop.load(Ordering::Relaxed) {
            match take(shared) {
                Next::Run(job, network) => {
                    let (shared, prober) = (Arc::clone(shared), Arc::clone(&prober));
                    let sender = sender.clone();
                    tasks.spawn(async move {
                        perform(&shared, &prober, &sender, job).await;
                        network
                    });
                }
                Next::Wait(at) => {
                    wait = Some(at);
                    break;
                }
                Next::Idle => break,
            }
        }
        let stopping = shared.stop.load(Ordering::Relaxed);
        if stopping || (tasks.is_empty() && wait.is_none() && *running(shared) == 0) {
            shared.changed.notify_waiters();
            return;
        }
        // Whoever ends last wakes the others; the bound covers a wake-up sent before the wait.
        let pause = Duration::from_millis(50);
        let until = wait.map_or(pause, |at| {
            at.saturating_duration_since(Instant::now()).min(pause)
        });
        tokio::select! {
            Some(ended) = tasks.join_next() => {
                end(shared, ended.ok().flatten());
            }
            () = shared.changed.notified() => {}
            () = tokio::time::sleep(until) => {}
        }
    }
}

/// A job has ended; its network may be asked again after the pause.
fn end(shared: &Shared, network: Option<Network>) {
    if network.is_some() {
        lock(&shared.schedule).done(network, Instant::now());
    }
    *running(shared) -= 1;
}

fn take(shared: &Shared) -> Next<Job> {
    // Both under one lock order, so that no worker sees an empty queue and nothing running while
    // a job is between the two.
    let mut schedule = lock(&shared.schedule);
    let next = schedule.next(Instant::now());
    if matches!(next, Next::Run(..)) {
        *running(shared) += 1;
    }
    next
}

fn running(shared: &Shared) -> std::sync::MutexGuard<'_, usize> {
    lock(&shared.running)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn perform(shared: &Shared, prober: &Prober, sender: &mpsc::Sender<Result>, job: Job) {
    let target = &shared.targets[job.target];
    let Some(addr) = job.addr else {
        resolve(shared, sender, &job).await;
        return;
    };
    let seen = prober.probe(target, addr, job.spent).await;
    let (mut tlsa, mut caa) = (Vec::new(), None);
    if seen.presented.is_some()
        && let Some(dns) = &shared.options.dns
    {
        // Boxed: most sweeps ask nothing, and every probe would carry the state for it.
        (tlsa, caa) = Box::pin(ask(shared, dns, job.target)).await;
    }
    // The receiver is gone only when the sweep is being stopped.
    let _ = sender
        .send(Result {
            target: job.target,
            addr: Some(addr),
            seen,
            tlsa,
            caa,
        })
        .await;
}

/// What the DNS says about a target that showed a chain. No answer is no news.
async fn ask(shared: &Shared, dns: &Dns, index: usize) -> (Vec<Tlsa>, Option<Caa>) {
    let target = &shared.targets[index];
    let silent = |what: &'static str, error: DnsError| {
        tracing::debug!(%target, what, "no answer from the DNS: {error}");
    };
    let mut tlsa = Vec::new();
    if dns.tlsa {
        match dns.resolver.tlsa(target).await {
            Ok(records) => tlsa = records,
            Err(error) => silent("TLSA", error),
        }
    }
    let mut caa = None;
    if dns.caa && shared.options.caa_due.contains(&index) {
        match dns.resolver.caa(target.name()).await {
            Ok(records) => caa = Some(records),
            Err(error) => silent("CAA", error),
        }
    }
    (tlsa, caa)
}

/// Resolves a name and queues a probe for each of its addresses.
async fn resolve(shared: &Shared, sender: &mpsc::Sender<Result>, job: &Job) {
    let target = &shared.targets[job.target];
    let start = Instant::now();
    let lookup = tokio::net::lookup_host((target.host.as_str(), target.port));
    let outcome = match tokio::time::timeout(shared.options.deadline, lookup).await {
        Ok(Ok(found)) => {
            let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            addresses.sort_unstable();
            addresses.dedup();
            addresses.truncate(MAX_ADDRESSES);
            let spent = start.elapsed();
            let now = Instant::now();
            let mut schedule = lock(&shared.schedule);
            for addr in &addresses {
                let network = schedule::network(*addr, &shared.options.own_networks);
                schedule.push(
                    Job {
                        target: job.target,
                        addr: Some(*addr),
                        spent,
                    },
                    network,
                    now,
                );
            }
            drop(schedule);
            shared.changed.notify_waiters();
            if !addresses.is_empty() {
                return;
            }
            Outcome::Dns
        }
        Ok(Err(_)) => Outcome::Dns,
        Err(_) => Outcome::Timeout(Stage::Dns),
    };
    let _ = sender
        .send(Result {
            target: job.target,
            addr: None,
            seen: Seen::nothing(outcome),
            tlsa: Vec::new(),
            caa: None,
        })
        .await;
}
