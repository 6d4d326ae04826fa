//! A generator: ordinary code that stops at each item.
//!
//! This generator finds the primes by trial division. Its loop has no end, but
//! it runs only as far as the caller asks for primes.

use coroutines::generator::{Generator, Items};

fn primes(items: &Items<'_, u32>) {
    let mut found: Vec<u32> = Vec::new();
    for candidate in 2.. {
        let mut small = found
            .iter()
            .take_while(|prime| *prime * *prime <= candidate);
        if small.all(|prime| !candidate.is_multiple_of(*prime)) {
            println!("  (the body has found {candidate})");
            found.push(candidate);
            items.give(candidate);
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = Generator::new(primes)?;
    println!("made; nothing has run yet");
    for n in 1..=4 {
        if let Some(prime) = numbers.next() {
            println!("prime number {n} is {prime}");
        }
    }
    println!("dropped; the endless loop ends here");
    Ok(())
}
