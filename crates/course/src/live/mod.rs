//! The learner's loop: `cargo course` in a terminal.
//!
//! ```text
//!   terminal ── keys, size ─┐
//!   files ───── saved ──────┤            ┌─▶ screen  (view: a pure function)
//!   signals ─── stop ───────┼─▶ state ───┤
//!   judge ───── verdict ────┘  (pure)    └─▶ effects (shell: judge, keep, reset, …)
//! ```
//!
//! [`state`] and [`view`] decide everything and touch nothing; [`shell`] does
//! what they ask for. The judge runs in a process of its own ([`run`],
//! [`judging`]), which the loop can end at any moment, with all that it
//! started.

pub mod content;
pub mod glossary;
pub mod judging;
pub mod keyboard;
pub mod keys;
pub mod lend;
pub mod markdown;
pub mod plain;
pub mod report;
pub mod run;
pub mod shell;
pub mod signals;
pub mod start;
pub mod state;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod view;
pub mod watch;

pub use judging::judge_for_the_loop;
pub use start::{is_possible, live};
