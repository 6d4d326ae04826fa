// contract broken: C5: a worker that is more than 2,048 calls ahead of what the caller could put in order waits (back pressure), so a stuck call stops the others
use std::num::NonZeroUsize;
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex};
struct Progress(Mutex<usize>, Condvar);
impl Progress {
    fn set(&self, rounds: usize) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = rounds;
        self.1.notify_all();
    }
}
struct Free<'a>(&'a Progress);
impl Drop for Free<'_> {
    fn drop(&mut self) {
        self.0.set(usize::MAX);
    }
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let w = workers.get().min(items.len());
    if w == 0 {
        return Vec::new();
    }
    let progress = Progress(Mutex::new(0), Condvar::new());
    let (progress, f) = (&progress, &f);
    std::thread::scope(|s| {
        let free = Free(progress);
        let mut lanes = Vec::new();
        let mut hs = Vec::new();
        for k in 0..w {
            let (tx, rx) = channel::<R>();
            lanes.push(rx);
            hs.push(s.spawn(move || {
                for (round, x) in items.iter().skip(k).step_by(w).enumerate() {
                    if round > 2048 {
                        let g = progress.0.lock().unwrap();
                        drop(progress.1.wait_while(g, |done| *done < round - 2048).unwrap());
                    }
                    if tx.send(f(x)).is_err() {
                        break;
                    }
                }
            }));
        }
        let mut out = Vec::with_capacity(items.len());
        for i in 0..items.len() {
            match lanes[i % w].recv() {
                Ok(r) => out.push(r),
                Err(_) => break,
            }
            if i % w == w - 1 {
                progress.set(i / w + 1);
            }
        }
        drop(lanes);
        drop(free);
        for h in hs {
            if let Err(p) = h.join() {
                std::panic::resume_unwind(p);
            }
        }
        out
    })
}
