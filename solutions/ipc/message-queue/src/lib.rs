//! Message queues: each message has a priority, and the most urgent comes first.
//!
//! ```text
//!  send(b"a", 1) ─┐   ┌───────────────────────┐
//!  send(b"b", 9) ─┼──▶│ b (9) │ a (1) │ c (1) │──▶ receive: b, a, c
//!  send(b"c", 1) ─┘   └───────────────────────┘
//!                        the queue `/jobs`, in the kernel
//! ```

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::process;

use nix::errno::Errno;
use nix::libc;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_getattr, mq_open, mq_unlink};
use nix::sys::stat::Mode;

/// A moment that has passed (1970). A call with this time limit never waits: it
/// does its work at once, or fails with ETIMEDOUT.
const PAST: libc::timespec = libc::timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// A POSIX message queue (man 7 mq_overview), open for sending and receiving.
///
/// The kernel keeps the messages, in the order in which they will be received.
/// The process that created the queue removes the name when it drops this value.
///
/// Signals do not disturb a call: each wait continues after EINTR.
#[derive(Debug)]
pub struct Queue {
    // It stays in the blocking mode. The mode belongs to the open description,
    // which forked processes share, so no call may change it.
    queue: OwnedFd,
    longest: usize,
    /// If we created the queue: its name, and the process that must remove it.
    created: Option<(String, u32)>,
}

impl Queue {
    /// Makes a new queue with this name, which holds up to `capacity` messages of
    /// up to `longest` bytes each.
    ///
    /// # Errors
    /// EEXIST, `InvalidInput` for sizes that the system does not allow, any error
    /// for a name that is not valid, and the other errors of mq_open(3).
    pub fn create(name: &str, capacity: usize, longest: usize) -> io::Result<Queue> {
        let number = |size| i64::try_from(size).map_err(|_| Errno::EINVAL);
        let size = MqAttr::new(0, number(capacity)?, number(longest)?, 0);
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL;
        Ok(Queue {
            queue: open(name, flags, Some(&size))?,
            longest,
            created: Some((name.to_owned(), process::id())),
        })
    }

    /// Opens the queue with this name for sending and receiving.
    ///
    /// # Errors
    /// ENOENT, any error for a name that is not valid, and the other errors of
    /// mq_open(3).
    pub fn open(name: &str) -> io::Result<Queue> {
        let queue = open(name, MQ_OFlag::empty(), None)?;
        let longest = longest(&queue)?;
        Ok(Queue {
            queue,
            longest,
            created: None,
        })
    }

    /// Sends a message. Waits while the queue is full.
    ///
    /// # Errors
    /// EINVAL for a priority above 32767, EMSGSIZE for a message that is too long.
    pub fn send(&self, message: &[u8], priority: u32) -> io::Result<()> {
        Ok(self.send_until(message, priority, None)?)
    }

    /// Sends a message if the queue has room for it. Returns false if it is full.
    ///
    /// # Errors
    /// As for [`send`](Queue::send).
    pub fn try_send(&self, message: &[u8], priority: u32) -> io::Result<bool> {
        match self.send_until(message, priority, Some(&PAST)) {
            Ok(()) => Ok(true),
            Err(Errno::ETIMEDOUT) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes out the first message, and returns it with its priority. Waits while
    /// the queue is empty.
    ///
    /// # Errors
    /// Those of mq_receive(3).
    pub fn receive(&self) -> io::Result<(Vec<u8>, u32)> {
        Ok(self.receive_until(None)?)
    }

    /// Takes out the first message, and returns it with its priority. Returns
    /// `None` if the queue is empty.
    ///
    /// # Errors
    /// Those of mq_receive(3).
    pub fn try_receive(&self) -> io::Result<Option<(Vec<u8>, u32)>> {
        match self.receive_until(Some(&PAST)) {
            Ok(message) => Ok(Some(message)),
            Err(Errno::ETIMEDOUT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sends a message, and waits for room until this time at most.
    fn send_until(
        &self,
        message: &[u8],
        priority: u32,
        limit: Option<&libc::timespec>,
    ) -> Result<(), Errno> {
        let limit = limit.map_or(std::ptr::null(), std::ptr::from_ref);
        let (bytes, length) = (message.as_ptr().cast(), message.len());
        uninterrupted(|| {
            // SAFETY: the message and the time outlive the call, which only reads
            // them. A null pointer is no time limit.
            Errno::result(unsafe {
                libc::mq_timedsend(self.queue.as_raw_fd(), bytes, length, priority, limit)
            })
        })
        .map(drop)
    }

    /// Receives a message, and waits for one until this time at most.
    fn receive_until(&self, limit: Option<&libc::timespec>) -> Result<(Vec<u8>, u32), Errno> {
        let limit = limit.map_or(std::ptr::null(), std::ptr::from_ref);
        // The kernel demands room for the longest message that the queue takes,
        // whichever message comes.
        let mut message = vec![0_u8; self.longest];
        let mut priority = 0;
        let (buffer, room) = (message.as_mut_ptr().cast(), message.len());
        let length = uninterrupted(|| {
            // SAFETY: the buffer has this much room, and the time outlives the call.
            // A null pointer is no time limit.
            Errno::result(unsafe {
                let queue = self.queue.as_raw_fd();
                libc::mq_timedreceive(queue, buffer, room, &raw mut priority, limit)
            })
        })?;
        message.truncate(usize::try_from(length).unwrap_or(0));
        Ok((message, priority))
    }
}

impl Drop for Queue {
    /// Removes the name in the process that created the queue. A forked child has
    /// a copy of this value, and not the right to remove the name.
    fn drop(&mut self) {
        if let Some((name, creator)) = &self.created
            && *creator == process::id()
        {
            // An error means that the name is gone; nothing else is to be done.
            let _ = mq_unlink(name.as_str());
        }
    }
}

/// Opens or makes a queue. The C library and the kernel refuse names that are not
/// valid, and nix refuses a name with a NUL.
fn open(name: &str, flags: MQ_OFlag, size: Option<&MqAttr>) -> io::Result<OwnedFd> {
    let flags = flags | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC;
    let queue = mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, size)?;
    // SAFETY: in Linux a message queue is a file descriptor, and nothing else owns
    // this one: nix's type does not close it.
    Ok(unsafe { OwnedFd::from_raw_fd(queue.into_raw_fd()) })
}

/// The length of the longest message that the queue takes.
fn longest(queue: &OwnedFd) -> io::Result<usize> {
    // SAFETY: the descriptor is borrowed: nix's type does not close it.
    let queue = unsafe { MqdT::from_raw_fd(queue.as_raw_fd()) };
    let attributes = mq_getattr(&queue)?;
    Ok(usize::try_from(attributes.msgsize()).unwrap_or(0))
}

/// Makes a call again for as long as signals interrupt it.
fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}
