//! Runs an example of the crate under test and gives what it printed, so that
//! every example is a test as well.
//!
//! ```no_run
//! let printed = example_output::of("pipe_hello", &[]);
//! assert_eq!(printed, "the parent read: hello\n");
//! ```
//!
//! `cargo test -p CRATE` builds the crate's examples beside its tests. If only
//! the tests were built (`--tests`, `--test NAME`), the panic says so.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// What the example printed to its standard output.
///
/// # Panics
///
/// If the example is not built, did not end with exit code 0, or printed
/// something that is not UTF-8.
#[track_caller]
pub fn of(example: &str, arguments: &[&str]) -> String {
    let output = run(example, arguments);
    assert!(
        output.status.success(),
        "the example `{example}` ended with {}:\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("an example prints UTF-8")
}

/// Runs the example to its end, whatever that is, with an empty standard input.
///
/// # Panics
///
/// If the example is not built.
#[track_caller]
pub fn run(example: &str, arguments: &[&str]) -> Output {
    let program = path(example);
    assert!(
        program.is_file(),
        "the example `{example}` is not built; run `cargo build --examples` first"
    );
    Command::new(&program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()))
}

/// Where cargo puts the example: `target/debug/examples/NAME`, beside the
/// `target/debug/deps/` that holds the running test.
fn path(example: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a path");
    let profile = test.parent().and_then(|deps| deps.parent());
    profile
        .expect("cargo puts tests into PROFILE/deps")
        .join("examples")
        .join(example)
}
