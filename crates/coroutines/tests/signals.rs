//! Signals at every place where a thread waits: none of them ends a waiting.
//!
//! The handler is set without SA_RESTART, so that the kernel interrupts every
//! system call that it can (signal(7)).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use coroutines::block_on;
use coroutines::event_loop::EventLoop;
use coroutines::executor::Executor;
use coroutines::reactor::Reactor;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

/// Long enough for many signals; nothing depends on how many.
const WAITING: Duration = Duration::from_millis(10);

static HANDLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn count(_signal: libc::c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

/// Runs `wait` while another thread sends signals to this one, one when the last
/// was handled; `wait` has to last until the time is up.
fn waits_on(wait: impl FnOnce()) {
    let action = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler does one atomic addition.
    unsafe { sigaction(Signal::SIGUSR2, &action) }.unwrap();
    // SAFETY: always succeeds.
    let waiter = unsafe { libc::pthread_self() };
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                // SAFETY: that thread lives on until this one is joined.
                let sent = unsafe { libc::pthread_kill(waiter, libc::SIGUSR2) };
                assert_eq!(sent, 0);
                thread::yield_now();
            }
        });
        // Until they come; then they go on coming.
        let before = HANDLED.load(Ordering::Relaxed);
        while HANDLED.load(Ordering::Relaxed) == before {
            thread::yield_now();
        }
        let start = Instant::now();
        // A panic must end the sender too, else the scope would never end.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait));
        over.store(true, Ordering::Release);
        assert!(start.elapsed() >= WAITING);
        result.unwrap();
    });
}

/// Ready when another thread says so, after [`WAITING`].
fn woken_by_a_thread() -> impl Future<Output = ()> {
    let ready = Arc::new(AtomicBool::new(false));
    let mut started = false;
    std::future::poll_fn(move |context| {
        if ready.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut started, true) {
            let (ready, waker) = (Arc::clone(&ready), context.waker().clone());
            thread::spawn(move || {
                thread::sleep(WAITING); // what is waited for, not a synchronisation
                ready.store(true, Ordering::Release);
                waker.wake();
            });
        }
        Poll::Pending
    })
}

#[test]
fn block_on_waits_on() {
    waits_on(|| block_on(woken_by_a_thread()));
}

#[test]
fn an_executor_waits_on() {
    waits_on(|| Executor::new().block_on(woken_by_a_thread()));
}

#[test]
fn a_reactor_waits_on() {
    waits_on(|| {
        let reactor = Reactor::new().unwrap();
        let executor = Executor::with_reactor(reactor.clone());
        executor.block_on(reactor.sleep(WAITING));
    });
}

#[test]
fn an_event_loop_waits_on() {
    waits_on(|| {
        let mut events = EventLoop::new().unwrap();
        events.after(WAITING, |_| ());
        events.run().unwrap();
    });
}
