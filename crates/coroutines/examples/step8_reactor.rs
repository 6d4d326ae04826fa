//! Step 8: a reactor waits for all tasks in one system call.
//!
//! Three tasks wait for a deadline, one for a message. The program has one
//! thread, and the kernel holds it in `epoll_wait` while all of them wait.

use std::cell::Cell;
use std::error::Error;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use coroutines::executor::Executor;
use coroutines::reactor::Reactor;

// ANCHOR: main
fn main() -> Result<(), Box<dyn Error>> {
    let reactor = Reactor::new()?;
    let executor = Executor::with_reactor(reactor.clone());
    let (ours, mut theirs) = UnixStream::pair()?;
    let ours = reactor.register(ours)?;

    let reader = executor.spawn(async move {
        let mut buffer = [0; 16];
        let count = ours
            .read_with(|mut stream| stream.read(&mut buffer))
            .await?;
        println!("    read: {}", String::from_utf8_lossy(&buffer[..count]));
        std::io::Result::Ok(())
    });
    let awake = Rc::new(Cell::new(0));
    for name in ["Ada", "Ben", "Cyd"] {
        let (sleep, awake) = (reactor.sleep(Duration::from_millis(30)), Rc::clone(&awake));
        executor.spawn(async move {
            sleep.await;
            println!("    {name} wakes up");
            awake.set(awake.get() + 1);
        });
    }
    executor.block_on(async {
        reactor.sleep(Duration::from_millis(60)).await;
        theirs.write_all(b"breakfast")
    })?;
    executor.block_on(reader)??;
    println!("{} sleepers, {} thread", awake.get(), threads()?);
    Ok(())
}
// ANCHOR_END: main

fn threads() -> std::io::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}
