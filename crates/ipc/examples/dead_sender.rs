//! The sender dies while the receiver sleeps. The ring of Step 6 sleeps for
//! ever. The ring of the library reports that the other side is gone.
//!
//! `cargo run -p ipc --example dead_sender`

use std::error::Error;
use std::thread;
use std::time::Duration;

use processes::proc::{self, State, Syscall};
use processes::{Pid, Signal};

#[allow(dead_code, reason = "nothing is sent here")]
#[path = "by_hand/ring.rs"]
mod ring;

use ring::Ring;

fn main() -> Result<(), Box<dyn Error>> {
    by_hand()?;
    of_the_library()
}

fn by_hand() -> Result<(), Box<dyn Error>> {
    let ring = Ring::new()?;
    let mut receiver = processes::fork(|| {
        ring.receive();
        0
    })?;
    // The sender ends before it sends anything.
    let mut sender = processes::fork(|| 3)?;
    println!("our ring:  the sender {}", sender.wait()?);
    thread::sleep(Duration::from_millis(500));
    let sleeps = sleeps_in_a_futex(receiver.pid())?;
    println!("our ring:  half a second later, the receiver still sleeps: {sleeps}");
    receiver.signal(Signal::SIGKILL)?;
    receiver.wait()?;
    Ok(())
}

fn of_the_library() -> Result<(), Box<dyn Error>> {
    let (producer, mut consumer) = ipc::ring::<u64>(8)?;
    // The copy ends without running the destructor of its producer.
    let mut sender = processes::fork(|| 3)?;
    drop(producer); // the parent's copy
    println!("ipc::ring: the sender {}", sender.wait()?);
    match consumer.pop() {
        Ok(number) => println!("ipc::ring: received {number}"),
        Err(error) => println!("ipc::ring: {error}"),
    }
    Ok(())
}

fn sleeps_in_a_futex(pid: Pid) -> std::io::Result<bool> {
    let in_futex = match proc::syscall(pid, pid)? {
        Syscall::Inside { number, .. } => number == libc::SYS_futex,
        _ => false,
    };
    Ok(in_futex && proc::stat(pid)?.state == State::Sleeping)
}
