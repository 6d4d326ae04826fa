//! catch_unwind around every single call, all remaining items still worked on; Results travel through an mpsc channel; smallest index panics
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let n = items.len();
    let w = workers.get().min(n);
    let mut slots: Vec<Option<thread::Result<R>>> = Vec::new();
    slots.resize_with(n, || None);
    thread::scope(|s| {
        let (tx, rx) = mpsc::channel();
        for k in 0..w {
            let tx = tx.clone();
            let f = &f;
            s.spawn(move || {
                let mut i = k;
                while i < n {
                    let r = catch_unwind(AssertUnwindSafe(|| f(&items[i])));
                    let _ = tx.send((i, r));
                    let Some(j) = i.checked_add(w) else { break };
                    i = j;
                }
            });
        }
        drop(tx);
        for (i, r) in rx {
            slots[i] = Some(r);
        }
    });
    match slots.into_iter().map(|o| o.unwrap()).collect::<Result<Vec<R>, _>>() {
        Ok(v) => v,
        Err(p) => resume_unwind(p),
    }
}
