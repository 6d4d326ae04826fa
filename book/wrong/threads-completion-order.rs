//! A map whose results are in the order in which the calls ended.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let work = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = f(item);
            results.lock().unwrap().push(result); // which item was it?
        }
    };
    thread::scope(|scope| {
        let started: Vec<_> = (0..workers.get().min(items.len()))
            .map(|_| scope.spawn(work))
            .collect();
        for worker in started {
            if let Err(payload) = worker.join() {
                resume_unwind(payload);
            }
        }
    });
    results.into_inner().unwrap()
}
