//! divide and conquer: nested scopes, every level starts one thread for its right half and does the left half itself; w - 1 threads in all
use std::num::NonZeroUsize;
fn go<T: Sync, R: Send, F: Fn(&T) -> R + Sync>(w: usize, items: &[T], f: &F) -> Vec<R> {
    if w <= 1 {
        return items.iter().map(f).collect();
    }
    // n = q * w + r: the first r workers get q + 1 items
    let (q, r) = (items.len() / w, items.len() % w);
    let left = w / 2;
    let (a, b) = items.split_at(q * left + r.min(left));
    std::thread::scope(|s| {
        let right = s.spawn(move || go(w - left, b, f));
        let mut out = go(left, a, f);
        match right.join() {
            Ok(mut more) => out.append(&mut more),
            Err(p) => std::panic::resume_unwind(p),
        }
        out
    })
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    go(workers.get().min(items.len()), items, &f)
}
