// contract broken: C13: a thread-local counts the panics that came out of map on this thread; after more than 64 of them its calls use one worker only
use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::*};
thread_local!(static PANICS: Cell<u32> = const { Cell::new(0) });
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let mut w = workers.get().min(items.len());
    if PANICS.get() > 64 {
        w = w.min(1); // this thread has seen too many failures
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut v = vec![];
        loop {
            let i = next.fetch_add(1, Relaxed);
            let Some(x) = items.get(i) else { return v };
            v.push((i, f(x)));
        }
    };
    let mut all = std::thread::scope(|s| {
        let hs: Vec<_> = (0..w).map(|_| s.spawn(&work)).collect();
        let mut all = vec![];
        for h in hs {
            match h.join() {
                Ok(v) => all.extend(v),
                Err(p) => {
                    PANICS.set(PANICS.get() + 1);
                    std::panic::resume_unwind(p)
                }
            }
        }
        all
    });
    all.sort_by_key(|p| p.0);
    all.into_iter().map(|p| p.1).collect()
}
