//! A descriptor with its callback.

use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd};

use super::EventLoop;

/// A descriptor with its callback, whatever their types.
pub(super) trait Watched {
    fn as_fd(&self) -> BorrowedFd<'_>;
    fn call(&mut self, events: &mut EventLoop) -> ControlFlow<()>;
}

pub(super) struct Watch<T, F> {
    pub(super) io: T,
    pub(super) callback: F,
}

impl<T, F> Watched for Watch<T, F>
where
    T: AsFd,
    F: FnMut(&mut EventLoop, &mut T) -> ControlFlow<()>,
{
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }

    fn call(&mut self, events: &mut EventLoop) -> ControlFlow<()> {
        (self.callback)(events, &mut self.io)
    }
}
