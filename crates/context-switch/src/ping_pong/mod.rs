//! Two sides that hand a turn back and forth, and the time that a round trip
//! takes.
//!
//! ```text
//!   here    ──▶ send ─┐ wait              ┌──▶ send ─┐
//!                     ▼                   │          ▼
//!   there   wait    ┌──▶ send ────────────┘  wait  ┌──▶ …
//!           └───────── one round trip ─────────────┘
//! ```
//!
//! A round trip is *two* hand-overs and, on one CPU, two context switches.

mod ends;
mod error;
mod play;
mod processes;
mod resume;
mod threads;

use std::time::Duration;
use std::{fmt, io};

use ends::{Ends, Futex, Pipe, Spin};

use crate::{Counters, Pages, Placement};
pub use error::PingPongError;
pub use resume::resumes;

/// What the two sides are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// The calling process and a forked child.
    Processes,
    /// Two threads of the calling process.
    Threads,
}

/// How the two sides hand over the turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// A byte through a pipe, one pipe for each direction (man 7 pipe).
    Pipe,
    /// A word in shared memory, and a system call to sleep and to wake (man 2
    /// futex).
    Futex,
    /// A word in shared memory that the waiting side polls all the time.
    Spin,
}

/// A game of ping-pong to be measured.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is played before `run`"]
pub struct PingPong {
    between: Between,
    over: Over,
    placement: Placement,
    bytes: usize,
}

impl PingPong {
    /// Prepares a game. Both sides are pinned while it is played.
    pub fn new(between: Between, over: Over, placement: Placement) -> PingPong {
        PingPong {
            between,
            over,
            placement,
            bytes: 0,
        }
    }

    /// Makes each side read every cache line of this many bytes of its own
    /// (rounded down to a power of two) whenever it has the turn. Each side
    /// hands over only after that.
    pub fn using(mut self, bytes: usize) -> PingPong {
        self.bytes = bytes;
        self
    }

    /// Plays some round trips to warm up, and then the measured ones. The time
    /// does not include starting and ending the other side.
    ///
    /// The forked child neither allocates nor locks, so this may be called in a
    /// process with other threads. A signal with a handler makes a round trip
    /// longer and does no other harm.
    ///
    /// # Errors
    /// - [`PingPongError::Pin`]: a side cannot be pinned. Two CPUs are needed
    ///   and only one is allowed, or the kernel does not report which CPUs are
    ///   allowed ([`PinError::Unknown`](crate::PinError::Unknown)).
    /// - [`PingPongError::SpinOnOneCpu`]: a side would spin on one CPU.
    /// - [`PingPongError::System`]: the system provides no process, thread or
    ///   memory, or the other side ended before the last round trip.
    pub fn run(self, round_trips: u32) -> Result<Trips, PingPongError> {
        if self.over == Over::Spin && self.placement == Placement::OneCpu {
            return Err(PingPongError::SpinOnOneCpu);
        }
        match self.over {
            Over::Pipe => self.play(round_trips, Pipe::pair()?),
            Over::Futex => {
                let page = Pages::shared(1)?;
                self.play(round_trips, Futex::pair(&page))
            }
            Over::Spin => {
                let page = Pages::shared(1)?;
                self.play(round_trips, Spin::pair(&page))
            }
        }
    }

    fn play<E: Ends>(self, round_trips: u32, ends: (E, E)) -> Result<Trips, PingPongError> {
        let game = play::Game {
            cpus: self.placement.cpus()?,
            round_trips,
            bytes: self.bytes,
        };
        match self.between {
            Between::Processes => processes::play(game, ends),
            Between::Threads => threads::play(game, ends),
        }
    }
}

impl fmt::Display for PingPong {
    /// `processes over a pipe, on one CPU`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = match self.between {
            Between::Processes => "processes",
            Between::Threads => "threads",
        };
        let over = match self.over {
            Over::Pipe => "over a pipe",
            Over::Futex => "over a futex",
            Over::Spin => "spinning",
        };
        f.pad(&format!("{between} {over}, {}", self.placement))
    }
}

/// The result of a game.
#[derive(Clone, Copy, Debug)]
pub struct Trips {
    /// How many round trips were timed.
    pub round_trips: u32,
    /// How long they took together.
    pub elapsed: Duration,
    /// What the kernel counted in the meantime for the side that measured the
    /// time.
    pub here: Counters,
    /// What the kernel counted in the meantime for the other side.
    pub there: Counters,
}

impl Trips {
    /// Returns the nanoseconds for one round trip, which is two hand-overs.
    #[must_use]
    pub fn nanos(&self) -> f64 {
        self.elapsed.as_nanos() as f64 / f64::from(self.round_trips.max(1))
    }
}

/// The error when the other side no longer exists.
fn gone() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
