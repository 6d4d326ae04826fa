//! Another way: every worker gets one piece of the slice in advance and returns
//! the results of that piece as a vector. No index is needed, because the
//! workers are joined in the order of their pieces. But a worker that has
//! finished its piece has nothing more to do.

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
