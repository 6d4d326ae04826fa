//! An event loop: on one thread, it calls callbacks for timers, descriptors and
//! messages from other threads.
//!
//! An event loop is an older technique for the same purpose as an
//! [`executor`](crate::executor). There are no futures: an activity keeps its
//! state in the variables that its callback captures.
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
//! Each callback runs to its end before the next one starts. So callbacks need
//! no locks, and a callback that computes for long, or blocks, keeps all others
//! waiting.
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

/// The callbacks, and the loop that calls them.
pub struct EventLoop {
    poller: Poller,
    timers: Timers<Job>,
    /// An entry is `None` while its callback runs.
    watched: HashMap<u64, Option<Box<dyn Watched>>>,
    next_watch: u64,
    posted: Posted,
    /// The posted jobs that the loop has taken to run now.
    batch: VecDeque<SendJob>,
    stopped: bool,
}

/// Identifies a timer for [`EventLoop::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId(TimerKey);

/// Identifies a watched descriptor for [`EventLoop::unwatch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchId(u64);

impl EventLoop {
    /// Makes a loop with nothing to wait for.
    ///
    /// # Errors
    ///
    /// If the kernel refuses one of the loop's own two descriptors (EMFILE,
    /// ENFILE, ENOMEM).
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

    /// Calls `job` once, when `deadline` has come. Jobs with equal deadlines
    /// run in the order in which they were set.
    pub fn at<F>(&mut self, deadline: Instant, job: F) -> TimerId
    where
        F: FnOnce(&mut EventLoop) + 'static,
    {
        TimerId(self.timers.insert(deadline, Box::new(job)))
    }

    /// Cancels a timer and drops its job. Returns false if the job has already
    /// run or been cancelled.
    pub fn cancel(&mut self, timer: TimerId) -> bool {
        self.timers.remove(timer.0).is_some()
    }

    /// Calls `callback` when `io` is ready for `interest`. The callback returns
    /// `Continue(interest)` to say what to wait for next, or `Break(())` to
    /// end. If it returns `Break(())` or panics, the loop removes `io` from
    /// epoll and drops it.
    ///
    /// The callback must not put another descriptor in the place of `io`,
    /// because epoll waits for the one that was registered. Watch the other one
    /// instead, and return `Break(())`.
    ///
    /// This call makes the descriptor non-blocking. The callback need not read
    /// everything that is there, because the loop calls it again. But it should
    /// wait for [`Interest::Writable`] only while it has something to write.
    /// There is nearly always room, so the loop would call it again and again.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] if `io` is a regular file, if it is watched already,
    /// or if the kernel's limit on registrations is reached.
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
        let watch = Watch::new(io, interest, callback, number, &self.poller)?;
        self.next_watch += 1;
        self.watched.insert(number, Some(Box::new(watch)));
        Ok(WatchId(number))
    }

    /// Removes a descriptor from epoll and drops it with its callback. Returns
    /// false if it is no longer watched. A callback may unwatch its own
    /// descriptor; this takes effect when the callback returns.
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

    /// Returns a handle with which other threads give jobs to this thread. The
    /// loop runs on as long as such a handle exists.
    pub fn poster(&self) -> Poster {
        self.posted.poster()
    }

    /// Makes [`run`](Self::run) return after the callback that is running now.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Calls each callback when it is due, until a callback calls
    /// [`stop`](Self::stop) or there is nothing left to wait for: no timer, no
    /// descriptor, no [`Poster`]. It can be called again. A signal does not end
    /// it.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] (inside the [`io::Error`]) if epoll refuses what a
    /// callback wants to wait for next, usually because the callback has put
    /// another descriptor in the place of its own. The loop drops that callback
    /// and its descriptor, and keeps everything else. Also the errors of
    /// epoll_wait(2); a working loop causes none of them.
    ///
    /// # Panics
    ///
    /// Panics with a callback's panic if a callback panics. The loop drops that
    /// callback and its descriptor, if it has one, and keeps everything else.
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
                    break; // level-triggered: the next run gets it again
                }
                // If this ends the run, the next run gets the rest, as after a stop.
                self.call(ready.number)?;
            }
        }
    }

    /// Runs only the jobs that are there now, so that a job that posts another
    /// job does not keep the other callbacks waiting. Jobs that a stop or a
    /// panic leaves over run first next time.
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
        // We read the clock only once, so that a timer that sets another timer
        // without a delay does not keep the other callbacks waiting.
        let now = Instant::now();
        while !self.stopped {
            let Some(job) = self.timers.pop_due(now) else {
                return;
            };
            job(self);
        }
    }

    fn call(&mut self, number: u64) -> Result<(), RegisterError> {
        // It is gone if another callback of this batch has unwatched it.
        let Some(mut watched) = self.watched.get_mut(&number).and_then(Option::take) else {
            return Ok(());
        };
        // The callback is out of the map while it runs, so that it may use the
        // loop.
        let called = catch_unwind(AssertUnwindSafe(|| watched.call(self)));
        let mut refused = Ok(());
        if let Ok(ControlFlow::Continue(next)) = called
            && let Some(place) = self.watched.get_mut(&number)
        {
            refused = watched.wait_for(next, number, &self.poller);
            if refused.is_ok() {
                *place = Some(watched);
                return Ok(());
            }
        }
        // Remove the descriptor from epoll before it is closed.
        self.poller.delete(watched.as_fd());
        self.watched.remove(&number);
        drop(watched);
        match called {
            Ok(_) => refused,
            Err(payload) => resume_unwind(payload),
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
