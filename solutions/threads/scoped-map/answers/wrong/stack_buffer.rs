// contract broken: C3: every worker keeps up to 64 results in an array on its stack, so results of 64 KiB overflow the 2 MiB stack of the thread
use std::num::NonZeroUsize;
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let size = items.len().div_ceil(workers.get().min(items.len()).max(1)).max(1);
    let f = &f;
    std::thread::scope(|s| {
        let hs: Vec<_> = items
            .chunks(size)
            .map(|p| {
                s.spawn(move || {
                    let mut out = Vec::new();
                    for group in p.chunks(64) {
                        let mut buf: [Option<R>; 64] = [const { None }; 64];
                        for (b, x) in buf.iter_mut().zip(group) {
                            *b = Some(f(x));
                        }
                        out.extend(buf.iter_mut().filter_map(Option::take));
                    }
                    out
                })
            })
            .collect();
        let mut out = vec![];
        for h in hs {
            match h.join() {
                Ok(v) => out.extend(v),
                Err(p) => std::panic::resume_unwind(p),
            }
        }
        out
    })
}
