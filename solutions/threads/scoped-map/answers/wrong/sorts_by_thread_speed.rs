// contract broken: the pieces are put together in the order in which they end (C1)
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
    let length = items.len().div_ceil(workers.get()).max(1);
    let f = &f;
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let all: Vec<_> = items
            .chunks(length)
            .map(|piece| {
                let sender = sender.clone();
                scope.spawn(move || {
                    let _ = sender.send(piece.iter().map(f).collect::<Vec<R>>());
                })
            })
            .collect();
        drop(sender);
        for one in all {
            one.join().unwrap_or_else(|p| resume_unwind(p));
        }
    });
    receiver.into_iter().flatten().collect()
}
