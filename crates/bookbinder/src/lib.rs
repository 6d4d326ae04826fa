//! The book: built from Markdown with directives, checked, and served.
//!
//! ```text
//! book/src/*.md ─▶ prose (rules) ─▶ directive (code, runs, claims, quizzes, figures) ─▶ mdBook ─▶ pages (links, ids)
//! ```
//!
//! mdBook lets much pass: a missing piece of code gives an empty block, and a
//! dead link stays dead. Here each of these is a [`Fault`] with file and line,
//! and a book with faults is not good.

mod bind;
mod directive;
mod fault;
mod figure;
mod item;
mod mine;
mod own;
mod pages;
mod prose;
mod recording;
mod refresh;
mod serve;

pub use bind::{Bound, bind};
pub use fault::Fault;
pub use mine::record_mine;
pub use recording::Recording;
pub use refresh::{check, record};
pub use serve::serve;
