//! What creation costs, and how only the cost of fork depends on the memory in
//! use.

use std::error::Error;

use context_switch::Pages;
use context_switch::creation::Kind;
use context_switch::sampling::{Nanoseconds, Samples};

fn main() -> Result<(), Box<dyn Error>> {
    println!("in use      fork     vfork    thread     fiber");
    for mebibytes in [0, 16, 64] {
        let pages = Pages::private_bytes(mebibytes << 20)?;
        pages.touch();
        print!("{mebibytes:2} MiB");
        for kind in [Kind::Fork, Kind::Vfork, Kind::Thread, Kind::Fiber] {
            let mut nanos = Vec::new();
            for _ in 0..15 {
                nanos.push(kind.make_and_wait()?.as_nanos() as f64);
            }
            print!(" {:>9}", Nanoseconds(Samples::new(nanos)?.median()));
        }
        println!();
    }
    Ok(())
}
