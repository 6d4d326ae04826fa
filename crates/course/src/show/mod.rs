//! How things are printed: text for people, JSON for programs.

use std::io::Write;

mod explain;
mod json;
mod text;
pub mod words;

pub use explain::explain;
pub use json::json;
pub(crate) use text::remark;
pub use text::{judgement, known_mistakes};

/// Prints to standard output. A reader that has gone away (`| head`) is no
/// reason to stop.
pub fn say(text: &str) {
    let _ = anstream::stdout().lock().write_all(text.as_bytes());
}

/// Prints a line to standard error.
pub fn complain(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
