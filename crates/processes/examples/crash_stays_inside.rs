//! One of eight items makes its process crash. The item is lost; the program,
//! the other items and the pool are not.
//!
//! `cargo run -p processes --example crash_stays_inside`

use std::error::Error;

use processes::ProcessPool;

/// A parser with a common mistake: it trusts the length that it reads.
fn careless(message: Vec<u8>) -> String {
    let (length, text) = (message[0], &message[1..]);
    let mut read = String::new();
    for at in 0..usize::from(length) {
        // Memory behind the text may well be readable. To crash at once, this
        // reads from an address near 0 instead, where nothing is mapped.
        let place = match text.get(at) {
            Some(byte) => &raw const *byte,
            None => std::ptr::without_provenance(at),
        };
        // SAFETY: this is not safe. The memory beyond the text is not ours:
        // that is the mistake.
        read.push(char::from(unsafe { place.read_volatile() }));
    }
    read
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut messages: Vec<Vec<u8>> = (1..=8)
        .map(|number| format!("message {number}").into_bytes())
        .map(|text| [vec![text.len() as u8], text].concat())
        .collect();
    messages[4][0] = 200;

    let mut pool = ProcessPool::new(2, careless)?;
    for result in pool.map(&messages)? {
        match result {
            Ok(text) => println!("read: {text}"),
            Err(error) => println!("lost: {error}"),
        }
    }
    println!("the pool goes on: {}", pool.map(&messages[..1])?.remove(0)?);
    Ok(())
}
