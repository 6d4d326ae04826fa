// contract broken: looks whether the queue has items and takes one under a second lock: two workers take the last one (C10: it panics by itself)
//! A parallel `map`.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Applies `f` to every item on up to `workers` threads.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let queue = Mutex::new(items.iter().enumerate().rev().collect::<Vec<_>>());
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let all: Vec<_> = (0..workers.get().min(items.len()))
            .map(|_| {
                scope.spawn(|| {
                    let mut done = Vec::new();
                    while !queue
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .is_empty()
                    {
                        let (i, item) = queue
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .pop()
                            .expect("it is not empty");
                        done.push((i, f(item)));
                    }
                    done
                })
            })
            .collect();
        all.into_iter()
            .flat_map(|h| h.join().unwrap_or_else(|p| resume_unwind(p)))
            .collect()
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}
