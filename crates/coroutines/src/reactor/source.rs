//! A descriptor in the reactor, and the futures that wait for it.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::waiters::{Direction, Waiters};
use super::{Reactor, RegisterError};
use crate::budget;

/// An object with a file descriptor that is registered with a reactor. Dropping
/// the source removes the descriptor from the reactor before closing it.
pub struct Source<T: AsFd + 'static> {
    reactor: Reactor,
    io: Rc<T>,
    waiters: Rc<Waiters>,
}

impl<T: AsFd + 'static> Source<T> {
    pub(super) fn new(reactor: Reactor, io: T) -> Result<Self, RegisterError> {
        let io = Rc::new(io);
        let waiters = Rc::new(Waiters::new(Rc::clone(&io) as _));
        let inner = &reactor.inner;
        inner.poller.add(&*io, waiters.number, None)?;
        let ours = Rc::clone(&waiters);
        inner.sources.borrow_mut().insert(waiters.number, ours);
        Ok(Self {
            reactor,
            io,
            waiters,
        })
    }

    /// Returns the registered object. Where one of its calls would block, the
    /// call fails with [`io::ErrorKind::WouldBlock`] instead.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Returns a future that is ready when a read would not block. Any number
    /// of tasks may wait at the same time.
    pub fn readable(&self) -> Waiting<'_> {
        self.wait(Direction::Read)
    }

    /// Returns a future that is ready when a write would not block. Any number
    /// of tasks may wait at the same time.
    pub fn writable(&self) -> Waiting<'_> {
        self.wait(Direction::Write)
    }

    fn wait(&self, direction: Direction) -> Waiting<'_> {
        Waiting {
            reactor: &self.reactor,
            waiters: &self.waiters,
            direction,
            id: None,
        }
    }

    /// Calls `read` until it no longer fails with `WouldBlock`. Waits between
    /// two calls until the descriptor is readable.
    ///
    /// # Errors
    ///
    /// The error of `read` or of epoll_ctl(2).
    pub async fn read_with<R>(&self, read: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.with(Direction::Read, read).await
    }

    /// Calls `write` until it no longer fails with `WouldBlock`. Waits between
    /// two calls until the descriptor is writable.
    ///
    /// # Errors
    ///
    /// The error of `write` or of epoll_ctl(2).
    pub async fn write_with<R>(&self, write: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.with(Direction::Write, write).await
    }

    async fn with<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            // The pause comes before the operation. A future that is dropped
            // in a pause after it would lose what the operation has read.
            budget::step().await;
            match operation(&self.io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.wait(direction).await?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl<T: AsFd + 'static> Drop for Source<T> {
    fn drop(&mut self) {
        let inner = &self.reactor.inner;
        inner.poller.delete(&*self.io);
        let waiters = inner.sources.borrow_mut().remove(&self.waiters.number);
        drop(waiters);
    }
}

impl<T: AsFd + fmt::Debug + 'static> fmt::Debug for Source<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("io", &self.io)
            .finish_non_exhaustive()
    }
}

/// The future of [`Source::readable`] and [`Source::writable`]. Dropping it
/// removes its waker from the reactor.
///
/// # Errors
///
/// Its output is an error if epoll_ctl(2) fails.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Waiting<'s> {
    reactor: &'s Reactor,
    waiters: &'s Waiters,
    direction: Direction,
    /// Its entry among the waiters, which the first poll makes.
    id: Option<u64>,
}

impl Future for Waiting<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.id {
            Some(id) => {
                // Once an event has removed the entry, the wait is over.
                let waits = self.waiters.replace_waker(id, context.waker());
                if waits {
                    Poll::Pending
                } else {
                    Poll::Ready(Ok(()))
                }
            }
            None => {
                let id = self.waiters.enter(self.direction, context.waker().clone());
                self.id = Some(id);
                match self.waiters.arm(&self.reactor.inner.poller) {
                    Ok(()) => Poll::Pending,
                    Err(error) => Poll::Ready(Err(error)),
                }
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.waiters.leave(id);
        }
    }
}

impl fmt::Debug for Waiting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}
