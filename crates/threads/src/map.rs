//! A scoped map: a few threads handle many items, and the results are in the order of the items.

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
/// The calling thread is one of the workers, so at most `workers - 1` threads are started, and none
/// if `workers` is 0 or 1 or if there is a single item. Each worker takes the next item when it has
/// finished its last one, however long that took. If the system refuses a thread (`RLIMIT_NPROC`, a
/// cgroup), the other threads do its work.
///
/// The cost is about 25 µs for starting and ending each thread, and one lock for each item. If an
/// item takes less than a microsecond, map slices of items instead.
///
/// # Panics
/// If `f` or the iterator panics. Then no worker begins a further item, the items that were begun
/// are finished, and the panic continues in the calling thread with its payload. If several workers
/// panic, it continues with one of the payloads.
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
            // The lock is held for this line only. A `while let` would hold it while `f` runs, and
            // then only one worker could run at a time.
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
        // Catch this worker's panic, so that it does not continue before the outcomes of the other
        // workers are known.
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
