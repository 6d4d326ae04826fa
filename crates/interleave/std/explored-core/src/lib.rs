//! The `core` of explored code, whose `std` is [`interleave_std`].
//!
//! ```toml
//! [dependencies]
//! std = { package = "interleave-std", path = "…" }
//! core = { package = "interleave-core", path = "…" }
//! ```

pub use interleave_std::*;
