//! What a context switch costs: two ends on one CPU send a ball to and fro.
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

/// Measures the cost of one switch.
///
/// `set_up` brings up both ends of a game and returns a closure. Each call of
/// that closure plays *one round trip*: the ball goes to the other end and
/// comes back, which takes two switches. `now` is the clock: it returns the
/// time since some moment within the last hundred years, and never goes back.
///
/// - C1: Before it reads the clock for the first time, it calls `set_up` and
///   plays at least one round trip. That one does not count, because the other
///   end may only begin to run during it.
/// - C2: Between the first and the second reading of the clock it plays exactly
///   `rounds` round trips, whatever number that is.
/// - C3: It reads the clock no more than these two times, because reading it
///   takes time too.
/// - C4: It drops the round-trip closure, which ends the game, before it
///   returns and after the second reading: the end of a game may be slow, and
///   does not count. It drops the closure also after an error or a panic. After
///   the second reading it plays no further round trip.
/// - C5: It returns the cost of *one switch*: the time between the two readings,
///   divided by twice the number of rounds. The result is right to within 2 ns
///   for every time from 0 to ten days, so you may round as you like.
///
/// # Errors
/// - C6: If `set_up` or a round trip fails, it returns that error just as it
///   came: the same value, not another one with the same message. This holds
///   for every kind of error, for `Interrupted` and for the round trips that do
///   not count too.
/// - C7: After an error it plays no further round trip.
///
/// # Panics
/// - C8: If `set_up`, a round trip or `now` panics, the panic reaches the caller.
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

/// Measures the cost of a switch between two threads of this process.
///
/// - C9: The calling thread itself plays one end, and one new thread plays the
///   other. Nothing else is started.
/// - C10: The ball goes through two pipes, one for each direction. In a round
///   trip the calling thread writes one byte into the first pipe, and waits until
///   it can read one byte from the second. The other end reads that byte and
///   writes one back.
/// - C11: The game is measured as [`cost_of_a_switch`] does it (C1 to C3, and
///   C5), with the clock `now`.
/// - C12: At both readings of the clock both ends may run on `cpu` only. All
///   other threads of the process, its first thread too, may run where they
///   could before, during the game and afterwards.
///
/// The following holds when the call returns the cost, when it returns an
/// error, and when `now` panics:
///
/// - C13: The calling thread may run again where it was allowed to run before.
/// - C14: The other thread has ended.
/// - C15: No descriptor is left open.
/// - C16: Nothing else has changed that the caller shares with this function:
///   signal masks and handlers, priorities, limits, the working folder, files.
///
/// # Errors
/// - C17: If the kernel does not let the calling thread run on `cpu`, for
///   example because there is no such CPU, the call returns an error. It never
///   panics because of the number, up to `usize::MAX`.
/// - C18: If a call of the kernel fails (`sched_setaffinity`, `pipe`, the start
///   of the other end, or reading or writing the ball), this call returns that
///   error as it is, with the same `raw_os_error`.
///
/// # Several games
/// - C19: Several threads may play such games at the same time, and `now` may
///   play another game while it is being called.
pub fn between_threads(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    let _ = (cpu, rounds, now);
    todo!("pin, make two pipes, start a thread that sends every byte back, measure")
}

/// Measures the cost of a switch between this process and a child.
///
/// C10 to C13 and C15 to C18 hold here too. If two threads are in this function
/// at the same time, neither call is promised to work: each child would hold the
/// other game's pipes open. `now` may play another game here too (C19).
///
/// - C20: The other end is one child process of this process, with memory of its
///   own. Nothing else is started. The child writes nothing but balls: text that
///   the caller has printed is not printed twice, even if it is still in a buffer.
/// - C21: The child has ended, and this process has waited for it, when the call
///   returns the cost, when it returns an error, and when `now` panics. No zombie
///   stays. If a signal interrupts the waiting (`EINTR`), the call goes on
///   waiting, however often that happens.
/// - C22: The caller's other children are left alone: the caller can still wait
///   for each of them and learns how it ended. (If the caller ignores `SIGCHLD`,
///   nobody can wait for a child: in that case the call may return the cost or
///   the error `ECHILD`.)
pub fn between_processes(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    let _ = (cpu, rounds, now);
    todo!("pin, make two pipes, start a child that sends every byte back, measure")
}
