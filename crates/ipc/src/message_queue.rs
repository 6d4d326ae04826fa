//! POSIX message queues: a queue has a name, keeps message boundaries, and
//! orders its messages by priority (man 7 mq_overview).
//!
//! ```
//! use ipc::MessageQueue;
//!
//! let name = format!("/ipc-example-{}", std::process::id());
//! let queue = MessageQueue::create(&name, 4, 100)?;
//! queue.send(b"when you have time", 1)?;
//! queue.send(b"now!", 9)?;
//! let urgent = queue.receive()?;
//! assert_eq!((&urgent.bytes[..], urgent.priority), (&b"now!"[..], 9));
//! assert_eq!(queue.receive()?.bytes, b"when you have time");
//! # Ok::<(), ipc::QueueError>(())
//! ```

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::time::{Duration, Instant};
use std::{error, fmt, io};

use nix::errno::Errno;
use nix::mqueue::{MQ_OFlag, MqAttr, MqdT, mq_getattr, mq_open, mq_receive, mq_send, mq_unlink};
use nix::poll::PollFlags;
use nix::sys::stat::Mode;
use processes::Pid;

use crate::socket::await_ready;

/// The number of priorities (`sysconf(_SC_MQ_PRIO_MAX)` on Linux). The highest
/// priority is one less.
pub const PRIORITIES: u32 = 32768;

/// A queue of messages, open for sending and receiving.
///
/// The message with the highest priority comes first. Among messages of equal
/// priority, the oldest comes first. The queue outlives its processes until its
/// name is removed. The process that created the queue removes the name when it
/// drops this value. A receiver gets no end of file when all senders are gone.
///
/// Signals do not disturb a call: each wait continues after EINTR.
#[derive(Debug)]
pub struct MessageQueue {
    queue: OwnedFd,
    longest: usize,
    /// The name, if we created the queue, and the process that must remove it.
    name: Option<(String, Pid)>,
}

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The content, which may be empty.
    pub bytes: Vec<u8>,
    /// The priority with which it was sent.
    pub priority: u32,
}

/// What can go wrong with a message queue.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueueError {
    /// A queue with this name already exists.
    NameTaken(String),
    /// There is no queue with this name.
    NoSuchName(String),
    /// The name is not valid. A valid name is one `/` followed by 1 to 254
    /// other bytes.
    BadName(String),
    /// The system does not allow a queue of this size. For the limits of one
    /// queue, see `/proc/sys/fs/mqueue/`; for all queues of a user,
    /// `ulimit -q`.
    Refused {
        /// How many messages the queue should have held.
        messages: usize,
        /// The length in bytes of the longest message that it should have
        /// taken.
        longest: usize,
        /// The cause.
        source: io::Error,
    },
    /// The message is longer than the queue allows. Nothing was sent.
    TooLong {
        /// The length of the message in bytes.
        length: usize,
        /// The length of the longest message that the queue takes, in bytes.
        longest: usize,
    },
    /// There is no such priority: priorities go from 0 to 32767.
    Priority(u32),
    /// The system call failed.
    Io(io::Error),
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueueError::NameTaken(name) => write!(
                f,
                "a message queue named `{name}` already exists: open it, choose another name, \
                 or remove it if the process that created it was killed"
            ),
            QueueError::NoSuchName(name) => {
                write!(
                    f,
                    "there is no message queue named `{name}`: was it created?"
                )
            }
            QueueError::BadName(name) => write!(
                f,
                "`{name}` is not a valid name for a message queue: \
                 write `/` and up to 254 bytes without `/`"
            ),
            QueueError::Refused {
                messages,
                longest,
                source,
            } => write!(
                f,
                "a queue of {messages} messages of {longest} bytes is not allowed: {source}; \
                 see /proc/sys/fs/mqueue/ and `ulimit -q`, or ask for less"
            ),
            QueueError::TooLong { length, longest } => write!(
                f,
                "a message of {length} bytes is too long for this queue, which takes at most \
                 {longest} bytes: send it in parts"
            ),
            QueueError::Priority(priority) => {
                write!(
                    f,
                    "there is no priority {priority}: priorities go from 0 to 32767"
                )
            }
            QueueError::Io(error) => write!(f, "message queue: {error}"),
        }
    }
}

impl error::Error for QueueError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            QueueError::Io(error) | QueueError::Refused { source: error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<Errno> for QueueError {
    fn from(errno: Errno) -> QueueError {
        QueueError::Io(errno.into())
    }
}

impl MessageQueue {
    /// Creates a queue for the processes of this user. It holds up to
    /// `messages` messages of up to `longest` bytes each. An ordinary user may
    /// create a queue for 10 messages of 8,192 bytes, unless the system is
    /// configured otherwise.
    ///
    /// # Errors
    /// [`QueueError::NameTaken`], [`QueueError::BadName`],
    /// [`QueueError::Refused`], [`QueueError::Io`].
    pub fn create(name: &str, messages: usize, longest: usize) -> Result<MessageQueue, QueueError> {
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL;
        let refused = |source: io::Error| QueueError::Refused {
            messages,
            longest,
            source,
        };
        let number = |count: usize| {
            let count = i64::try_from(count).ok().filter(|count| *count > 0);
            count.ok_or_else(|| refused(io::ErrorKind::InvalidInput.into()))
        };
        let size = MqAttr::new(0, number(messages)?, number(longest)?, 0);
        let mut queue = open(name, flags, Some(&size)).map_err(|error| match error {
            QueueError::Io(source) => match source.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EINVAL | Errno::EMFILE | Errno::ENOSPC | Errno::ENOMEM) => {
                    refused(source)
                }
                _ => QueueError::Io(source),
            },
            other => other,
        })?;
        queue.name = Some((name.to_owned(), std::process::id().cast_signed()));
        Ok(queue)
    }

    /// Opens the queue with this name.
    ///
    /// # Errors
    /// [`QueueError::NoSuchName`], [`QueueError::BadName`], [`QueueError::Io`].
    pub fn open(name: &str) -> Result<MessageQueue, QueueError> {
        open(name, MQ_OFlag::empty(), None)
    }

    /// Removes the name of the queue now. Processes that have the queue open
    /// can still use it. In a process that did not create the queue, this call
    /// does nothing.
    ///
    /// # Errors
    /// [`QueueError::Io`].
    pub fn unlink(&mut self) -> Result<(), QueueError> {
        match self.name.take() {
            Some((name, creator)) if creator == std::process::id().cast_signed() => {
                Ok(mq_unlink(name.as_str())?)
            }
            _ => Ok(()),
        }
    }

    /// The length of the longest message that the queue takes, in bytes.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// How many messages are in the queue.
    ///
    /// # Errors
    /// [`QueueError::Io`].
    pub fn waiting(&self) -> Result<usize, QueueError> {
        let attributes = with_queue(&self.queue, mq_getattr)?;
        Ok(usize::try_from(attributes.curmsgs()).unwrap_or(0))
    }

    /// Sends a message. Waits while the queue is full. The message overtakes
    /// all messages of lower priority.
    ///
    /// # Errors
    /// [`QueueError::TooLong`], [`QueueError::Priority`], [`QueueError::Io`].
    pub fn send(&self, message: &[u8], priority: u32) -> Result<(), QueueError> {
        self.send_until(message, priority, None).map(|_| ())
    }

    /// Like [`send`](MessageQueue::send), but waits for at most `patience`.
    /// Returns false if the queue was full for all of this time. With a
    /// patience of zero, it never waits.
    ///
    /// # Errors
    /// As for [`send`](MessageQueue::send).
    pub fn send_timeout(
        &self,
        message: &[u8],
        priority: u32,
        patience: Duration,
    ) -> Result<bool, QueueError> {
        // A patience that exceeds the clock's range means no deadline.
        self.send_until(message, priority, Instant::now().checked_add(patience))
    }

    fn send_until(
        &self,
        message: &[u8],
        priority: u32,
        deadline: Option<Instant>,
    ) -> Result<bool, QueueError> {
        loop {
            if self.try_send(message, priority)? {
                return Ok(true);
            }
            let ready = await_ready(self.as_fd(), PollFlags::POLLOUT, deadline);
            if !ready.map_err(QueueError::Io)? {
                return Ok(false);
            }
        }
    }

    /// Sends a message if there is room for it now. Returns false if the queue
    /// is full.
    ///
    /// # Errors
    /// As for [`send`](MessageQueue::send).
    pub fn try_send(&self, message: &[u8], priority: u32) -> Result<bool, QueueError> {
        if priority >= PRIORITIES {
            return Err(QueueError::Priority(priority));
        }
        loop {
            match with_queue(&self.queue, |queue| mq_send(queue, message, priority)) {
                Ok(()) => return Ok(true),
                Err(Errno::EAGAIN) => return Ok(false),
                Err(Errno::EINTR) => {}
                Err(Errno::EMSGSIZE) => {
                    let (length, longest) = (message.len(), self.longest);
                    return Err(QueueError::TooLong { length, longest });
                }
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Takes out the message with the highest priority. Waits while the queue
    /// is empty.
    ///
    /// # Errors
    /// [`QueueError::Io`].
    pub fn receive(&self) -> Result<Message, QueueError> {
        loop {
            // Without a deadline, `receive_until` never returns `None`.
            if let Some(message) = self.receive_until(None)? {
                return Ok(message);
            }
        }
    }

    /// Like [`receive`](MessageQueue::receive), but waits for at most
    /// `patience`. Returns `None` if the queue was empty for all of this time.
    /// With a patience of zero, it never waits.
    ///
    /// # Errors
    /// [`QueueError::Io`].
    pub fn receive_timeout(&self, patience: Duration) -> Result<Option<Message>, QueueError> {
        self.receive_until(Instant::now().checked_add(patience))
    }

    fn receive_until(&self, deadline: Option<Instant>) -> Result<Option<Message>, QueueError> {
        let mut bytes = vec![0; self.longest];
        loop {
            if let Some((length, priority)) = self.try_receive(&mut bytes)? {
                bytes.truncate(length);
                return Ok(Some(Message { bytes, priority }));
            }
            let ready = await_ready(self.as_fd(), PollFlags::POLLIN, deadline);
            if !ready.map_err(QueueError::Io)? {
                return Ok(None);
            }
        }
    }

    /// Takes out the message with the highest priority, if there is a message,
    /// and returns its length and priority. The buffer must have room for the
    /// longest message that the queue takes.
    pub(crate) fn try_receive(
        &self,
        buffer: &mut [u8],
    ) -> Result<Option<(usize, u32)>, QueueError> {
        let mut priority = 0;
        loop {
            let receive = |queue: &MqdT| mq_receive(queue, buffer, &mut priority);
            match with_queue(&self.queue, receive) {
                Ok(length) => return Ok(Some((length, priority))),
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl AsFd for MessageQueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.queue.as_fd()
    }
}

impl Drop for MessageQueue {
    fn drop(&mut self) {
        // `drop` cannot report an error.
        _ = self.unlink();
    }
}

fn open(name: &str, flags: MQ_OFlag, size: Option<&MqAttr>) -> Result<MessageQueue, QueueError> {
    let rest = name.strip_prefix('/').unwrap_or_default();
    let good = !rest.is_empty() && rest.len() <= 254 && !rest.contains(['/', '\0']);
    if !good {
        return Err(QueueError::BadName(name.to_owned()));
    }
    // The queue is non-blocking. We wait with poll instead, with a deadline
    // that signals do not prolong.
    let flags = flags | MQ_OFlag::O_RDWR | MQ_OFlag::O_CLOEXEC | MQ_OFlag::O_NONBLOCK;
    let queue = match mq_open(name, flags, Mode::S_IRUSR | Mode::S_IWUSR, size) {
        Ok(queue) => queue,
        Err(Errno::EEXIST) => return Err(QueueError::NameTaken(name.to_owned())),
        Err(Errno::ENOENT) => return Err(QueueError::NoSuchName(name.to_owned())),
        Err(errno) => return Err(errno.into()),
    };
    // SAFETY: on Linux a message queue is a file descriptor, and nothing else
    // owns this descriptor.
    let queue = unsafe { OwnedFd::from_raw_fd(queue.into_raw_fd()) };
    let longest = with_queue(&queue, mq_getattr)?.msgsize();
    Ok(MessageQueue {
        queue,
        longest: usize::try_from(longest).unwrap_or(0),
        name: None,
    })
}

/// Lends the descriptor to `call`, as the type that nix expects.
fn with_queue<R>(queue: &OwnedFd, call: impl FnOnce(&MqdT) -> R) -> R {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is a message queue and stays open while it is
    // lent. ManuallyDrop keeps the end of the loan from closing it.
    let lent = ManuallyDrop::new(unsafe { MqdT::from_raw_fd(queue.as_raw_fd()) });
    call(&lent)
}
