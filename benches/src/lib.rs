//! The course's libraries measured against those a professional would reach
//! for: side by side in one run, as ratios with intervals.
//!
//! `cargo bench -p peers` measures all; `cargo bench -p peers --bench sync -- mutex`
//! those of one bench that have the word in their names.

use context_switch::sampling::Comparison;
use std::time::Duration;

/// A name, and what makes the comparison when its turn comes.
pub type Bench = (&'static str, fn() -> Comparison<'static>);

/// Measures and prints those benches whose names contain one of the program's
/// arguments, or all if there are none. Each takes about `time`.
pub fn run(benches: &[Bench], time: Duration) {
    // Cargo adds options of its own.
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|text| !text.starts_with('-'))
        .collect();
    for (name, comparison) in benches {
        if chosen.is_empty() || chosen.iter().any(|text| name.contains(text)) {
            println!("{name}\n{}\n", comparison().time(time).run());
        }
    }
}
