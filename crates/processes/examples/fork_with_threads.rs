//! A program with two threads forks while the second one holds a lock. The copy
//! has one thread, and nobody who will ever release the lock.
//!
//! `cargo run -p processes --example fork_with_threads`

use std::error::Error;
use std::io::{Read, Write, pipe};
use std::process::id;
use std::sync::{Barrier, Mutex};
use std::thread;

use processes::{fork, proc};

fn threads() -> usize {
    proc::tasks(id().cast_signed()).map_or(0, |tasks| tasks.len())
}

fn say(who: &str, lock: &Mutex<()>) {
    let held = lock.try_lock().is_err();
    println!("{who}: the lock is held: {held}");
}

fn main() -> Result<(), Box<dyn Error>> {
    let lock = Mutex::new(());
    let (taken, forked) = (Barrier::new(2), Barrier::new(2));
    let (mut released, mut tell) = pipe()?;
    let (mut looked, mut say_looked) = pipe()?;
    let mut child = thread::scope(|scope| {
        scope.spawn(|| {
            let held = lock.lock();
            taken.wait();
            forked.wait();
            drop(held);
        });
        taken.wait();
        println!("parent: threads: {}", threads());
        say("parent, before the fork", &lock);
        let child = fork(|| {
            println!("child: threads: {}", threads());
            say("child, after the fork", &lock);
            _ = say_looked.write_all(b"!");
            // Once the parent's lock is free, look again.
            _ = released.read(&mut [0]);
            say("child, later", &lock);
            0
        });
        drop(say_looked); // or the read would wait for this end, too
        _ = looked.read(&mut [0]);
        forked.wait();
        child
    })?;
    say("parent, later", &lock);
    tell.write_all(b"!")?;
    child.wait()?;
    Ok(())
}
