//! the caller polls ScopedJoinHandle::is_finished and joins in the order of finishing; and the deprecated sleep_ms
#![allow(deprecated)]
use std::num::NonZeroUsize;
use std::thread;
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let w = std::cmp::min(workers.get(), items.len());
    let mut parts: Vec<(usize, Vec<R>)> = Vec::new();
    let mut panics = Vec::new();
    let f = &f;
    thread::scope(|s| {
        let mut running = Vec::new();
        let mut at = 0;
        for k in 0..w {
            let len = items.len() / w + (k < items.len() % w) as usize;
            let piece = &items[at..at + len];
            at += len;
            running.push((k, s.spawn(move || {
                let mut v = Vec::new();
                for x in piece {
                    v.push(f(x));
                }
                v
            })));
        }
        while !running.is_empty() {
            match running.iter().position(|(_, h)| h.is_finished()) {
                None => thread::sleep_ms(1),
                Some(i) => {
                    let (k, h) = running.swap_remove(i);
                    match h.join() {
                        Ok(v) => parts.push((k, v)),
                        Err(p) => panics.push(p),
                    }
                }
            }
        }
    });
    match panics.pop() {
        Some(p) => std::panic::resume_unwind(p),
        None => {
            parts.sort_by_key(|x| x.0);
            parts.into_iter().map(|x| x.1).flatten().collect()
        }
    }
}
