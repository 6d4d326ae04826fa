//! unjoined scoped threads; results in a linked list built under one lock, caller parks until the last worker unparks it, then cycles of swaps put things in order
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::thread;
struct Node<R> {
    index: usize,
    result: R,
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let n = items.len();
    let w = workers.get().min(n);
    let list: Mutex<std::collections::LinkedList<Node<R>>> = Mutex::new(Default::default());
    let bad: Mutex<Option<Box<dyn std::any::Any + Send + 'static>>> = Mutex::default();
    let (next, live) = (AtomicUsize::new(0), AtomicUsize::new(w));
    let caller = thread::current();
    thread::scope(|s| {
        for _ in 0..w {
            s.spawn(|| {
                let got = catch_unwind(AssertUnwindSafe(|| {
                    loop {
                        let Ok(index) = next.fetch_update(AcqRel, Acquire, |i| (i < n).then_some(i + 1)) else { break };
                        let node = Node { index, result: f(&items[index]) };
                        list.lock().unwrap().push_front(node);
                    }
                }));
                if let Err(p) = got {
                    bad.lock().unwrap().get_or_insert(p);
                }
                if live.fetch_sub(1, AcqRel) == 1 {
                    caller.unpark();
                }
            });
        }
        while live.load(Acquire) != 0 {
            thread::park();
        }
    });
    if let Some(p) = bad.into_inner().unwrap() {
        drop(list);
        drop(f);
        resume_unwind(p);
    }
    let mut v: Vec<Node<R>> = list.into_inner().unwrap().into_iter().collect();
    for k in 0..n {
        while v[k].index != k {
            let j = v[k].index;
            v.swap(k, j);
        }
    }
    v.into_iter().map(|Node { result, .. }| result).collect()
}
