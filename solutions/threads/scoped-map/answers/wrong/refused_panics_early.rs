// contract broken: C12: if a thread is refused, map panics at once and does not wait for the calls of the (detached) threads that it has started: not as in C8
use std::any::Any;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::mpsc::channel;
use std::sync::Arc;
use std::thread::Builder;
unsafe fn forever<'a>(b: Box<dyn FnOnce() + Send + 'a>) -> Box<dyn FnOnce() + Send + 'static> {
    unsafe { std::mem::transmute(b) }
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let n = items.len();
    let w = workers.get().min(n);
    let next = Arc::new(AtomicUsize::new(0));
    let (tx, rx) = channel::<Result<Vec<(usize, R)>, Box<dyn Any + Send>>>();
    let fun = &f;
    for _ in 0..w {
        let (tx, own) = (tx.clone(), next.clone());
        let job = move || {
            let r = catch_unwind(AssertUnwindSafe(|| {
                let mut v = vec![];
                loop {
                    let i = own.fetch_add(1, SeqCst);
                    if i >= n {
                        break v;
                    }
                    v.push((i, fun(&items[i])));
                }
            }));
            drop(own);
            let _ = tx.send(r);
        };
        if let Err(e) = Builder::new().spawn(unsafe { forever(Box::new(job)) }) {
            next.store(n, SeqCst);
            panic!("failed to spawn thread: {e}");
        }
    }
    drop(tx);
    let mut all = vec![];
    let mut bad = vec![];
    for note in rx {
        match note {
            Ok(v) => all.extend(v),
            Err(p) => bad.push(p),
        }
    }
    if let Some(p) = bad.pop() {
        resume_unwind(p);
    }
    all.sort_by_key(|p| p.0);
    all.into_iter().map(|p| p.1).collect()
}
