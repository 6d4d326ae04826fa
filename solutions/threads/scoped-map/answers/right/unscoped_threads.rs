//! Threads of `thread::spawn` with a transmuted lifetime, joined by a guard also when something panics.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

struct Joined(Vec<thread::JoinHandle<()>>);
impl Drop for Joined {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Applies `f` to every item on up to `workers` threads.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::new());
    let work = || loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(item) = items.get(index) else { return };
        let result = f(item);
        done.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((index, result));
    };
    let mut joined = Joined(Vec::new());
    for _ in 0..workers.get().min(items.len()) {
        let work: Box<dyn FnOnce() + Send + '_> = Box::new(&work);
        // SAFETY: the guard joins the thread before anything that it borrows goes away.
        let work: Box<dyn FnOnce() + Send> = unsafe { std::mem::transmute(work) };
        joined.0.push(thread::spawn(work));
    }
    let mut first = None;
    while let Some(thread) = joined.0.pop() {
        if let Err(payload) = thread.join() {
            first.get_or_insert(payload);
        }
    }
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(payload) = first {
        drop(done);
        resume_unwind(payload)
    }
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
