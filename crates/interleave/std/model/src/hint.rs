//! `std::hint`, with a spin hint that does nothing: the kernel recognizes a spin by what the thread
//! reads.

pub use std::hint::*;

/// Like [`std::hint::spin_loop`]. It lets no other thread run: the loop around it reads something,
/// and other threads may run before that read.
#[inline]
pub fn spin_loop() {}
