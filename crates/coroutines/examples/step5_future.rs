//! Step 5: a future by hand, and a caller that asks it all the time.
//!
//! The future waits for a bell that another thread rings. It keeps two words
//! and no stack. But nobody tells the caller when it is worth asking again.

mod visit;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use visit::{Bell, Visit};

// ANCHOR: compiled
/// The same as `Visit`, written by the compiler.
async fn visit(bell: Arc<Bell>) -> &'static str {
    println!("    who is there?");
    poll_fn(|context| match bell.has_rung(context) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
    "come in"
}
// ANCHOR_END: compiled

// ANCHOR: main
fn main() {
    let bell = Arc::new(Bell::default());
    println!("our future: {} bytes", size_of::<Visit>());
    let compiled = size_of_val(&visit(Arc::clone(&bell)));
    println!("the compiler's future: {compiled} bytes");

    let mut visit = pin!(Visit::Starts(Arc::clone(&bell)));

    let visitor = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        bell.ring();
    });
    let mut context = Context::from_waker(Waker::noop()); // a waker that does nothing
    let mut polls = 0_u64;
    let answer = loop {
        polls += 1;
        if let Poll::Ready(answer) = visit.as_mut().poll(&mut context) {
            break answer;
        }
    };
    println!("{answer}, after {polls} polls");
    assert!(visitor.join().is_ok());
}
// ANCHOR_END: main
