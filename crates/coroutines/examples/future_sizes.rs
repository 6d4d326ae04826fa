//! How large a future is: the state machine that the compiler makes from
//! `async` code has room for the variables that live across an `await`.

use std::hint::black_box;
use std::pin::Pin;

use coroutines::budget::yield_now;
use coroutines::fiber::DEFAULT_STACK_SIZE;

// ANCHOR: futures
async fn nothing_kept() {
    yield_now().await;
}

/// The buffer is gone before the `await`.
async fn used_before() -> u32 {
    let sum = {
        let buffer = black_box([1_u8; 4096]);
        buffer.iter().map(|byte| u32::from(*byte)).sum()
    };
    yield_now().await;
    sum
}

/// The buffer is still needed after the `await`.
async fn used_across() -> u32 {
    let buffer = black_box([1_u8; 4096]);
    yield_now().await;
    buffer.iter().map(|byte| u32::from(*byte)).sum()
}

/// The future of what is awaited is a part of this future.
async fn awaits_another() -> u32 {
    used_across().await + 1
}

/// A box: this future keeps a pointer, and the other one is on the heap.
async fn awaits_a_box() -> u32 {
    let other: Pin<Box<dyn Future<Output = u32>>> = Box::pin(used_across());
    other.await + 1
}
// ANCHOR_END: futures

fn main() {
    let line = |what: &str, bytes: usize| println!("{what:<38} {bytes:>7} bytes");
    line(
        "keeps nothing across its await",
        size_of_val(&nothing_kept()),
    );
    line(
        "a buffer of 4096, used before it",
        size_of_val(&used_before()),
    );
    line(
        "a buffer of 4096, used across it",
        size_of_val(&used_across()),
    );
    line("awaits the one before", size_of_val(&awaits_another()));
    line("awaits it in a box", size_of_val(&awaits_a_box()));
    line("for comparison: a fiber's stack", DEFAULT_STACK_SIZE);
}
