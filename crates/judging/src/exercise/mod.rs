//! What an exercise is: its entry in the catalogue, its files as they were
//! given, its tests, its hints.

pub mod catalogue;
pub mod expected;
pub mod hints;
pub mod kept;
pub mod originals;
pub mod probes;
