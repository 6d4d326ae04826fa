//! A descriptor with its callback.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

use super::EventLoop;
use crate::poller::{Interest, Poller};

/// A descriptor with its callback, of any types.
pub(super) trait Watched {
    fn as_fd(&self) -> BorrowedFd<'_>;
    fn call(&mut self, events: &mut EventLoop) -> ControlFlow<(), Interest>;
    fn wait_for(&mut self, next: Interest, number: u64, poller: &Poller) -> io::Result<()>;
}

pub(super) struct Watch<T, F> {
    pub(super) io: T,
    /// What epoll waits for.
    pub(super) interest: Interest,
    pub(super) callback: F,
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

    fn wait_for(&mut self, next: Interest, number: u64, poller: &Poller) -> io::Result<()> {
        if next != self.interest {
            poller.rearm(&self.io, number, next)?;
            self.interest = next;
        }
        Ok(())
    }
}
