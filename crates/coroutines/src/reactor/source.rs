//! A descriptor in the reactor, and the futures that wait at it.

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

/// Something with a descriptor, in the care of a reactor. Dropped, it is taken
/// out of the reactor before it is closed.
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

    /// What it is about. Its calls do not block: they fail with
    /// [`io::ErrorKind::WouldBlock`].
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Ready when a read would not block. Any number of tasks may wait.
    pub fn readable(&self) -> Waiting<'_> {
        self.wait(Direction::Read)
    }

    /// Ready when a write would not block. Any number of tasks may wait.
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

    /// Tries `read` until it does not say `WouldBlock`, and waits between.
    ///
    /// # Errors
    ///
    /// `read`'s own, and epoll_ctl(2)'s.
    pub async fn read_with<R>(&self, read: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.with(Direction::Read, read).await
    }

    /// Tries `write` until it does not say `WouldBlock`, and waits between.
    ///
    /// # Errors
    ///
    /// `write`'s own, and epoll_ctl(2)'s.
    pub async fn write_with<R>(&self, write: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.with(Direction::Write, write).await
    }

    async fn with<R>(
        &self,
        direction: Direction,
        mut operation: impl FnMut(&T) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            // Before the operation: what was read must not be lost in a pause.
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

/// The future of [`Source::readable`] and [`Source::writable`]. Dropped, it
/// takes its waker back.
///
/// # Errors
///
/// Its output is an error if epoll_ctl(2) fails.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Waiting<'s> {
    reactor: &'s Reactor,
    waiters: &'s Waiters,
    direction: Direction,
    /// Its entry among the waiters, made by the first poll.
    id: Option<u64>,
}

impl Future for Waiting<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.id {
            Some(id) => {
                // The event has taken the entry out: the waiting is over.
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
