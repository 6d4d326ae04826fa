//! Another way: the calling thread is worker 0, so one thread fewer is started.
//! Worker w takes the items w, w + workers, w + 2 · workers and so on. At the
//! end, the results are merged by taking one from each worker in turn.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::thread;

/// Applies `f` to every item, on up to `workers` threads, results in order.
///
/// # Panics
/// With the payload of the caller's own share if that panicked, or else of
/// the lowest worker whose share did.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let workers = workers.get().min(items.len().max(1));
    let share = |worker| -> Vec<R> { items.iter().skip(worker).step_by(workers).map(&f).collect() };
    let share = &share;
    let mut hands: Vec<_> = thread::scope(|scope| {
        let others: Vec<_> = (1..workers)
            .map(|worker| scope.spawn(move || share(worker)))
            .collect();
        let mut hands = vec![share(0).into_iter()];
        for other in others {
            match other.join() {
                Ok(hand) => hands.push(hand.into_iter()),
                Err(payload) => resume_unwind(payload),
            }
        }
        hands
    });
    let mut results = Vec::with_capacity(items.len());
    while results.len() < items.len() {
        results.extend(hands.iter_mut().filter_map(Iterator::next));
    }
    results
}
