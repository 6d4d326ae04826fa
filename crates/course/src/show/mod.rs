//! How a judgement is printed: text for people, JSON for programs.

mod explain;
mod json;
mod text;

pub use explain::explain;
pub use json::json;
pub(crate) use text::remark;
pub use text::{judgement, known_mistake};
