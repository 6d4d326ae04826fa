//! Another way: the items are in a queue behind a lock, and the results arrive
//! through a channel, each with the index of its item. A worker holds the lock
//! only while it takes an item. The collector stops when the last sender has
//! been dropped and does not count results, so it does not hang if a worker
//! panicked.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

/// Applies `f` to every item, on up to `workers` threads, results in order.
///
/// # Panics
/// With the payload of a call of `f` that panicked.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let queue = Mutex::new(items.iter().enumerate());
    // A function, so that the guard is gone when it returns.
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (sender, receiver) = mpsc::channel();
    let mut slots: Vec<Option<R>> = items.iter().map(|_| None).collect();

    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers.get().min(items.len()))
            .map(|_| {
                let sender = sender.clone();
                let (take, f) = (&take, &f);
                scope.spawn(move || {
                    while let Some((index, item)) = take() {
                        // Fails only when nobody wants results any more.
                        let _ = sender.send((index, f(item)));
                    }
                })
            })
            .collect();
        drop(sender);
        for (index, result) in receiver {
            slots[index] = Some(result);
        }
        for worker in workers {
            if let Err(payload) = worker.join() {
                resume_unwind(payload);
            }
        }
    });
    slots.into_iter().flatten().collect()
}
