//! How measurements are taken: variants alternate, the first pass is thrown away, medians count.
//!
//! Alternating matters more than anything else on a shared machine: whatever slows it down for
//! a second hits all variants alike.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{interrupt, shell, sys};

/// Passes of every variant that count; fewer give no usable median.
pub(crate) const PASSES: usize = 5;

/// What one pass of one variant cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// From start to end.
    pub wall: Duration,
    /// Processor time of the processes involved.
    pub cpu: Duration,
    /// Peak resident memory in bytes, 0 where nobody asked.
    pub peak_memory: u64,
}

/// One of the things compared.
pub(crate) struct Variant<'a> {
    name: String,
    pass: Box<dyn FnMut() -> Result<Sample> + 'a>,
}

impl<'a> Variant<'a> {
    /// A variant that measures itself.
    pub(crate) fn new(name: impl Into<String>, pass: impl FnMut() -> Result<Sample> + 'a) -> Self {
        Self {
            name: name.into(),
            pass: Box::new(pass),
        }
    }

    /// A variant that is a program; `prepare` runs before each pass, outside the measurement
    /// (drop caches, remove the last output), and returns the command.
    pub(crate) fn program(
        name: impl Into<String>,
        mut prepare: impl FnMut() -> Result<Command> + 'a,
    ) -> Self {
        Self::new(name, move || time(&mut prepare()?))
    }
}

/// Runs `command` silently to its end and measures it; it must succeed.
pub(crate) fn time(command: &mut Command) -> Result<Sample> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let line = shell::line(command);
    let started = Instant::now();
    let child = command
        .spawn()
        .with_context(|| format!("cannot run `{line}`"))?;
    let (status, usage) = sys::wait4(child)?;
    let wall = started.elapsed();
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(Sample {
        wall,
        cpu: usage.cpu,
        peak_memory: usage.peak_memory,
    })
}

/// The passes of one variant.
#[derive(Debug)]
pub(crate) struct Series {
    /// The variant's name.
    pub name: String,
    samples: Vec<Sample>,
}

impl Series {
    /// The median wall time.
    pub(crate) fn wall(&self) -> Duration {
        median(self.samples.iter().map(|sample| sample.wall).collect())
    }

    /// The shortest wall time, which a loaded machine disturbs least.
    pub(crate) fn best(&self) -> Duration {
        self.samples
            .iter()
            .map(|sample| sample.wall)
            .min()
            .unwrap_or_default()
    }

    /// The median processor time.
    pub(crate) fn cpu(&self) -> Duration {
        median(self.samples.iter().map(|sample| sample.cpu).collect())
    }

    /// The largest peak of memory of any pass, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.samples
            .iter()
            .map(|sample| sample.peak_memory)
            .max()
            .unwrap_or_default()
    }
}

/// Runs one pass of each variant in turn, `passes` times after a first one that does not count.
pub(crate) fn alternate(mut variants: Vec<Variant<'_>>, passes: usize) -> Result<Vec<Series>> {
    ensure!(passes >= PASSES, "{passes} passes are too few for a median");
    let mut series: Vec<Series> = variants
        .iter()
        .map(|variant| Series {
            name: variant.name.clone(),
            samples: Vec::new(),
        })
        .collect();
    for pass in 0..=passes {
        for (variant, series) in variants.iter_mut().zip(&mut series) {
            interrupt::check()?;
            let sample = (variant.pass)().with_context(|| variant.name.clone())?;
            // First-touched memory, cold program files and growing caches all land in pass 0.
            if pass > 0 {
                series.samples.push(sample);
            }
        }
    }
    Ok(series)
}

/// The middle value; of an even number the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<Duration>) -> Duration {
    values.sort_unstable();
    let middle = values.len() / 2;
    match values.as_slice() {
        [] => Duration::ZERO,
        values if values.len() % 2 == 1 => values[middle],
        values => (values[middle - 1] + values[middle]) / 2,
    }
}

/// How many times the first goes into the second: 2.0 is "twice as fast".
pub(crate) fn ratio(ours: Duration, theirs: Duration) -> f64 {
    theirs.as_secs_f64() / ours.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn variants_alternate_and_the_first_pass_does_not_count() {
        let order = RefCell::new(String::new());
        let variant = |name: &str, slow_first: u64| {
            let (order, label) = (&order, name.to_owned());
            let mut millis = slow_first;
            Variant::new(name, move || {
                order.borrow_mut().push_str(&label);
                let wall = Duration::from_millis(std::mem::replace(&mut millis, 7));
                Ok(Sample {
                    wall,
                    ..Sample::default()
                })
            })
        };
        let series = alternate(vec![variant("a", 1000), variant("b", 1)], 5).unwrap();
        assert_eq!(*order.borrow(), "ab".repeat(6));
        for series in series {
            assert_eq!(
                (series.wall().as_millis(), series.best().as_millis()),
                (7, 7)
            );
        }
    }

    #[test]
    fn medians_of_odd_even_and_no_values() {
        let millis = |values: &[u64]| {
            median(values.iter().copied().map(Duration::from_millis).collect()).as_millis()
        };
        assert_eq!(
            (millis(&[9, 1, 5]), millis(&[1, 9, 3, 5]), millis(&[])),
            (5, 4, 0)
        );
    }

    #[test]
    fn a_failing_program_is_no_sample() {
        assert!(time(&mut Command::new("false")).is_err());
        assert!(time(&mut Command::new("true")).unwrap().peak_memory > 0);
    }
}
