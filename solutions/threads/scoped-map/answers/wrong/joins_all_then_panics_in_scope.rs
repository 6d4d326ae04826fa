// contract broken: the workers of the other panics are not joined and the first is dropped: the last payload wins, and with two a message (C10)
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
    let mut lost = 0;
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return done;
            };
            done.push((index, f(item)));
        }
    };
    let mut results = Vec::new();
    let mut last = None;
    thread::scope(|scope| {
        let started: Vec<_> = (0..workers.get().min(items.len()))
            .map(|_| scope.spawn(work))
            .collect();
        for worker in started {
            match worker.join() {
                Ok(done) => results.extend(done),
                Err(payload) => {
                    lost += 1;
                    last = Some(payload);
                }
            }
        }
    });
    if lost == 1 {
        if let Some(payload) = last {
            resume_unwind(payload)
        }
    }
    assert!(lost == 0, "{lost} workers panicked");
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
