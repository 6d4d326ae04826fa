//! A scoped map: some threads, many items, results in the order of the items.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, Builder};
use sync::Mutex;

/// Calls `f` with each item, up to `workers` at a time, and returns the results in the order of the
/// items.
///
/// ```
/// let words = ["one", "two", "three"]; // borrowed: all threads end before `map` returns
/// assert_eq!(threads::map(2, &words, |word| word.len()), [3, 3, 5]);
/// ```
///
/// The calling thread is one of the workers, so `workers - 1` threads are started, and none for 0 or
/// 1 or a single item. Each worker takes the next item when it is done with the last, whatever that
/// took. If the system refuses a thread (`RLIMIT_NPROC`, a cgroup), the others do its work.
///
/// The price is starting and ending the threads, some 25 µs each, and a lock for each item: for items
/// of less than a microsecond, map slices of them.
///
/// # Panics
/// If `f` or the iterator panics: no further item is begun, those in work are finished, and the
/// panic goes on here with its payload. If several panic, one of the payloads does.
pub fn map<T, R, I>(workers: usize, items: I, f: impl Fn(T) -> R + Sync) -> Vec<R>
where
    T: Send,
    R: Send,
    I: IntoIterator<Item = T>,
    I::IntoIter: Send,
{
    let items = items.into_iter();
    let most = items.size_hint().1.unwrap_or(usize::MAX);
    let queue = Mutex::new(items.enumerate());
    let stop = AtomicBool::new(false);

    let work = || {
        let mut results = Vec::new();
        let mut panicked = StopIfDropped(Some(&stop));
        while !stop.load(Relaxed) {
            // The lock is held for this line only. In a `while let` it would be held while `f` runs,
            // and there would be one worker at a time.
            let Some((index, item)) = queue.lock().next() else {
                break;
            };
            results.push((index, f(item)));
        }
        panicked.0 = None;
        results
    };

    let outcomes: Vec<thread::Result<Vec<(usize, R)>>> = thread::scope(|scope| {
        let threads: Vec<_> = (1..workers.min(most))
            .map_while(|n| {
                let builder = Builder::new().name(format!("map {n}"));
                builder.spawn_scoped(scope, work).ok()
            })
            .collect();
        // Caught, so that this worker's panic does not go before the others' are known.
        let mine = catch_unwind(AssertUnwindSafe(work));
        let theirs = threads.into_iter().map(thread::ScopedJoinHandle::join);
        std::iter::once(mine).chain(theirs).collect()
    });

    let mut in_order = Vec::new();
    for outcome in outcomes {
        let results = outcome.unwrap_or_else(|payload| resume_unwind(payload));
        for (index, result) in results {
            if in_order.len() <= index {
                in_order.resize_with(index + 1, || None);
            }
            in_order[index] = Some(result);
        }
    }
    in_order.into_iter().flatten().collect()
}

/// Stops the other workers if a panic drops it.
struct StopIfDropped<'a>(Option<&'a AtomicBool>);

impl Drop for StopIfDropped<'_> {
    fn drop(&mut self) {
        if let Some(stop) = self.0 {
            stop.store(true, Relaxed);
        }
    }
}
