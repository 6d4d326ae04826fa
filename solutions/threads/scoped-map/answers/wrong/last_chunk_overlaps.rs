// contract broken: pieces of the same length, the last of which is moved to the left: some items are called twice (C2)
//! A parallel `map`.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

/// Applies `f` to every item on up to `workers` threads.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    if items.is_empty() {
        return Vec::new();
    }
    let n = workers.get().min(items.len());
    let length = items.len().div_ceil(n);
    let f = &f;
    let mut all: Vec<(usize, R)> = thread::scope(|scope| {
        let pieces: Vec<_> = (0..items.len().div_ceil(length))
            .map(|k| {
                let start = (k * length).min(items.len() - length);
                scope.spawn(move || {
                    (start..start + length)
                        .map(|i| (i, f(&items[i])))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        pieces
            .into_iter()
            .flat_map(|p| p.join().unwrap_or_else(|p| resume_unwind(p)))
            .collect()
    });
    all.sort_by_key(|(i, _)| *i);
    all.dedup_by_key(|(i, _)| *i);
    all.into_iter().map(|(_, r)| r).collect()
}
