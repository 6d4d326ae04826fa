//! A descriptor with its callback.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use super::EventLoop;
use crate::poller::{Interest, Poller, RegisterError};

/// A descriptor with its callback, of any types.
pub(super) trait Watched {
    fn as_fd(&self) -> BorrowedFd<'_>;
    fn call(&mut self, events: &mut EventLoop) -> ControlFlow<(), Interest>;
    fn wait_for(
        &mut self,
        next: Interest,
        number: u64,
        poller: &Poller,
    ) -> Result<(), RegisterError>;
}

pub(super) struct Watch<T, F> {
    io: T,
    /// What epoll waits for, and at which descriptor.
    interest: Interest,
    descriptor: RawFd,
    callback: F,
}

impl<T: AsFd, F> Watch<T, F> {
    /// Registers `io` with `poller`, under `number`.
    pub(super) fn new(
        io: T,
        interest: Interest,
        callback: F,
        number: u64,
        poller: &Poller,
    ) -> Result<Self, RegisterError> {
        poller.add(&io, number, Some(interest))?;
        Ok(Self {
            descriptor: io.as_fd().as_raw_fd(),
            io,
            interest,
            callback,
        })
    }
}

impl<T, F> Watched for Watch<T, F>
where
    T: AsFd,
    F: FnMut(&mut EventLoop, &mut T) -> ControlFlow<(), Interest>,
{
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }

    fn call(&mut self, events: &mut EventLoop) -> ControlFlow<(), Interest> {
        (self.callback)(events, &mut self.io)
    }

    fn wait_for(
        &mut self,
        next: Interest,
        number: u64,
        poller: &Poller,
    ) -> Result<(), RegisterError> {
        // If the callback has put another descriptor here, epoll does not know
        // it, and refuses.
        if next != self.interest || self.io.as_fd().as_raw_fd() != self.descriptor {
            poller.rearm(&self.io, number, next)?;
            self.interest = next;
        }
        Ok(())
    }
}
