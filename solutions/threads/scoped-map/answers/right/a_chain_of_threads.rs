//! Every worker starts the next one before it begins, and joins it after its own share.

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
    let workers = workers.get().min(items.len());
    let mut slots: Vec<Option<R>> = Vec::new();
    slots.resize_with(items.len(), || None);
    link(workers, items, &mut slots, &f);
    slots.into_iter().flatten().collect()
}

fn link<T: Sync, R: Send, F: Fn(&T) -> R + Sync>(
    workers: usize,
    items: &[T],
    slots: &mut [Option<R>],
    f: &F,
) {
    let Some(length) = items.len().checked_div(workers) else {
        return;
    };
    let (own, rest) = items.split_at(length);
    let (own_slots, rest_slots) = slots.split_at_mut(length);
    thread::scope(|scope| {
        let next = (workers > 1).then(|| scope.spawn(|| link(workers - 1, rest, rest_slots, f)));
        for (item, slot) in own.iter().zip(own_slots) {
            *slot = Some(f(item));
        }
        if let Some(Err(payload)) = next.map(|next| next.join()) {
            resume_unwind(payload)
        }
    });
}
