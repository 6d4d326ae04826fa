//! Step 6: a waker that wakes a thread, and `block_on`.
//!
//! The thread sleeps until it is worth polling again. But it polls one future
//! at a time, so a future that waits for another one waits for ever.

mod visit;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use visit::{Bell, Visit};

// ANCHOR: block_on
struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark(); // ends the `park` of this thread, or its next one
    }
}

/// Returns the output and the number of polls, or `None` if `patience` is over.
fn block_on<F: Future>(future: F, patience: Duration) -> Option<(F::Output, u32)> {
    let waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let deadline = Instant::now() + patience;
    let mut polls = 0;
    loop {
        polls += 1;
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some((output, polls));
        }
        let left = deadline.checked_duration_since(Instant::now())?;
        thread::park_timeout(left);
    }
}
// ANCHOR_END: block_on

// ANCHOR: main
/// Rings a bell when it is polled.
struct Visitor(Arc<Bell>);

impl Future for Visitor {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        println!("    ding-dong");
        self.0.ring();
        Poll::Ready(())
    }
}

fn main() {
    let bell = Arc::new(Bell::default());
    let visit = Visit::Starts(Arc::clone(&bell));
    let visitor = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        bell.ring();
    });
    match block_on(visit, Duration::from_secs(10)) {
        Some((answer, polls)) => println!("{answer}, after {polls} polls"),
        None => println!("nobody came"),
    }
    assert!(visitor.join().is_ok());

    println!("now the visitor is a future, too:");
    let bell = Arc::new(Bell::default());
    let visit = Visit::Starts(Arc::clone(&bell));
    let visitor = Visitor(bell);
    match block_on(visit, Duration::from_millis(100)) {
        Some((answer, _)) => println!("{answer}"),
        None => println!("nobody came, because nobody has polled the visitor yet"),
    }
    block_on(visitor, Duration::from_millis(100));
}
// ANCHOR_END: main
