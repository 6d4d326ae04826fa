//! What a switch costs, and how to find out without fooling oneself.
//!
//! - [`sampling`]: is one thing faster than another? Interleaved samples, an
//!   interval, a verdict.

pub mod sampling;
