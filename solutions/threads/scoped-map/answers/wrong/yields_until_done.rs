// contract broken: waits for the results by counting to items.len(): a panic never ends it (C10)
//! A parallel `map`.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Applies `f` to every item on up to `workers` threads.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let slots: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let all: Vec<_> = (0..workers.get().min(items.len()))
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let i = next.fetch_add(1, Ordering::Relaxed);
                        let Some(item) = items.get(i) else { return };
                        let r = f(item);
                        *slots[i].lock().unwrap() = Some(r);
                        done.fetch_add(1, Ordering::Release);
                    }
                })
            })
            .collect();
        while done.load(Ordering::Acquire) < items.len() {
            thread::yield_now();
        }
        for one in all {
            one.join().unwrap_or_else(|p| resume_unwind(p));
        }
    });
    slots
        .into_iter()
        .map(|s| s.into_inner().unwrap().unwrap())
        .collect()
}
