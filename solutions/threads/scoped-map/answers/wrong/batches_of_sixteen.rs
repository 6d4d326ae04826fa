// contract broken: takes 16 items at a time: few items all go to one worker (C4)
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
    let work = || {
        let mut done = Vec::new();
        loop {
            // Relaxed is enough: only who gets which index matters, and the
            // results are published by the thread's end (join).
            let from = next.fetch_add(16, Ordering::Relaxed);
            if from >= items.len() {
                return done;
            }
            for index in from..(from + 16).min(items.len()) {
                done.push((index, f(&items[index])));
            }
        }
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
