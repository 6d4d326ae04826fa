//! std::thread::spawn without a scope: lifetimes transmuted to 'static, every handle is joined before anything else can happen
use std::any::Any;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
type Job<'a> = Box<dyn FnOnce() + Send + 'a>;
unsafe fn forever<'a>(job: Job<'a>) -> Job<'static> {
    unsafe { std::mem::transmute::<Job<'a>, Job<'static>>(job) }
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let w = workers.get().min(items.len());
    let next = AtomicUsize::new(0);
    let pot: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let work = || {
        let mut mine: Vec<(usize, R)> = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= items.len() {
                break;
            }
            mine.push((i, f(&items[i])));
        }
        pot.lock().unwrap().extend(mine);
    };
    let mut handles: Vec<JoinHandle<()>> = Vec::with_capacity(w);
    let mut refused = None;
    for _ in 0..w {
        // SAFETY: joined below, and nothing between here and there panics
        match Builder::new().spawn(unsafe { forever(Box::new(&work)) }) {
            Ok(h) => handles.push(h),
            Err(e) => {
                refused = Some(e);
                next.store(items.len(), Ordering::Relaxed);
                break;
            }
        }
    }
    let mut payloads: Vec<Box<dyn Any + Send>> = Vec::with_capacity(w);
    for h in handles {
        if let Err(p) = h.join() {
            payloads.push(p);
        }
    }
    if let Some(p) = payloads.pop() {
        std::panic::resume_unwind(p);
    }
    if let Some(e) = refused {
        panic!("no thread: {e}");
    }
    let mut v = pot.into_inner().unwrap();
    v.sort_unstable_by_key(|p| p.0);
    v.into_iter().map(|p| p.1).collect()
}
