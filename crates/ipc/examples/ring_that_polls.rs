//! A ring in shared memory, first version. It passes numbers in order, and it
//! does so without a system call. The receiver looks again and again until a
//! number is there.
//!
//! `cargo run -p ipc --example ring_that_polls`

use std::error::Error;
use std::hint::spin_loop;
use std::thread;
use std::time::Duration;

#[allow(dead_code, reason = "the versions that sleep are for later steps")]
#[path = "by_hand/ring.rs"]
mod ring;

use ring::Ring;

/// Returns the next number, and how often it looked for it.
fn receive(ring: &Ring) -> (u64, u64) {
    let mut looks = 0;
    loop {
        looks += 1;
        if let Some(number) = ring.take() {
            return (number, looks);
        }
        spin_loop();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let ring = Ring::new()?;
    let mut sender = processes::fork(|| {
        let sent = (1..=8).all(|number| ring.put(number));
        i32::from(!sent)
    })?;
    sender.wait()?;
    let numbers: Vec<u64> = (1..=8).map(|_| receive(&ring).0).collect();
    println!("in order: {numbers:?}");

    // Now the sender has nothing to send for a while.
    let mut sender = processes::fork(|| {
        thread::sleep(Duration::from_millis(100));
        i32::from(!ring.put(9))
    })?;
    let (number, looks) = receive(&ring);
    println!("number {number} came after {looks} looks");
    sender.wait()?;
    Ok(())
}
