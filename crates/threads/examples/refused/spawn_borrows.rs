//! A thread from `thread::spawn` may outlive the function that started it, so it must not borrow
//! from that function.
//! Errors: E0521

use std::thread;

pub fn lengths(words: &[String]) -> Vec<usize> {
    let threads: Vec<_> = words
        .iter()
        .map(|word| thread::spawn(move || word.len())) //~ refused
        .collect();
    threads.into_iter().map(|t| t.join().unwrap()).collect()
}
