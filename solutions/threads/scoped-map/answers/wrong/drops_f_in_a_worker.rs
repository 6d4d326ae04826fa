// contract broken: the last worker drops f (C8)
//! A parallel `map`.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

struct Shared<F>(AtomicUsize, F);
unsafe impl<F: Sync> Send for Shared<F> {}

/// Applies `f` to every item on up to `workers` threads.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let n = workers.get().min(items.len());
    let shared = Arc::new(Shared(AtomicUsize::new(0), f));
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let handles: Vec<_> = (0..n)
            .map(|_| {
                let shared = Arc::clone(&shared);
                scope.spawn(move || {
                    let shared = shared;
                    let mut done = Vec::new();
                    loop {
                        let index = shared.0.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(index) else {
                            return done;
                        };
                        done.push((index, (shared.1)(item)));
                    }
                })
            })
            .collect();
        drop(shared);
        handles
            .into_iter()
            .flat_map(|h| h.join().unwrap_or_else(|p| resume_unwind(p)))
            .collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
