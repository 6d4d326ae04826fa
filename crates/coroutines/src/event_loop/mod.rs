//! An event loop: one thread, and callbacks for time, descriptors and messages.
//!
//! The older way to the same end as [`executor`](crate::executor): there are no
//! futures, and what an activity remembers is in its callback's captures.
//!
//! ```
//! use std::time::Duration;
//! use coroutines::event_loop::EventLoop;
//!
//! let mut events = EventLoop::new()?;
//! events.after(Duration::from_millis(1), |events| {
//!     println!("a millisecond later");
//!     events.after(Duration::from_millis(1), |_| println!("and another"));
//! });
//! let poster = events.poster();
//! std::thread::spawn(move || poster.post(|_| println!("from another thread")));
//! events.run()?; // until nothing is left to wait for
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! Each callback runs to its end before the next: nothing needs a lock, and one
//! that computes for long, or blocks, keeps all others waiting.
//!
//! ```text
//!          ┌──────────────────────────────────────────────────┐
//!          ▼                                                  │
//!   posted jobs ──▶ timers that are due ──▶ epoll_wait ──▶ descriptors
//! ```

mod poster;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use crate::poller::Poller;
pub use crate::poller::{Interest, RegisterError};
use crate::timers::{TimerKey, Timers, after};
pub use poster::{Closed, Poster};
use poster::{Posted, SendJob};
use watch::{Watch, Watched};

type Job = Box<dyn FnOnce(&mut EventLoop)>;

/// Callbacks, and the loop that calls them.
pub struct EventLoop {
    poller: Poller,
    timers: Timers<Job>,
    /// None while its callback runs.
    watched: HashMap<u64, Option<Box<dyn Watched>>>,
    next_watch: u64,
    posted: Posted,
    /// Jobs that were posted and are to run now.
    batch: VecDeque<SendJob>,
    stopped: bool,
}

/// Names a timer, to cancel it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId(TimerKey);

/// Names a watched descriptor, to watch it no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchId(u64);

impl EventLoop {
    /// A loop with nothing to wait for.
    ///
    /// # Errors
    ///
    /// If the kernel refuses one of its two descriptors (EMFILE, ENFILE, ENOMEM).
    pub fn new() -> io::Result<Self> {
        let poller = Poller::new()?;
        let posted = Posted::new(poller.bell());
        Ok(Self {
            poller,
            timers: Timers::default(),
            watched: HashMap::new(),
            next_watch: 0,
            posted,
            batch: VecDeque::new(),
            stopped: false,
        })
    }

    /// Calls `job` once, when `delay` has passed since this call.
    pub fn after<F>(&mut self, delay: Duration, job: F) -> TimerId
    where
        F: FnOnce(&mut EventLoop) + 'static,
    {
        self.at(after(delay), job)
    }

    /// Calls `job` once, when `deadline` has come. Equal deadlines come in the
    /// order in which they were set.
    pub fn at<F>(&mut self, deadline: Instant, job: F) -> TimerId
    where
        F: FnOnce(&mut EventLoop) + 'static,
    {
        TimerId(self.timers.insert(deadline, Box::new(job)))
    }

    /// Drops a timer's job. False if it has run.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.timers.remove(timer.0).is_some()
    }

    /// Calls `callback` when `io` is ready for `interest`. The callback says
    /// what to wait for next: `Continue(interest)`, or `Break(())`: then, or if it
    /// panics, `io` is taken out of epoll and dropped.
    ///
    /// The descriptor is made non-blocking. The callback need not use up all that
    /// is there: it is called again. But it should wait for room only if it has
    /// something to write: there is nearly always room, and it would be called
    /// again at once, and again.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: for a regular file, for what is watched already, and if
    /// the kernel's limit of registrations is reached.
    pub fn watch<T, F>(
        &mut self,
        io: T,
        interest: Interest,
        callback: F,
    ) -> Result<WatchId, RegisterError>
    where
        T: AsFd + 'static,
        F: FnMut(&mut EventLoop, &mut T) -> ControlFlow<(), Interest> + 'static,
    {
        let number = self.next_watch;
        self.poller.add(&io, number, Some(interest))?;
        self.next_watch += 1;
        let watch = Watch {
            io,
            interest,
            callback,
        };
        self.watched.insert(number, Some(Box::new(watch)));
        Ok(WatchId(number))
    }

    /// Takes a descriptor out of epoll and drops it with its callback. False if
    /// it is not watched any more. A callback may do this to itself: it takes
    /// effect when it returns.
    pub fn unwatch(&mut self, watch: WatchId) -> bool {
        match self.watched.remove(&watch.0) {
            Some(watched) => {
                if let Some(watched) = watched {
                    self.poller.delete(watched.as_fd());
                }
                true
            }
            None => false,
        }
    }

    /// A handle with which other threads give jobs to this one. The loop runs on
    /// as long as there is one.
    pub fn poster(&self) -> Poster {
        self.posted.poster()
    }

    /// Ends [`run`](Self::run) after the callback that runs now.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Calls the callbacks as their times come, until one says
    /// [`stop`](Self::stop) or nothing is left: no timer, no descriptor, no
    /// [`Poster`]. It can be called again. A signal does not end it.
    ///
    /// # Errors
    ///
    /// Those of epoll_wait(2), none of which a working loop meets.
    ///
    /// # Panics
    ///
    /// With a callback's panic; what it was about is dropped, all else stays.
    pub fn run(&mut self) -> io::Result<()> {
        self.stopped = false;
        loop {
            self.run_posted();
            self.run_timers();
            if self.stopped || self.is_idle() {
                return Ok(());
            }
            let timeout = self.timers.first_in(Instant::now());
            for ready in self.poller.wait(timeout)? {
                if self.stopped {
                    break; // level-triggered: the next run is told again
                }
                self.call(ready.number);
            }
        }
    }

    /// Those that are there now: a job that posts a job does not keep the others
    /// waiting. What a stop or a panic leaves over runs first next time.
    fn run_posted(&mut self) {
        self.batch.append(&mut self.posted.take());
        while !self.stopped {
            let Some(job) = self.batch.pop_front() else {
                return;
            };
            job(self);
        }
    }

    fn run_timers(&mut self) {
        // One look at the clock: a timer that sets a timer of no delay does not
        // keep the others waiting.
        let now = Instant::now();
        while !self.stopped {
            let Some(job) = self.timers.pop_due(now) else {
                return;
            };
            job(self);
        }
    }

    fn call(&mut self, number: u64) {
        // Gone if another callback of this batch has taken it out.
        let Some(mut watched) = self.watched.get_mut(&number).and_then(Option::take) else {
            return;
        };
        // Out of the map while it runs, so that it may use the loop.
        let called = catch_unwind(AssertUnwindSafe(|| watched.call(self)));
        if let Ok(ControlFlow::Continue(next)) = called
            && let Some(place) = self.watched.get_mut(&number)
            && watched.wait_for(next, number, &self.poller).is_ok()
        {
            *place = Some(watched);
            return;
        }
        // epoll lets go of it before it is closed.
        self.poller.delete(watched.as_fd());
        self.watched.remove(&number);
        drop(watched);
        if let Err(payload) = called {
            resume_unwind(payload);
        }
    }

    fn is_idle(&self) -> bool {
        let waiting = self.timers.len() + self.watched.len() + self.batch.len();
        waiting == 0 && !self.posted.may_come()
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("timers", &self.timers.len())
            .field("descriptors", &self.watched.len())
            .finish_non_exhaustive()
    }
}
