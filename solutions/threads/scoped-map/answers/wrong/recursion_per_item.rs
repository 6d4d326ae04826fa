// contract broken: a worker recurses once for every item (C3)
//! A parallel `map`.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Applies `f` to every item on up to `workers` threads.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let next = AtomicUsize::new(0);
    fn take<T, R>(
        next: &AtomicUsize,
        items: &[T],
        f: &impl Fn(&T) -> R,
        done: &mut Vec<(usize, R)>,
    ) {
        let index = next.fetch_add(1, Ordering::Relaxed);
        if let Some(item) = items.get(index) {
            done.push((index, f(item)));
            take(next, items, f, done);
            std::hint::black_box(&done);
        }
    }
    let work = || {
        let mut done = Vec::new();
        take(&next, items, &f, &mut done);
        done
    };

    let mut results = Vec::with_capacity(items.len());
    thread::scope(|scope| {
        // Collected, because an iterator is lazy: it would start one thread,
        // wait for its end and only then start the next.
        let started: Vec<_> = (0..workers.get().min(items.len()))
            .map(|_| scope.spawn(work))
            .collect();
        for worker in started {
            match worker.join() {
                Ok(done) => results.extend(done),
                // The scope waits for the other workers before this goes on.
                Err(payload) => resume_unwind(payload),
            }
        }
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
