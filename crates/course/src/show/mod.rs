//! How a judgement is shown: lines for people, JSON for programs.

mod explain;
mod json;
mod status;
mod verdict;

pub use explain::explain;
pub use json::{json, json_of_unjudged};
pub use status::status;
pub use verdict::{Layout, known_mistake, verdict};
