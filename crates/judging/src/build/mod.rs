//! From sources to programs, with the learner's file kept in its place.
//!
//! - [`scratch`] lays out a workspace for cargo, below `target/`; [`stage`]
//!   builds the subject in it, [`judges`] the judging programs, which
//!   [`freshness`] tells from outdated ones;
//! - [`policy`] refuses names that reach files or the environment while the
//!   compiler runs, [`inputs`] looks at what the compiler did read, [`linkage`]
//!   at what the linker was told, and [`allowance`] bounds what it may use;
//! - [`compiled`] is what came of it, [`cargo`] how cargo is asked.

pub mod allowance;
pub mod cargo;
pub mod compiled;
mod digest;
pub mod freshness;
pub mod inputs;
pub mod judges;
pub mod linkage;
pub mod policy;
pub mod scratch;
pub mod stage;
