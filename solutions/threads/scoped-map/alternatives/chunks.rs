//! Another way: every worker gets one piece of the slice in advance, and
//! returns its results in a piece of the answer. No index is needed, because
//! joining in the order of the pieces is the order of the items; but a worker
//! whose piece is done has nothing more to do.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

/// Applies `f` to every item, on up to `workers` threads, results in order.
///
/// # Panics
/// With the payload of the first piece in which `f` panicked.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    // At least 1: `chunks` refuses an empty slice's 0.
    let length = items.len().div_ceil(workers.get()).max(1);
    let f = &f;
    thread::scope(|scope| {
        let pieces: Vec<_> = items
            .chunks(length)
            .map(|piece| scope.spawn(move || piece.iter().map(f).collect::<Vec<R>>()))
            .collect();
        pieces
            .into_iter()
            .flat_map(|piece| {
                piece
                    .join()
                    .unwrap_or_else(|payload| resume_unwind(payload))
            })
            .collect()
    })
}
