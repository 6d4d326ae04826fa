//! The real command, on a small course of its own.

mod attacks;
mod bad_input;
mod by_cargo;
mod claims;
mod fixture;
mod judging;
mod who_waits;

/// The program that runs `cargo course WORD …`.
fn program(_word: &str) -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_course").into()
}
