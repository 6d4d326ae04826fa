// contract broken: C9: sets the timer slack of the calling thread to 1 ns (prctl), for prompt wake-ups, and does not put it back
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::*};
unsafe extern "C" {
    fn prctl(option: i32, ...) -> i32;
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    unsafe { prctl(29, 1 as std::ffi::c_ulong) };
    let w = workers.get().min(items.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mine = Vec::new();
        loop {
            let i = next.fetch_add(1, Relaxed);
            let Some(item) = items.get(i) else { return mine };
            
            mine.push((i, f(item)));
        }
    };
    let mut all = std::thread::scope(|s| {
        let handles: Vec<_> = (0..w).map(|_| s.spawn(&work)).collect();
        let mut all: Vec<(usize, R)> = Vec::new();
        for h in handles {
            match h.join() {
                Ok(v) => all.extend(v),
                Err(p) => std::panic::resume_unwind(p),
            }
        }
        all
    });
    all.sort_by_key(|p| p.0);
    all.into_iter().map(|p| p.1).collect()
}
