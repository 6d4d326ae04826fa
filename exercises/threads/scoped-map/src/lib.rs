//! A parallel `map`: the items are borrowed, the results come in their order.
//!
//! ```ignore
//! let words = ["to", "be", "or", "not"];
//! let lengths = scoped_map::map(workers, &words, |word| word.len());
//! assert_eq!(lengths, [2, 2, 2, 3]);
//! ```

use std::num::NonZeroUsize;

/// Applies `f` to every item, on several threads at once, and returns the
/// results in the order of the items.
///
/// Below, `w` is `workers` or the number of items, whichever is smaller. A
/// *worker* is a thread that calls `f`.
///
/// # Results
/// - C1: The result at index `i` is what `f` returned for item `i`. There is
///   one result for each item.
/// - C2: `f` is called once for each item, with a reference to that very item
///   and not to a copy. If a call panics, it is not made again, and whether the
///   remaining items are still worked on is yours to choose.
/// - C3: Every number of items and every number of workers is allowed: no items
///   (then the result is an empty vector), 100,000 items, `usize::MAX` workers.
///   Items and results may have any size, 0 included.
///
/// # Workers
/// - C4: Calls of `f` may wait for one another. If the number of items is a
///   multiple of `w`, then `w` calls can be in progress at the same time: `w`
///   calls that wait until all `w` of them have begun do not wait for ever. If
///   it is not a multiple, the same holds for some number of calls greater than
///   `w / 2`. Neither the number of CPUs nor the number of items changes this.
/// - C5: No worker waits for a call of another worker to end. If the number of
///   items is a multiple of `w`, one worker can make `items.len() / w` calls
///   while every other worker is stuck in a single call.
/// - C6: At most `w` threads call `f`. The calling thread may be one of them.
/// - C7: It starts at most `w` threads in all, including those that have ended
///   and those that do not call `f`.
///
/// Which worker takes which item is yours to choose.
///
/// # The end
/// - C8: When it ends, by a return or by a panic, no call of `f` is in progress,
///   the calling thread has dropped `f`, and every thread that was started has
///   nothing left to do but to exit.
/// - C9: It leaves nothing else behind and puts back whatever it changes: memory
///   (apart from the results), descriptors, the panic hook, signal masks.
///
/// # Panics
/// - C10: If a call of `f` panics, `map` panics with the payload of that call:
///   the very value, which `map` does not drop. If several calls panic, it
///   panics with the payload of one of them.
/// - C11: Every result is returned or dropped, exactly once: if `map` panics, it
///   drops the results that are there. It also drops the payloads that do not
///   reach the caller.
/// - C12: If the kernel refuses to start a thread, `map` either panics, with any
///   payload and as in C8, or it does all the work with the threads that it has,
///   the calling thread included. C4 and C5 do not hold then.
///
/// # Callers
/// - C13: Every call of `map` is independent of all other calls: of a call inside
///   of `f`, of calls on other threads at the same time, and of earlier calls,
///   also if they panicked.
/// - C14: It accepts all types that satisfy the bounds below: items and `f` need
///   not be `Send`, results need not be `Sync`, and none of them need be
///   `'static`, `Clone`, `Default` or `Debug`.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let _ = (workers, items, f);
    todo!("start workers in std::thread::scope, share out the items, collect the results")
}
