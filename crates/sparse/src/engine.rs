//! Work on many threads whose results arrive in the order of their input.
//!
//! Everything in this crate that is parallel goes through [`ordered`]. Because results are
//! consumed in input order by one thread, output cannot depend on the number of threads.

use crate::error::Error;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Finished results per thread that may wait for an earlier one. Bounds memory.
const WINDOW_PER_JOB: usize = 2;

/// Runs `work` over `items` on `jobs` threads and gives each result to `sink`, in order.
///
/// `state` makes what a thread keeps between items: its buffers. The items are drawn by the
/// threads, one at a time, so an iterator may read a stream. The first error, in input order,
/// ends everything and is returned; items after it may have been worked on already. With one
/// job no thread is started.
pub fn ordered<T, R, S>(
    jobs: usize,
    items: impl Iterator<Item = Result<T, Error>> + Send,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, T) -> Result<R, Error> + Sync,
    mut sink: impl FnMut(R) -> Result<(), Error>,
) -> Result<(), Error>
where
    T: Send,
    R: Send,
{
    if jobs <= 1 {
        let mut state = state();
        for item in items {
            sink(work(&mut state, item?)?)?;
        }
        return Ok(());
    }
    let line = Line::new(items, jobs * WINDOW_PER_JOB);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let _end = EndOnPanic(&line);
                let mut state = state();
                while let Some((number, item)) = line.draw() {
                    line.deliver(number, item.and_then(|item| work(&mut state, item)));
                }
            });
        }
        let _end = EndOnPanic(&line);
        let mut outcome = Ok(());
        while outcome.is_ok() {
            match line.collect() {
                Some(result) => outcome = result.and_then(&mut sink),
                None => break,
            }
        }
        line.end();
        outcome
    })
}

/// The items waiting, and the results that arrived out of order.
struct Line<I, R> {
    items: Mutex<Numbered<I>>,
    results: Mutex<Results<R>>,
    /// Told of every change of `results`.
    changed: Condvar,
    window: usize,
}

struct Numbered<I> {
    items: I,
    drawn: usize,
    exhausted: bool,
}

struct Results<R> {
    /// Number of the item whose result is next for the sink.
    next: usize,
    /// Results from `next` on; `None` where still at work.
    waiting: VecDeque<Option<Result<R, Error>>>,
    /// Items there are, once known.
    total: Option<usize>,
    ended: bool,
}

impl<T, R, I: Iterator<Item = Result<T, Error>>> Line<I, R> {
    fn new(items: I, window: usize) -> Self {
        let results = Results {
            next: 0,
            waiting: VecDeque::new(),
            total: None,
            ended: false,
        };
        Self {
            items: Mutex::new(Numbered {
                items,
                drawn: 0,
                exhausted: false,
            }),
            results: Mutex::new(results),
            changed: Condvar::new(),
            window,
        }
    }

    /// The next item and its number; `None` when there is nothing more to do.
    fn draw(&self) -> Option<(usize, Result<T, Error>)> {
        let (number, item) = {
            let mut line = lock(&self.items);
            if line.exhausted {
                return None;
            }
            let item = line.items.next();
            // After an error there is nothing sensible to draw.
            line.exhausted = !matches!(item, Some(Ok(_)));
            if let Some(item) = item {
                line.drawn += 1;
                if line.exhausted {
                    self.set_total(line.drawn);
                }
                (line.drawn - 1, item)
            } else {
                self.set_total(line.drawn);
                return None;
            }
        };
        // Wait until the sink is close enough. The thread with the lowest number never waits.
        let mut results = lock(&self.results);
        while !results.ended && number >= results.next + self.window {
            results = self
                .changed
                .wait(results)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if results.ended {
            None
        } else {
            Some((number, item))
        }
    }

    fn set_total(&self, total: usize) {
        lock(&self.results).total = Some(total);
        self.changed.notify_all();
    }

    fn deliver(&self, number: usize, result: Result<R, Error>) {
        let mut results = lock(&self.results);
        let place = number - results.next;
        while results.waiting.len() <= place {
            results.waiting.push_back(None);
        }
        results.waiting[place] = Some(result);
        drop(results);
        self.changed.notify_all();
    }

    /// Waits for the next result in order; `None` after the last.
    fn collect(&self) -> Option<Result<R, Error>> {
        let mut results = lock(&self.results);
        loop {
            if let Some(Some(_)) = results.waiting.front() {
                results.next += 1;
                let result = results.waiting.pop_front().flatten();
                drop(results);
                self.changed.notify_all();
                return result;
            }
            if results.ended || results.total == Some(results.next) {
                return None;
            }
            results = self
                .changed
                .wait(results)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl<I, R> Line<I, R> {
    fn end(&self) {
        lock(&self.results).ended = true;
        self.changed.notify_all();
    }
}

/// A thread that panics must not leave the others waiting for it: the scope then passes the
/// panic on.
struct EndOnPanic<'a, I, R>(&'a Line<I, R>);

impl<I, R> Drop for EndOnPanic<'_, I, R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
        }
    }
}

/// A poisoned lock only means that another thread panicked; the panic itself is passed on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads to use when asked for `jobs`; 0 means `default`.
pub fn jobs(asked: usize, default: usize) -> usize {
    if asked == 0 { default.max(1) } else { asked }
}

/// Processors this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> Error {
        Error::Argument(text.to_owned())
    }

    #[test]
    fn results_arrive_in_order_for_any_number_of_threads() {
        for jobs in [1, 2, 3, 8] {
            let mut seen = Vec::new();
            ordered(
                jobs,
                (0..500_u32).map(Ok),
                || (),
                |(), item| {
                    if item % 7 == 0 {
                        std::thread::yield_now();
                    }
                    Ok(item * 2)
                },
                |result| {
                    seen.push(result);
                    Ok(())
                },
            )
            .expect("no error");
            assert_eq!(seen, (0..500).map(|item| item * 2).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_first_error_in_order_is_the_one_reported() {
        for jobs in [1, 4] {
            let mut seen = 0;
            let error = ordered(
                jobs,
                (0..1000_u32).map(Ok),
                || (),
                |(), item| {
                    if item >= 10 {
                        Err(failure(&item.to_string()))
                    } else {
                        Ok(item)
                    }
                },
                |_| {
                    seen += 1;
                    Ok(())
                },
            )
            .expect_err("item 10 fails");
            assert_eq!((error.to_string().as_str(), seen), ("10", 10));
        }
    }

    #[test]
    fn errors_of_the_input_and_of_the_sink_end_the_work() {
        for jobs in [1, 4] {
            let input = (0..50_u32).map(|item| {
                if item == 20 {
                    Err(failure("in"))
                } else {
                    Ok(item)
                }
            });
            let error = ordered(jobs, input, || (), |(), item| Ok(item), |_| Ok(()));
            assert_eq!(error.expect_err("input").to_string(), "in");
            let endless = (0..u32::MAX).map(Ok);
            let error = ordered(jobs, endless, || (), |(), i| Ok(i), |_| Err(failure("out")));
            assert_eq!(error.expect_err("sink").to_string(), "out");
        }
    }

    #[test]
    #[should_panic(expected = "a scoped thread panicked")]
    fn a_panic_in_a_thread_is_passed_on_instead_of_waiting_for_ever() {
        let _never = ordered(
            2,
            (0..100_u32).map(Ok),
            || (),
            |(), item| {
                assert!(item != 5, "worker panics");
                Ok(item)
            },
            |_| Ok(()),
        );
    }
}
