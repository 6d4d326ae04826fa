//! Another way: divide and conquer. Workers and items are halved until one
//! worker is left for a piece. A new thread works on the left half, and the
//! current thread works on the right half. The scopes are nested, and each
//! thread writes into its own part of the slots.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
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
    let mut slots: Vec<Option<R>> = Vec::new();
    slots.resize_with(items.len(), || None);
    fill(workers.get().min(items.len()), items, &mut slots, &f);
    slots.into_iter().flatten().collect()
}

fn fill<T, R, F>(workers: usize, items: &[T], slots: &mut [Option<R>], f: &F)
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    if workers <= 1 {
        for (item, slot) in items.iter().zip(slots) {
            *slot = Some(f(item));
        }
        return;
    }
    let left_workers = workers / 2;
    // In proportion, so that every worker has a piece of its own.
    let middle = items.len() * left_workers / workers;
    let (left, right) = items.split_at(middle);
    let (left_slots, right_slots) = slots.split_at_mut(middle);
    thread::scope(|scope| {
        let left = scope.spawn(|| fill(left_workers, left, left_slots, f));
        fill(workers - left_workers, right, right_slots, f);
        if let Err(payload) = left.join() {
            resume_unwind(payload);
        }
    });
}
