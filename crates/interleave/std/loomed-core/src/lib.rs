//! The `core` of a world crate whose `std` is [`interleave_loomed`].
//!
//! ```toml
//! [dependencies]
//! std = { package = "interleave-loomed", path = "…" }
//! core = { package = "interleave-loomed-core", path = "…" }
//! ```

pub use interleave_loomed::*;
