//! unsafe: every worker owns a raw piece of one spare-capacity Vec and drops its own unfinished piece itself; set_len only after all joins
use std::mem::ManuallyDrop;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
struct Piece<R> {
    start: *mut R,
    done: usize,
}
// SAFETY: a Piece owns the values written through it
unsafe impl<R: Send> Send for Piece<R> {}
impl<R> Drop for Piece<R> {
    fn drop(&mut self) {
        unsafe { std::ptr::slice_from_raw_parts_mut(self.start, self.done).drop_in_place() }
    }
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let n = items.len();
    let mut out: Vec<R> = Vec::with_capacity(n);
    let size = n.div_ceil(workers.get().clamp(1, n.max(1))).max(1);
    let base = out.as_mut_ptr();
    let f = &f;
    let finished: Vec<Piece<R>> = std::thread::scope(|s| {
        let hs: Vec<_> = items
            .chunks(size)
            .enumerate()
            .map(|(k, chunk)| {
                let mut piece = Piece { start: unsafe { base.add(k * size) }, done: 0 };
                s.spawn(move || {
                    let whole = &mut piece;
                    for item in chunk {
                        let r = f(item);
                        unsafe { whole.start.add(whole.done).write(r) };
                        whole.done += 1;
                    }
                    piece
                })
            })
            .collect();
        hs.into_iter().map(|h| h.join().unwrap_or_else(|p| resume_unwind(p))).collect()
    });
    for p in finished {
        let _given_away = ManuallyDrop::new(p);
    }
    unsafe { out.set_len(n) };
    out
}
