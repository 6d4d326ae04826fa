//! What a context switch costs, measured by a ball between two ends on one CPU.
//!
//! ```ignore
//! let start = std::time::Instant::now();
//! let rounds = std::num::NonZeroU32::new(10_000).unwrap();
//! let cost = ping_pong::between_processes(0, rounds, || start.elapsed())?;
//! println!("a switch between processes costs {} ns", cost.as_nanos());
//! ```

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

/// The cost of one switch, by the clock `now` (the time since some moment).
///
/// In this order:
/// 1. `set_up` is called: it brings up both ends and returns a closure that
///    plays *one round trip*: the ball goes to the other end and comes back,
///    which takes two switches.
/// 2. At least one round trip is played that does not count: until it is back,
///    the other end may not even have begun to run.
/// 3. The clock is read, `rounds` round trips are played, the clock is read
///    again. It is read these two times only: reading costs time too.
/// 4. The round-trip closure is dropped, which ends the game. This may be
///    slow; it does not count.
///
/// The cost of *one switch* is returned, rounded to the nanosecond either way.
///
/// # Errors
/// The first error of `set_up` or of a round trip, whichever it is. Nothing
/// more is played then.
pub fn cost_of_a_switch<G>(
    rounds: NonZeroU32,
    set_up: impl FnOnce() -> io::Result<G>,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration>
where
    G: FnMut() -> io::Result<()>,
{
    let _ = (rounds, set_up, now);
    todo!("set up, warm up, read the clock, play, read the clock")
}

/// The cost of a switch between two threads of this process, over two pipes.
///
/// The calling thread plays one end, a new thread the other. Both run on `cpu`
/// only, at the latest when the clock is first read, and until it is read again.
/// A round trip: this end writes one byte and waits for one; the other end
/// reads that byte and writes one back.
///
/// Afterwards the calling thread may run where it was allowed to run before,
/// the other thread has ended, and no descriptor is left open.
///
/// # Errors
/// If this thread may not run on `cpu` (there is no such CPU), and whatever
/// else fails. Nothing is left behind then either.
pub fn between_threads(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    let _ = (cpu, rounds, now);
    todo!("pin, make two pipes, start a thread that sends every byte back, measure")
}

/// The cost of a switch between this process and a child, over two pipes.
///
/// As [`between_threads`], but the other end is a process of its own, which
/// has ended and has been waited for when this returns.
///
/// # Errors
/// As [`between_threads`].
pub fn between_processes(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    let _ = (cpu, rounds, now);
    todo!("pin, make two pipes, start a child that sends every byte back, measure")
}
