//! Being the scheduler of the real spin lock: right, wrong, unwritten.

#[path = "../command/fixture.rs"]
#[allow(dead_code)]
mod fixture;
mod lines;
mod screen;
mod spin_lock;
#[path = "../live/terminal.rs"]
#[allow(dead_code)]
mod terminal;

/// The program that runs `cargo course WORD …`.
fn program(_word: &str) -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_course").into()
}
