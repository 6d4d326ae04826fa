//! Why there is no answer yet. A hang becomes a verdict only if it is proved.
//!
//! - [`waits`] reads from /proc what every thread of every process waits for;
//! - [`deadlock`] proves from two such pictures that nothing can wake any of them;
//! - [`lines`] finds the line at which a thread runs or waits;
//! - [`spin`] proves that a running thread repeats a loop in which nothing
//!   changes: it observes the thread for one turn of the loop.
//!
//! If nothing can be proved, the deadline decides.
//!
//! The code in this folder runs in the judge's process and looks at the
//! subject's processes from outside: through /proc, and for a moment through
//! ptrace.

mod closed;
mod deadlock;
mod lines;
mod spin;
mod waits;

use std::time::{Duration, Instant};

pub use lines::PACKAGE;
use processes::Pid;
use records::Place;
use waits::{Picture, Wait};

use crate::outcome::Failing;

/// What the judge knows about the processes that it watches.
pub(crate) struct Watched {
    pub warden: Pid,
    /// Timers that may send a signal; `None` where they are not counted.
    pub alarms: Option<u32>,
    /// Processes and threads started so far; `None` where they are not counted.
    pub starts: Option<u32>,
    /// The least CPU time that the subject's processes are allowed, unless the
    /// code allows them less.
    pub cpu_seconds: u64,
}

/// Calls that would have started a process or a thread, and that the judge has
/// cut short when it stopped the thread that made them. The kernel begins them
/// again, so the warden counts each of them twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CutShort {
    pub processes: u32,
    pub threads: u32,
}

/// What this thread of the judge has cut short until now.
pub(crate) fn cut_short() -> CutShort {
    spin::cut_short()
}

/// The watch over one question.
pub(crate) struct Hang {
    next: Instant,
    pause: Duration,
    before: Option<Picture>,
    starts_before: Option<u32>,
    next_spin: Instant,
    spin_pause: Duration,
}

impl Hang {
    pub(crate) fn new(asked: Instant) -> Self {
        Hang {
            next: asked + Duration::from_millis(90),
            pause: Duration::from_millis(80),
            before: None,
            starts_before: None,
            next_spin: asked + Duration::from_millis(600),
            spin_pause: Duration::from_millis(400),
        }
    }

    /// When to look next.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    pub(crate) fn is_due(&self) -> bool {
        Instant::now() >= self.next
    }

    /// Looks once. Returns the verdict, if one can be proved.
    pub(crate) fn look(&mut self, watched: &Watched) -> Option<Failing> {
        let now = Picture::take(watched.warden);
        let before = std::mem::replace(&mut self.before, now);
        // If each process starts a child and ends, again and again, a picture
        // can be empty: the processes that were listed have ended, and the
        // process that is alive was not listed.
        let starts_before = std::mem::replace(&mut self.starts_before, watched.starts);
        let verdict = match (&before, &self.before) {
            _ if watched.starts != starts_before => None,
            (Some(before), Some(now)) if !now.somebody_runs() => {
                deadlock::prove(before, now, watched)
            }
            (Some(before), Some(now))
                if Instant::now() >= self.next_spin && spin::is_possible(before, now) =>
            {
                // A long computation loses at most a third of its time to this.
                let verdict = spin::prove(now, watched, self.spin_pause / 2);
                self.next_spin = Instant::now() + self.spin_pause;
                self.spin_pause = (self.spin_pause * 2).min(Duration::from_secs(4));
                verdict
            }
            _ => None,
        };
        self.next = Instant::now() + self.pause;
        // If the answer takes long, the judge looks less and less often, down
        // to twice a second.
        self.pause = (self.pause * 5 / 4).min(Duration::from_millis(500));
        verdict
    }
}

/// What the threads do when the deadline has passed.
pub(crate) struct States {
    /// One line for each thread.
    pub words: String,
    /// The line of the thread that used the most CPU time, if a thread runs.
    pub at: Option<Place>,
    /// The CPU time of that thread.
    pub used: Duration,
}

/// Looks at the threads once more, to explain a timeout.
pub(crate) fn states(warden: Pid) -> States {
    let Some(picture) = Picture::take(warden) else {
        return States {
            words: "the judge could not read what the threads of your code were doing: /proc is restricted here, or a process started or ended at that moment".to_owned(),
            at: None,
            used: Duration::ZERO,
        };
    };
    let mut lines = lines::of(&picture, waits::MOST);
    let words = picture.describe(&lines);
    let threads = picture.alive().flat_map(|process| &process.threads);
    let busiest = threads
        .filter(|thread| thread.wait == Wait::Runs)
        .max_by_key(|thread| thread.spent.total());
    States {
        words,
        at: busiest.and_then(|thread| lines.remove(&thread.tid)),
        used: busiest.map_or(Duration::ZERO, |thread| thread.spent.total()),
    }
}
