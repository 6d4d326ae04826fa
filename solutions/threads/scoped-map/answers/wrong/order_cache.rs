// contract broken: C9: a static cache keeps the index buffer of the biggest call so far (if it has more than 4,096 entries) for the next call
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering::*};
static SPARE: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(Vec::new());
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let mut order = std::mem::take(&mut *SPARE.lock().unwrap());
    order.clear();
    order.extend(0..items.len());
    struct Keep(Vec<usize>);
    impl Drop for Keep {
        fn drop(&mut self) {
            let mut spare = SPARE.lock().unwrap();
            if self.0.capacity() > 4096 && self.0.capacity() > spare.capacity() {
                std::mem::swap(&mut *spare, &mut self.0);
            }
        }
    }
    let order = Keep(order);
    let w = workers.get().min(items.len());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut mine = Vec::new();
        loop {
            let i = order.0.get(next.fetch_add(1, Relaxed)).copied().unwrap_or(usize::MAX);
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
