//! Shared memory is like a whiteboard: every process can read and write it, and
//! nothing orders the accesses. First, two processes add 1 each in a way that
//! can lose an increment. They are slowed down so that one increment is lost
//! every time. Then they count to 200,000 together without a loss.
//!
//! `cargo run -p ipc --example shared_memory`

use std::error::Error;
use std::io::{Read, Write, pipe};
use std::sync::atomic::Ordering::Relaxed;

use ipc::SharedMemory;

const EACH: u64 = 100_000;

fn main() -> Result<(), Box<dyn Error>> {
    let board = SharedMemory::new(4096)?;
    let counter = &board.words()[0];

    // Without order: each process reads, adds and writes. The parent does all
    // of this while the child is between its read and its write.
    let (mut told, tell) = pipe()?;
    let (go, mut let_go) = pipe()?;
    let mut child = processes::fork(|| {
        let seen = counter.load(Relaxed);
        let told = (&tell).write_all(b"!");
        let gone = (&go).read_exact(&mut [0]);
        counter.store(seen + 1, Relaxed);
        i32::from(told.is_err() || gone.is_err())
    })?;
    told.read_exact(&mut [0])?;
    let seen = counter.load(Relaxed);
    counter.store(seen + 1, Relaxed);
    let_go.write_all(b"!")?;
    child.wait()?;
    println!("two processes added 1 each: {}", counter.load(Relaxed));

    // With order: reading, adding and writing are one atomic operation. No
    // other process can access the counter in between.
    counter.store(0, Relaxed);
    let mut child = processes::fork(|| {
        (0..EACH).for_each(|_| _ = counter.fetch_add(1, Relaxed));
        0
    })?;
    (0..EACH).for_each(|_| _ = counter.fetch_add(1, Relaxed));
    child.wait()?;
    println!("two processes added {EACH} each: {}", counter.load(Relaxed));
    Ok(())
}
