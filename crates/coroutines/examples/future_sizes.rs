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
    let sizes = [
        ("keeps nothing", size_of_val(&nothing_kept())),
        ("buffer before", size_of_val(&used_before())),
        ("buffer across", size_of_val(&used_across())),
        ("awaits another", size_of_val(&awaits_another())),
        ("awaits a box", size_of_val(&awaits_a_box())),
    ];
    if std::env::args().nth(1).as_deref() == Some("bars") {
        let bars = sizes
            .map(|(name, value)| format!(r#"{{"name":"{name}","value":{value},"look":"heap"}}"#));
        let bars = bars.join(",");
        println!(r#"{{"kind":"bars","unit":"bytes","bars":[{bars}]}}"#);
        return;
    }
    for (name, bytes) in sizes {
        println!("{name:<20} {bytes:>7} bytes");
    }
    println!("a fiber's stack      {DEFAULT_STACK_SIZE:>7} bytes");
}
