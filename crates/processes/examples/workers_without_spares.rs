//! Step 7: two workers, forked once, each with its share of the numbers. When one
//! of them crashes, the rest of its share is lost.
//!
//! `cargo run -p processes --example workers_without_spares`

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, PipeReader, Read, Write, pipe};

use nix::sys::prctl::set_dumpable;
use processes::{Child, fork};

/// The square of a number. It has a bug: the number 3 crashes it.
fn square(number: u64) -> u64 {
    if number == 3 {
        std::process::abort();
    }
    number * number
}

/// Starts a process that computes the squares of its share, one after the other.
fn worker(share: &[u64]) -> io::Result<(Child, PipeReader)> {
    let (reader, mut writer) = pipe()?;
    let child = fork(|| {
        _ = set_dumpable(false); // no core file
        for &number in share {
            let answer = [number, square(number)].map(u64::to_ne_bytes);
            if writer.write_all(answer.as_flattened()).is_err() {
                return 1;
            }
        }
        0
    })?;
    Ok((child, reader))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut workers = [worker(&[1, 3, 5])?, worker(&[2, 4])?];
    let mut squares = BTreeMap::new();
    for (child, reader) in &mut workers {
        let mut answer = [[0; 8]; 2];
        while reader.read_exact(answer.as_flattened_mut()).is_ok() {
            let [number, square] = answer.map(u64::from_ne_bytes);
            squares.insert(number, square);
        }
        println!("a worker {}", child.wait()?);
    }
    for number in 1..=5_u64 {
        match squares.get(&number) {
            Some(square) => println!("{number} squared is {square}"),
            None => println!("{number} squared is lost"),
        }
    }
    Ok(())
}
