// contract broken: C9: signals are blocked while the threads are started; after a panic on the way the mask of the calling thread is not put back
use std::ffi::{c_int, c_void};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::*};
unsafe extern "C" {
    fn pthread_sigmask(how: c_int, set: *const c_void, old: *mut c_void) -> c_int;
    fn sigfillset(set: *mut c_void) -> c_int;
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let w = workers.get().min(items.len());
    let next = AtomicUsize::new(0);
    let (mut all_signals, mut before) = ([0u64; 16], [0u64; 16]);
    unsafe {
        sigfillset(all_signals.as_mut_ptr().cast());
        pthread_sigmask(0, all_signals.as_ptr().cast(), before.as_mut_ptr().cast());
    }
    let work = || {
        unsafe { pthread_sigmask(2, before.as_ptr().cast(), std::ptr::null_mut()) };
        let mut v = Vec::new();
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
                Err(p) => std::panic::resume_unwind(p),
            }
        }
        all
    });
    unsafe { pthread_sigmask(2, before.as_ptr().cast(), std::ptr::null_mut()) };
    all.sort_by_key(|p| p.0);
    all.into_iter().map(|p| p.1).collect()
}
