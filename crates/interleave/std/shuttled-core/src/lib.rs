//! The `core` of a world crate whose `std` is [`interleave_shuttled`].
//!
//! ```toml
//! [dependencies]
//! std = { package = "interleave-shuttled", path = "…" }
//! core = { package = "interleave-shuttled-core", path = "…" }
//! ```

pub use interleave_shuttled::*;
