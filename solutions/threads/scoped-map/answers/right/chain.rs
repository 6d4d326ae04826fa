//! every worker starts the next one (a chain), from inside the scope; a refused start just ends the chain and the rest do the work
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::thread::{Builder, Scope};
fn link<'s, 'e>(s: &'s Scope<'s, 'e>, left: usize, run: &'s (dyn Fn() + Sync + 's)) {
    if left > 0 {
        let _ = Builder::new().spawn_scoped(s, move || link(s, left - 1, run));
    }
    run();
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let todo = Mutex::new((0..items.len()).collect::<std::collections::VecDeque<_>>());
    let done: Vec<Mutex<Option<R>>> = std::iter::repeat_with(Mutex::default).take(items.len()).collect();
    let caught = Mutex::new(Vec::new());
    let run = || {
        let r = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let i = match todo.lock().unwrap().pop_front() {
                    Some(i) => i,
                    None => return,
                };
                let r = f(&items[i]);
                done[i].lock().unwrap().replace(r);
            }
        }));
        if let Err(p) = r {
            caught.lock().unwrap().push(p);
        }
    };
    if let Some(others) = workers.get().min(items.len()).checked_sub(1) {
        std::thread::scope(|s| link(s, others, &run));
    }
    if let Some(p) = caught.into_inner().unwrap().pop() {
        resume_unwind(p);
    }
    done.into_iter().map(|m| m.into_inner().unwrap().expect("a result")).collect()
}
