//! The messages between the program and the zygote of its pool.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};

use crate::Pid;

/// An order from the program to the zygote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Start a worker for this seat. The message carries the worker's socket.
    Start { seat: usize },
    /// Kill the worker of this seat.
    Kill { seat: usize },
}

/// A report from the zygote to the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The first report: the zygote takes orders now.
    Ready,
    /// The first report: the zygote cannot work, because of this errno, and
    /// ends.
    Failed { errno: i32 },
    /// A worker was started.
    Started { seat: usize, pid: Pid },
    /// No worker could be started, because of this errno.
    Refused { seat: usize, errno: i32 },
    /// A worker has ended and was reaped, with this status of `waitpid`.
    Ended { seat: usize, status: i32 },
}

/// One message: its kind, the seat, and a number (a pid, an errno or a status).
type Words = [i32; 3];

const SIZE: usize = size_of::<Words>();

impl Order {
    fn words(self) -> Words {
        match self {
            Order::Start { seat } => [0, seat as i32, 0],
            Order::Kill { seat } => [1, seat as i32, 0],
        }
    }

    fn from_words([what, seat, _]: Words) -> Option<Order> {
        let seat = usize::try_from(seat).ok()?;
        match what {
            0 => Some(Order::Start { seat }),
            1 => Some(Order::Kill { seat }),
            _ => None,
        }
    }
}

impl Report {
    fn words(self) -> Words {
        match self {
            Report::Ready => [3, 0, 0],
            Report::Failed { errno } => [4, 0, errno],
            Report::Started { seat, pid } => [0, seat as i32, pid],
            Report::Refused { seat, errno } => [1, seat as i32, errno],
            Report::Ended { seat, status } => [2, seat as i32, status],
        }
    }

    fn from_words([what, seat, number]: Words) -> Option<Report> {
        let seat = usize::try_from(seat).ok()?;
        match what {
            0 => Some(Report::Started { seat, pid: number }),
            1 => {
                let errno = number;
                Some(Report::Refused { seat, errno })
            }
            2 => {
                let status = number;
                Some(Report::Ended { seat, status })
            }
            3 => Some(Report::Ready),
            4 => Some(Report::Failed { errno: number }),
            _ => None,
        }
    }
}

/// One end of the connection between the two: a socket that preserves message
/// boundaries.
#[derive(Debug)]
pub(crate) struct Control(OwnedFd);

impl Control {
    pub(crate) fn pair() -> io::Result<(Control, Control)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Control(pair.0), Control(pair.1)))
    }

    pub(crate) fn order(&self, order: Order, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        self.send(order.words(), socket)
    }

    pub(crate) fn report(&self, report: Report) -> io::Result<()> {
        self.send(report.words(), None)
    }

    /// Waits for the next order, and returns it with its socket. The socket is
    /// missing if the order has none, or if this process has no descriptor left
    /// for it.
    pub(crate) fn next_order(&self) -> io::Result<(Order, Option<OwnedFd>)> {
        let (words, socket) = self.receive(true)?.ok_or(Errno::EAGAIN)?;
        Ok((Order::from_words(words).ok_or_else(unknown)?, socket))
    }

    /// The next report. Without `wait`, this returns `None` if there is none.
    pub(crate) fn next_report(&self, wait: bool) -> io::Result<Option<Report>> {
        let Some((words, _)) = self.receive(wait)? else {
            return Ok(None);
        };
        Report::from_words(words).ok_or_else(unknown).map(Some)
    }

    fn send(&self, words: Words, socket: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let bytes = words.map(i32::to_le_bytes).concat();
        let sockets = [socket.map_or(-1, |socket| socket.as_raw_fd())];
        let attached = [ControlMessage::ScmRights(&sockets)];
        let attached = &attached[..usize::from(socket.is_some())];
        let (fd, flags) = (self.0.as_raw_fd(), MsgFlags::MSG_NOSIGNAL);
        loop {
            match sendmsg::<()>(fd, &[IoSlice::new(&bytes)], attached, flags, None) {
                Err(Errno::EINTR) => {}
                other => return Ok(other.map(|_| ())?),
            }
        }
    }

    /// Receives one message. Fails with `UnexpectedEof` if the other side is
    /// gone.
    fn receive(&self, wait: bool) -> io::Result<Option<(Words, Option<OwnedFd>)>> {
        let mut bytes = [0; SIZE];
        let mut room = cmsg_space!(RawFd);
        let mut flags = MsgFlags::MSG_CMSG_CLOEXEC;
        flags.set(MsgFlags::MSG_DONTWAIT, !wait);
        let (count, socket) = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut room), flags) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) if !wait => return Ok(None),
                // The other side closed its socket before it had read
                // everything that we sent.
                Err(Errno::ECONNRESET) => break (0, None),
                Err(errno) => return Err(errno.into()),
                // The kernel had no descriptor left for the socket, and has
                // closed it.
                Ok(message) if message.flags.contains(MsgFlags::MSG_CTRUNC) => {
                    break (message.bytes, None);
                }
                Ok(message) => {
                    let received = message.cmsgs()?.find_map(|attached| match attached {
                        ControlMessageOwned::ScmRights(sockets) => sockets.first().copied(),
                        _ => None,
                    });
                    // SAFETY: the kernel has just opened it for us alone.
                    let owned = received.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
                    break (message.bytes, owned);
                }
            }
        };
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if count != SIZE {
            return Err(unknown());
        }
        let word = |at: usize| i32::from_le_bytes([0, 1, 2, 3].map(|byte| bytes[4 * at + byte]));
        Ok(Some(([word(0), word(1), word(2)], socket)))
    }
}

impl AsFd for Control {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn unknown() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "a message between a program and its process pool has an unknown form",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_reports_arrive_as_they_were_sent() {
        let (ours, theirs) = Control::pair().unwrap();
        let (reader, _writer) = io::pipe().unwrap();
        ours.order(Order::Start { seat: 3 }, Some(reader.as_fd()))
            .unwrap();
        ours.order(Order::Kill { seat: 4 }, None).unwrap();
        let (order, socket) = theirs.next_order().unwrap();
        assert_eq!(order, Order::Start { seat: 3 });
        let flags = nix::fcntl::fcntl(socket.unwrap(), nix::fcntl::F_GETFD).unwrap();
        assert_eq!(flags, libc::FD_CLOEXEC);
        let (order, socket) = theirs.next_order().unwrap();
        assert_eq!(order, Order::Kill { seat: 4 });
        assert!(socket.is_none());

        assert_eq!(ours.next_report(false).unwrap(), None);
        let report = Report::Ended { seat: 1, status: 9 };
        theirs.report(report).unwrap();
        assert_eq!(ours.next_report(true).unwrap(), Some(report));
        drop(theirs);
        let end = ours.next_report(true).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }
}
