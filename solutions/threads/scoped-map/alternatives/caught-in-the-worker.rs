//! Another way: no thread is joined by hand, because the scope waits for all
//! of them at its end. Each result has a slot with its own lock. A worker
//! catches the panic of a call and stores the first payload, and then all
//! workers stop taking items.

use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Applies `f` to every item, on up to `workers` threads, results in order.
///
/// # Panics
/// With the payload of the first call of `f` that panicked; items that nobody
/// had taken by then are left out.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let slots: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let first_panic: Mutex<Option<Box<dyn Any + Send>>> = Mutex::new(None);
    let next = AtomicUsize::new(0);

    thread::scope(|scope| {
        for _ in 0..workers.get().min(items.len()) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    match catch_unwind(AssertUnwindSafe(|| f(item))) {
                        Ok(result) => *lock(&slots[index]) = Some(result),
                        Err(payload) => {
                            next.store(items.len(), Ordering::Relaxed);
                            lock(&first_panic).get_or_insert(payload);
                        }
                    }
                }
            });
        }
    });
    if let Some(payload) = lock(&first_panic).take() {
        resume_unwind(payload);
    }
    slots.iter().filter_map(|slot| lock(slot).take()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Nothing panics while one of these locks is held.
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
