//! What a round trip costs between processes, threads and coroutines.
//!
//! The program measures the same two sides over the same channels on one CPU
//! and on two. Where the sides run matters more than what they are.

use context_switch::sampling::Nanoseconds;
use context_switch::{Between, Over, PingPong, PingPongError, Placement, resumes};

fn main() -> Result<(), PingPongError> {
    for placement in [Placement::OneCpu, Placement::TwoCpus] {
        for over in [Over::Pipe, Over::Futex, Over::Spin] {
            for between in [Between::Processes, Between::Threads] {
                let game = PingPong::new(between, over, placement);
                match game.run(1000) {
                    Ok(trips) => println!(
                        "{game:37} {:>8} a round trip, {:4} switches here",
                        Nanoseconds(trips.nanos()),
                        trips.here.switches()
                    ),
                    Err(PingPongError::SpinOnOneCpu) => {}
                    Err(PingPongError::Pin(error)) => println!("{game:37} skipped: {error}"),
                    Err(error) => return Err(error),
                }
            }
        }
    }
    let trips = resumes(1_000_000)?;
    println!(
        "{:37} {:>8} a round trip, {:4} switches here",
        "a thread and its coroutine",
        Nanoseconds(trips.nanos()),
        trips.here.voluntary
    );
    Ok(())
}
