//! A parallel `map`: the items are borrowed, the results come in their order.
//!
//! ```ignore
//! let words = ["to", "be", "or", "not"];
//! let lengths = scoped_map::map(workers, &words, |word| word.len());
//! assert_eq!(lengths, [2, 2, 2, 3]);
//! ```

use std::num::NonZeroUsize;

/// Applies `f` to every item, on up to `workers` threads at once, and returns
/// the results in the order of the items.
///
/// - `f` is called once for each item, with a reference to that very item.
/// - `workers` calls are in progress at the same time if there are `workers`
///   items, or twice as many, or three times …; never more. How many CPUs the
///   machine has does not matter: a worker may well be waiting.
/// - It starts at most `workers` threads, and no more than there are items.
///   The calling thread may be one of the workers (then it starts one fewer) or
///   only wait.
/// - Which worker takes which item is yours to choose.
/// - No items: no call, an empty vector.
///
/// # Panics
/// If a call of `f` panics, with that call's payload, the very value, after every
/// worker has ended. If several panic, with the payload of one of them.
/// Whether the remaining items are still worked on is yours to choose.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let _ = (workers, items, f);
    todo!("start workers in std::thread::scope, share out the items, collect the results")
}
