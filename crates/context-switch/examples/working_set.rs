//! The more memory both sides use, the more a switch costs afterwards.

use context_switch::sampling::Nanoseconds;
use context_switch::{Between, PingPongError, working_set};

fn main() -> Result<(), PingPongError> {
    println!("pages of each   two switches and the work   the work alone   difference");
    for pages in [0, 8, 32, 128, 256] {
        let cost = working_set::cost(Between::Processes, pages, 100)?;
        println!(
            "{pages:13} {:>27} {:>16} {:>12}",
            Nanoseconds(cost.with_switches),
            Nanoseconds(cost.alone),
            Nanoseconds(cost.of_two_switches())
        );
    }
    Ok(())
}
