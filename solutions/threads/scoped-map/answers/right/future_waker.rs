//! the caller block_on()s a hand-written Future; workers (unjoined, scoped) wake it through std::task::Wake; results as Poll values
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Wake, Waker};
struct Bell(Mutex<bool>, Condvar);
impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() = true;
        self.1.notify_one();
    }
}
struct State<R> {
    slots: Vec<Poll<R>>,
    left: usize,
    waker: Option<Waker>,
    payloads: Vec<Box<dyn std::any::Any + Send>>,
}
fn block_on<O>(future: impl Future<Output = O>) -> O {
    let mut future = std::pin::pin!(future);
    let bell = Arc::new(Bell(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(bell.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(o) = future.as_mut().poll(&mut cx) {
            return o;
        }
        let mut rung = bell.0.lock().unwrap();
        while !*rung {
            rung = bell.1.wait(rung).unwrap();
        }
        *rung = false;
    }
}
pub fn map<T, R, F>(workers: NonZeroUsize, items: &[T], f: F) -> Vec<R>
where
    T: Sync,
    R: Send,
    F: Fn(&T) -> R + Sync,
{
    let (n, w) = (items.len(), workers.get().min(items.len()));
    let state = Mutex::new(State {
        slots: (0..n).map(|_| Poll::Pending).collect(),
        left: w,
        waker: None,
        payloads: vec![],
    });
    let (st, f) = (&state, &f);
    std::thread::scope(|s| {
        for k in 0..w {
            s.spawn(move || {
                let r = catch_unwind(AssertUnwindSafe(|| {
                    for i in (k..n).step_by(w) {
                        let r = f(&items[i]);
                        st.lock().unwrap().slots[i] = Poll::Ready(r);
                    }
                }));
                let mut g = st.lock().unwrap();
                g.payloads.extend(r.err());
                g.left -= 1;
                let bell = g.waker.take();
                drop(g);
                if let Some(b) = bell {
                    b.wake();
                }
            });
        }
        block_on(poll_fn(|cx| {
            let mut g = st.lock().unwrap();
            if g.left == 0 {
                Poll::Ready(())
            } else {
                g.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }));
    });
    let mut state = state.into_inner().unwrap();
    if let Some(p) = state.payloads.pop() {
        resume_unwind(p);
    }
    state
        .slots
        .into_iter()
        .map(|p| match p {
            Poll::Ready(r) => r,
            Poll::Pending => unreachable!(),
        })
        .collect()
}
