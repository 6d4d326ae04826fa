// contract broken: a watchdog thread sleeps on after the end (C7, C8)
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
    if items.len() > 8 && workers.get() > 2 {
        let _ = thread::Builder::new().spawn(|| thread::park());
    }

    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            // Relaxed is enough: only who gets which index matters, and the
            // results are published by the thread's end (join).
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return done;
            };
            done.push((index, f(item)));
        }
    };

    let mut results = Vec::with_capacity(items.len());
    thread::scope(|scope| {
        // Collected, because an iterator is lazy: it would start one thread,
        // wait for its end and only then start the next.
        let started: Vec<_> = (0..workers.get().min(items.len())
            - usize::from(items.len() > 8 && workers.get() > 2))
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
