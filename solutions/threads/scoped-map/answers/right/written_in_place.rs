//! Results are written into the spare capacity of the vector, and a guard drops those that are there if something panics.

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

struct Slots<'a, R> {
    first: *mut R,
    flags: &'a [AtomicBool],
}
// SAFETY: each slot is used by one thread.
unsafe impl<R: Send> Sync for Slots<'_, R> {}
impl<R> Slots<'_, R> {
    fn at(&self, index: usize) -> *mut R {
        self.first.wrapping_add(index)
    }
}
impl<R> Drop for Slots<'_, R> {
    fn drop(&mut self) {
        for (index, flag) in self.flags.iter().enumerate() {
            // SAFETY: a slot whose flag is set holds a result.
            if flag.load(Ordering::Acquire) {
                unsafe { self.at(index).drop_in_place() }
            }
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
    let mut results: Vec<R> = Vec::with_capacity(items.len());
    let flags: Vec<AtomicBool> = items.iter().map(|_| AtomicBool::new(false)).collect();
    let next = AtomicUsize::new(0);
    let slots = Slots {
        first: results.as_mut_ptr(),
        flags: &flags,
    };
    let work = || loop {
        let index = next.fetch_add(1, Ordering::Relaxed);
        let Some(item) = items.get(index) else { return };
        let result = f(item);
        // SAFETY: the slot exists, and this index was taken once.
        unsafe { slots.at(index).write(result) };
        slots.flags[index].store(true, Ordering::Release);
    };
    let work = &work;
    thread::scope(|scope| {
        let started: Vec<_> = (0..workers.get().min(items.len()))
            .map(|_| scope.spawn(work))
            .collect();
        for worker in started {
            if let Err(payload) = worker.join() {
                resume_unwind(payload)
            }
        }
    });
    flags
        .iter()
        .for_each(|flag| flag.store(false, Ordering::Relaxed));
    // SAFETY: no call has panicked, so every slot is written.
    unsafe { results.set_len(items.len()) };
    results
}
