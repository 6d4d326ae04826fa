//! `std::hint`, with a spin hint that does nothing: the kernel recognizes a spin by what the thread
//! reads.

pub use std::hint::*;

/// Like [`std::hint::spin_loop`], but not a scheduling point. The loop around it reads something,
/// and that read is a scheduling point.
#[inline]
pub fn spin_loop() {}
