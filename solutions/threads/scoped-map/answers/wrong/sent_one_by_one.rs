// contract broken: C12: if a thread cannot be started, the workers that wait for an item, and the caller, wait for ever

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::sync::mpsc;
use std::thread;

/// Applies `f` to every item on up to `workers` threads.
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let count = workers.get().min(items.len());
    let mut slots: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let (asking, asked) = mpsc::channel();
    let f = &f;
    thread::scope(|scope| {
        let started: Vec<_> = (0..count)
            .map(|_| {
                let (give, take) = mpsc::sync_channel(0);
                let asking = asking.clone();
                scope.spawn(move || {
                    let _ = asking.send((give.clone(), None));
                    while let Ok(Some(index)) = take.recv() {
                        let index: usize = index;
                        let result = f(&items[index]);
                        let _ = asking.send((give.clone(), Some((index, result))));
                    }
                })
            })
            .collect();
        drop(asking);
        let mut next = 0..items.len();
        for (give, result) in &asked {
            if let Some((index, result)) = result {
                slots[index] = Some(result);
            }
            let give: mpsc::SyncSender<Option<usize>> = give;
            let _ = give.send(next.next());
        }
        for worker in started {
            if let Err(payload) = worker.join() {
                resume_unwind(payload)
            }
        }
    });
    slots.into_iter().flatten().collect()
}
