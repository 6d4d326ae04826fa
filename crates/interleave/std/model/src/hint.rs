//! `std::hint`, with a spin hint that costs nothing here: spins are recognised by what they look at.

pub use std::hint::*;

/// Like [`std::hint::spin_loop`]; no scheduling point. The loop around it looks at something, and
/// that is one.
#[inline]
pub fn spin_loop() {}
