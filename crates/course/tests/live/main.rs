//! The loop, driven through a pseudo-terminal: what a learner would see, and
//! what is left when it ends.

mod endings;
#[path = "../command/fixture.rs"]
#[allow(dead_code)]
mod fixture;
mod keys;
mod odd_input;
mod sizes;
mod terminal;

/// The program that runs `cargo course WORD …`.
fn program(_word: &str) -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_course").into()
}
