//! A reactor wakes tasks when a deadline has come or a descriptor is ready.
//!
//! ```
//! use std::io::{Read, Write};
//! use std::os::unix::net::UnixStream;
//! use std::time::Duration;
//! use coroutines::executor::Executor;
//! use coroutines::reactor::Reactor;
//!
//! let reactor = Reactor::new()?;
//! let executor = Executor::with_reactor(reactor.clone());
//!
//! let (ours, mut theirs) = UnixStream::pair()?;
//! let ours = reactor.register(ours)?;
//! let reader = executor.spawn(async move {
//!     let mut buffer = [0; 16];
//!     let count = ours.read_with(|mut stream| stream.read(&mut buffer)).await?;
//!     std::io::Result::Ok(buffer[..count].to_vec())
//! });
//! let read = executor.block_on(async move {
//!     reactor.sleep(Duration::from_millis(1)).await;
//!     theirs.write_all(b"hello")?;
//!     std::io::Result::Ok(reader.await)
//! })?;
//! assert_eq!(read??, b"hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A future that waits leaves its waker in the [`Reactor`] and returns
//! `Pending`. The executor sleeps in the reactor's epoll_wait(2) until the
//! first deadline has come or the first descriptor is ready. Then it calls the
//! wakers of the futures that wait for this. Dropping a future removes its
//! waker from the reactor. Dropping a [`Source`] removes its descriptor from
//! epoll.
//!
//! ```text
//!   task ── Pending, waker ──▶ timers       ┐
//!        ── Pending, waker ──▶ descriptors  ├──▶ epoll_wait ──▶ wake, wake, …
//!   other threads ── ring ───▶ bell         ┘
//! ```

mod sleep;
mod source;
mod waiters;

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::poller::Poller;
pub use crate::poller::{Bell, RegisterError};
use crate::timers::{Timers, after};
pub use sleep::Sleep;
pub use source::{Source, Waiting};
use waiters::Waiters;

/// The timers and descriptors that one thread waits for.
///
/// A clone is another handle to the same reactor.
#[derive(Clone)]
pub struct Reactor {
    inner: Rc<Inner>,
}

struct Inner {
    poller: Poller,
    timers: RefCell<Timers<Waker>>,
    /// The waiters of each registered descriptor, by registration number.
    sources: RefCell<HashMap<u64, Rc<Waiters>>>,
}

impl Reactor {
    /// Makes a reactor without timers and descriptors.
    ///
    /// # Errors
    ///
    /// If the kernel refuses one of the reactor's own two descriptors (EMFILE,
    /// ENFILE, ENOMEM).
    pub fn new() -> io::Result<Self> {
        let inner = Inner {
            poller: Poller::new()?,
            timers: RefCell::default(),
            sources: RefCell::default(),
        };
        Ok(Self {
            inner: Rc::new(inner),
        })
    }

    /// Returns a future that is ready when `duration` has passed since this
    /// call, and not before. It may be late by a millisecond, or by longer if
    /// the thread is busy.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(after(duration))
    }

    /// Returns a future that is ready when `deadline` has come. Futures with
    /// equal deadlines are woken in the order of their first polls.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(self.clone(), deadline)
    }

    /// Registers a socket, a pipe, an eventfd or the like, and makes it
    /// non-blocking. (All duplicates of the descriptor become non-blocking,
    /// too, so think twice before you register a terminal.)
    ///
    /// # Errors
    ///
    /// [`RegisterError`] if `io` is a regular file, if it is registered
    /// already, or if the kernel's limit on registrations is reached.
    pub fn register<T: AsFd + 'static>(&self, io: T) -> Result<Source<T>, RegisterError> {
        Source::new(self.clone(), io)
    }

    /// Returns a bell with which another thread can end a [`turn`](Self::turn).
    pub fn bell(&self) -> Bell {
        self.inner.poller.bell()
    }

    /// Waits until a deadline has come or a descriptor is ready, but for at
    /// most `timeout`. Then wakes the tasks that wait for it. An
    /// [`Executor`](crate::executor::Executor) does this by itself. A signal or
    /// the bell ends the wait early.
    ///
    /// # Errors
    ///
    /// The errors of epoll_wait(2). A working reactor causes none of them.
    pub fn turn(&self, timeout: Option<Duration>) -> io::Result<()> {
        let wakers = self.inner.collect(timeout)?;
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Returns the wakers that are due now. If `wait` is set and none is due,
    /// first sleeps until one is due, the bell rings or a signal arrives.
    pub(crate) fn due(&self, wait: bool) -> Vec<Waker> {
        let timeout = (!wait).then_some(Duration::ZERO);
        match self.inner.collect(timeout) {
            Ok(wakers) => wakers,
            Err(error) => panic!("epoll_wait on a reactor's own descriptor failed: {error}"),
        }
    }
}

impl Inner {
    fn collect(&self, timeout: Option<Duration>) -> io::Result<Vec<Waker>> {
        let first = self.timers.borrow().first_in(Instant::now());
        let timeout = match (timeout, first) {
            (Some(timeout), Some(first)) => Some(timeout.min(first)),
            (timeout, first) => timeout.or(first),
        };
        let events = self.poller.wait(timeout)?;
        let mut wakers = Vec::new();
        let sources = self.sources.borrow();
        for event in events {
            // No source: it was dropped after the kernel had reported it.
            if let Some(source) = sources.get(&event.number) {
                source.take(&event, &self.poller, &mut wakers);
            }
        }
        let mut timers = self.timers.borrow_mut();
        let now = Instant::now();
        while let Some(waker) = timers.pop_due(now) {
            wakers.push(waker);
        }
        Ok(wakers)
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor")
            .field("timers", &self.inner.timers.borrow().len())
            .field("descriptors", &self.inner.sources.borrow().len())
            .finish_non_exhaustive()
    }
}
