//! A wrapper of epoll(7), with a bell that ends a wait from another thread.
//!
//! The [`reactor`](crate::reactor) and the [`event_loop`](crate::event_loop)
//! are both built on it.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// The number that marks an event of the bell.
const BELL: u64 = u64::MAX;

/// The most events that one wait returns. The next wait returns the others.
const EVENTS: usize = 256;

/// What to wait for on a file descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// A read would not block: there is data, the end of the data, or an error.
    Readable,
    /// A write would not block: there is room, or an error.
    Writable,
    /// Either of the two.
    Both,
}

impl Interest {
    fn flags(self) -> EpollFlags {
        match self {
            Self::Readable => EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP,
            Self::Writable => EpollFlags::EPOLLOUT,
            Self::Both => Self::Readable.flags() | Self::Writable.flags(),
        }
    }
}

/// What epoll reports for the descriptor that was registered with this number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    pub(crate) number: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

pub(crate) struct Poller {
    epoll: Epoll,
    bell: Arc<EventFd>,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let bell = EventFd::from_value_and_flags(0, flags)?;
        epoll.add(&bell, EpollEvent::new(EpollFlags::EPOLLIN, BELL))?;
        let bell = Arc::new(bell);
        Ok(Self { epoll, bell })
    }

    pub(crate) fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.bell))
    }

    /// Makes the descriptor non-blocking and registers it for `interest`, or
    /// for nothing yet if that is `None`. The registration is level-triggered:
    /// each wait reports the descriptor as long as it is ready.
    ///
    /// epoll reports an error or a hang-up even if nobody has asked for it. A
    /// descriptor that is registered for nothing yet is therefore reported at
    /// most once (EPOLLONESHOT), and not by every wait.
    pub(crate) fn add(
        &self,
        descriptor: impl AsFd,
        number: u64,
        interest: Option<Interest>,
    ) -> Result<(), RegisterError> {
        let descriptor = descriptor.as_fd();
        let refused = |cause| RegisterError {
            descriptor: descriptor.as_raw_fd(),
            cause,
        };
        let flags = fcntl(descriptor, FcntlArg::F_GETFL).map_err(refused)?;
        let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
        let what = interest.map_or(EpollFlags::EPOLLONESHOT, Interest::flags);
        let event = EpollEvent::new(what, number);
        self.epoll.add(descriptor, event).map_err(refused)?;
        match fcntl(descriptor, FcntlArg::F_SETFL(flags)) {
            Ok(_) => Ok(()),
            Err(cause) => {
                self.delete(descriptor);
                Err(refused(cause))
            }
        }
    }

    /// Waits for `interest` from now on, instead of the earlier interest.
    pub(crate) fn rearm(
        &self,
        descriptor: impl AsFd,
        number: u64,
        interest: Interest,
    ) -> Result<(), RegisterError> {
        self.modify(descriptor.as_fd(), number, interest.flags())
    }

    /// Waits for one event of `interest`, and then for no more (EPOLLONESHOT).
    pub(crate) fn arm_once(
        &self,
        descriptor: impl AsFd,
        number: u64,
        interest: Interest,
    ) -> Result<(), RegisterError> {
        let flags = interest.flags() | EpollFlags::EPOLLONESHOT;
        self.modify(descriptor.as_fd(), number, flags)
    }

    fn modify(
        &self,
        descriptor: BorrowedFd<'_>,
        number: u64,
        flags: EpollFlags,
    ) -> Result<(), RegisterError> {
        let mut event = EpollEvent::new(flags, number);
        let modified = self.epoll.modify(descriptor, &mut event);
        modified.map_err(|cause| RegisterError {
            descriptor: descriptor.as_raw_fd(),
            cause,
        })
    }

    /// Removes the descriptor from epoll. Call this before you close the
    /// descriptor: epoll watches the open file description, and a duplicate of
    /// the descriptor keeps that open.
    pub(crate) fn delete(&self, descriptor: impl AsFd) {
        // This fails if the descriptor is not registered: nothing to do then.
        let _ = self.epoll.delete(descriptor);
    }

    /// Waits for at most `timeout`, or without a limit if that is `None`.
    /// Returns early, with no event for it, when the bell rings or a signal
    /// handler has run (EINTR).
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
        let mut events = [EpollEvent::empty(); EVENTS];
        let count = match self.epoll.wait(&mut events, milliseconds(timeout)) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error.into()),
        };
        let mut ready = Vec::with_capacity(count);
        for event in events.iter().take(count) {
            if event.data() == BELL {
                // Silences the bell. EAGAIN means that it is silent already.
                let _ = self.bell.read();
                continue;
            }
            // An error or a hang-up ends every wait: the next call reports it.
            let failed = event
                .events()
                .intersects(EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP);
            let is = |flags| failed || event.events().intersects(flags);
            ready.push(Ready {
                number: event.data(),
                readable: is(Interest::Readable.flags()),
                writable: is(Interest::Writable.flags()),
            });
        }
        Ok(ready)
    }
}

/// Converts a timeout to epoll's unit, milliseconds. The result is rounded up,
/// so that the thread does not wake too early and spin until the deadline. A
/// timeout that is too long for epoll is shortened, because waiting again is
/// harmless.
fn milliseconds(timeout: Option<Duration>) -> EpollTimeout {
    let Some(timeout) = timeout else {
        return EpollTimeout::NONE;
    };
    let millis = timeout.as_nanos().div_ceil(1_000_000);
    let millis = i32::try_from(millis).unwrap_or(i32::MAX);
    EpollTimeout::try_from(millis).unwrap_or(EpollTimeout::MAX)
}

/// Ends a wait from another thread.
#[derive(Clone, Debug)]
pub struct Bell(Arc<EventFd>);

impl Bell {
    /// Ends the wait in progress, or the next wait if none is in progress. Any
    /// thread may call this, and so may a signal handler (it is one write(2)).
    pub fn ring(&self) {
        // EAGAIN: its counter is at the maximum, so the bell rings already.
        let _ = self.0.write(1);
    }
}

/// A descriptor could not be registered with epoll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterError {
    /// The number of the descriptor.
    pub descriptor: RawFd,
    /// The error of epoll_ctl(2) or fcntl(2).
    pub cause: Errno,
}

impl fmt::Display for RegisterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptor, cause } = self;
        write!(f, "descriptor {descriptor} cannot be waited for ({cause})")?;
        f.write_str(match cause {
            Errno::EPERM => ": a regular file is always ready, read it directly",
            Errno::ENOENT => {
                ": it is not registered; a callback must keep the descriptor that is watched"
            }
            Errno::EEXIST => ": it is registered already, share that registration",
            Errno::ENOSPC => ": too many registrations, see /proc/sys/fs/epoll/max_user_watches",
            _ => "",
        })
    }
}

impl error::Error for RegisterError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.cause)
    }
}

impl From<RegisterError> for io::Error {
    fn from(error: RegisterError) -> Self {
        Self::new(io::Error::from(error.cause).kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    const NOW: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn a_peer_that_hangs_up_before_anyone_waits_is_reported_at_most_once() {
        let poller = Poller::new().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        poller.add(&ours, 7, None).unwrap();
        drop(theirs);
        assert!(poller.wait(NOW).unwrap().len() <= 1);
        for _ in 0..3 {
            assert_eq!(poller.wait(NOW).unwrap().len(), 0);
        }
        // Whoever waits later is told all the same, and also only once.
        poller.arm_once(&ours, 7, Interest::Readable).unwrap();
        let told = poller.wait(NOW).unwrap();
        assert!(matches!(
            told[..],
            [Ready {
                number: 7,
                readable: true,
                ..
            }]
        ));
        assert_eq!(poller.wait(NOW).unwrap().len(), 0);
    }
}
