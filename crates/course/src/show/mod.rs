//! How a judgement is shown: lines for people, JSON for programs.

mod explain;
mod json;
mod verdict;

pub use explain::explain;
pub use json::json;
pub use verdict::{Layout, verdict};
