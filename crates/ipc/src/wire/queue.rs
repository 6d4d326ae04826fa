//! Two message queues without a name, one for each direction.

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::{Ends, Wire};
use crate::lifeline::Lifeline;
use crate::{MessageQueue, QueueError};

/// The queues are small, because all queues of an ordinary user together may
/// take only 800 KiB (`ulimit -q`).
const MESSAGES: usize = 8;
const LONGEST: usize = 4096;

struct Queues {
    from_peer: MessageQueue,
    to_peer: MessageQueue,
    /// A queue does not report whether another process still has it open.
    lifeline: Lifeline,
}

pub(crate) fn queues() -> io::Result<Ends> {
    let (one_reads, other_writes) = queue()?;
    let (other_reads, one_writes) = queue()?;
    let (ours, theirs) = Lifeline::pair()?;
    let one = Queues {
        from_peer: one_reads,
        to_peer: one_writes,
        lifeline: ours,
    };
    let other = Queues {
        from_peer: other_reads,
        to_peer: other_writes,
        lifeline: theirs,
    };
    Ok((Box::new(one), Box::new(other)))
}

/// Creates a queue, opens it a second time, and then removes its name.
fn queue() -> io::Result<(MessageQueue, MessageQueue)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("/ipc-{}-{count}", std::process::id());
        match MessageQueue::create(&name, MESSAGES, LONGEST) {
            Ok(mut one) => {
                let other = MessageQueue::open(&name).map_err(io_error)?;
                one.unlink().map_err(io_error)?;
                return Ok((one, other));
            }
            // A killed process that had our process ID left this name behind.
            Err(QueueError::NameTaken(_)) => {}
            Err(error) => return Err(io_error(error)),
        }
    }
}

impl Wire for Queues {
    fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        // Like a socket, refuse a message if no process can receive it.
        if self.lifeline.is_cut() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let message = &bytes[..bytes.len().min(LONGEST)];
        let sent = self.to_peer.try_send(message, 0).map_err(io_error)?;
        Ok(sent.then_some(message.len()))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        // Look at the lifeline first. If it is cut, everything that the other
        // side sent is already in the queue.
        let is_cut = self.lifeline.is_cut();
        match self.from_peer.try_receive(buffer).map_err(io_error)? {
            Some((length, _)) => Ok(Some(length)),
            None => Ok(is_cut.then_some(0)),
        }
    }

    fn await_room(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        await_either(&self.to_peer, PollFlags::POLLOUT, &self.lifeline, deadline)
    }

    fn await_bytes(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        await_either(&self.from_peer, PollFlags::POLLIN, &self.lifeline, deadline)
    }
}

/// Waits until the queue is ready or the lifeline is cut. Returns false if the
/// deadline comes first.
fn await_either(
    queue: &MessageQueue,
    events: PollFlags,
    lifeline: &Lifeline,
    deadline: Option<Instant>,
) -> io::Result<bool> {
    let mut watched = [
        PollFd::new(queue.as_fd(), events),
        PollFd::new(lifeline.as_fd(), PollFlags::POLLIN),
    ];
    loop {
        let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
        match ppoll(&mut watched, left.map(TimeSpec::from_duration), None) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn io_error(error: QueueError) -> io::Error {
    match error {
        QueueError::Io(error) => error,
        other => io::Error::other(other),
    }
}
