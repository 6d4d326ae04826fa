//! A reactor: it wakes tasks when time or a descriptor is due.
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
//! A future that waits leaves its waker here and returns `Pending`; the executor
//! sleeps in [`Reactor`]'s epoll_wait(2) until the first deadline or the first
//! descriptor, and the reactor calls the wakers. A future that is dropped takes
//! its waker back; a [`Source`] that is dropped leaves epoll.
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

/// Timers and descriptors of one thread.
///
/// A clone is another handle to the same reactor.
#[derive(Clone)]
pub struct Reactor {
    inner: Rc<Inner>,
}

struct Inner {
    poller: Poller,
    timers: RefCell<Timers<Waker>>,
    /// By number, who waits at a registered descriptor.
    sources: RefCell<HashMap<u64, Rc<Waiters>>>,
}

impl Reactor {
    /// A reactor with nothing in it.
    ///
    /// # Errors
    ///
    /// If the kernel refuses one of its two descriptors (EMFILE, ENFILE, ENOMEM).
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

    /// Ready when `duration` has passed since this call, not before; late by a
    /// millisecond or as long as the thread is busy.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(after(duration))
    }

    /// Ready when `deadline` has come. Equal deadlines come in the order in which
    /// they were first polled.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(self.clone(), deadline)
    }

    /// Takes a socket, a pipe, an eventfd and the like under its care, and makes
    /// it non-blocking. (That holds for all duplicates of the descriptor; think
    /// twice before registering a terminal.)
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: for a regular file, for what is registered already, and
    /// if the kernel's limit of registrations is reached.
    pub fn register<T: AsFd + 'static>(&self, io: T) -> Result<Source<T>, RegisterError> {
        Source::new(self.clone(), io)
    }

    /// Ends a [`turn`](Self::turn) from another thread.
    pub fn bell(&self) -> Bell {
        self.inner.poller.bell()
    }

    /// Waits until something is due, for `timeout` at most, and wakes those that
    /// wait for it. An [`Executor`](crate::executor::Executor) does this by
    /// itself. A signal or the bell ends it early.
    ///
    /// # Errors
    ///
    /// Those of epoll_wait(2), none of which a working reactor meets.
    pub fn turn(&self, timeout: Option<Duration>) -> io::Result<()> {
        let wakers = self.inner.collect(timeout)?;
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// Whom to wake now; if there is nobody and `wait`, then whom to wake next.
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
            // Gone if it was dropped after the kernel had reported it.
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
