//! What an exercise is: its entry in the catalogue, its files as they were
//! given, its tests, its contract.

pub mod catalogue;
pub mod contract;
pub mod expected;
pub mod hints;
pub mod kept;
pub mod originals;
pub mod probes;
pub mod unwritten;
