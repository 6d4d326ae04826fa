//! Compares the course's libraries with the libraries that professionals use. Both
//! are measured in the same run, and the results are ratios with intervals.
//!
//! `cargo bench -p peers` measures everything. `cargo bench -p peers --bench sync --
//! mutex` measures the comparisons in `benches/sync.rs` whose names contain `mutex`.

use std::time::Duration;

use context_switch::sampling::Comparison;

/// The name of a comparison, and a function that sets it up when its turn comes.
pub type Bench = (&'static str, fn() -> Comparison<'static>);

/// Runs the benches whose names contain one of the program's arguments, or all
/// benches if there are no arguments, and prints the results. Each bench takes about
/// `time`.
pub fn run(benches: &[Bench], time: Duration) {
    // Cargo passes options of its own, such as `--bench`.
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
