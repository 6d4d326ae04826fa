//! The more memory both sides use, the more a switch costs afterwards.

use context_switch::sampling::Nanoseconds;
use context_switch::{Between, PingPongError, working_set};

fn main() -> Result<(), PingPongError> {
    println!("KiB of each   two switches and the work   the work alone   difference");
    for kibibytes in [0, 32, 128, 512, 1024] {
        let cost = working_set::cost(Between::Processes, kibibytes << 10, 100)?;
        println!(
            "{kibibytes:11} {:>27} {:>16} {:>12}",
            Nanoseconds(cost.with_switches),
            Nanoseconds(cost.alone),
            Nanoseconds(cost.of_two_switches())
        );
    }
    Ok(())
}
