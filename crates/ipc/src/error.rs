//! What can go wrong on a channel.

use std::{error, fmt, io};

use processes::Pid;
use processes::frame::{Malformed, NotFramed};

/// Why a message was not received.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// The other side closed the channel between two messages. This is the
    /// normal end.
    Closed,
    /// The other side closed the channel in the middle of a message, because
    /// it died or gave up.
    Truncated {
        /// How many bytes of the frame arrived, including its 4-byte header.
        received: usize,
        /// The length of the whole frame in bytes, if the header was complete.
        expected: Option<usize>,
    },
    /// The header announces a body that is longer than the limit. The receiver
    /// allocated no memory for this body, and a [`Channel`](crate::Channel)
    /// read none of it. Receiving cannot go on: every later call returns the
    /// same error.
    TooLong {
        /// The length that the header announces, in bytes.
        length: u64,
        /// The limit in bytes; see
        /// [`Channel::set_limit`](crate::Channel::set_limit).
        limit: u64,
    },
    /// The body is not the encoding of a value of the expected type. The
    /// frame has been consumed, so the channel can go on.
    Malformed(String),
    /// Two processes wrote the bytes of one frame, for instance because a
    /// forked child continues to use its parent's end. Receiving cannot go on:
    /// every later call returns the same error. Only a
    /// [`Channel`](crate::Channel) detects this.
    MixedSenders {
        /// The process that wrote the beginning.
        first: Pid,
        /// The process that wrote the bytes after that.
        second: Pid,
    },
    /// The system call failed.
    Io(io::Error),
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecvError::Closed => f.write_str("the other side closed the channel"),
            RecvError::Truncated {
                received,
                expected: Some(expected),
            } => write!(
                f,
                "the other side closed the channel in the middle of a message: \
                 {received} of {expected} bytes arrived"
            ),
            RecvError::Truncated {
                received,
                expected: None,
            } => write!(
                f,
                "the other side closed the channel in the middle of a message: \
                 {received} of the 4 bytes that give its length arrived"
            ),
            RecvError::TooLong { length, limit } => write!(
                f,
                "the other side announces a message of {length} bytes; the limit is {limit} \
                 (Channel::set_limit)"
            ),
            RecvError::Malformed(why) => write!(
                f,
                "a message is not the encoding of the expected type: {why}; \
                 are both sides built from the same types?"
            ),
            RecvError::MixedSenders { first, second } => write!(
                f,
                "two processes, {first} and {second}, wrote parts of one message: \
                 give each process its own channel"
            ),
            RecvError::Io(error) => write!(f, "receiving from a channel: {error}"),
        }
    }
}

impl error::Error for RecvError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            RecvError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Malformed> for RecvError {
    fn from(malformed: Malformed) -> RecvError {
        RecvError::Malformed(malformed.to_string())
    }
}

/// Why a message was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The other side is closed. The call fails with EPIPE, and SIGPIPE does
    /// not end the process. It is unknown how much of the earlier messages the
    /// other side has read.
    Closed,
    /// The encoded message is longer than the limit. Nothing was written, and
    /// the channel can go on.
    TooLong {
        /// The length of the encoded message in bytes.
        length: u64,
        /// The limit in bytes; see
        /// [`Channel::set_limit`](crate::Channel::set_limit).
        limit: u64,
    },
    /// The value's `Serialize` implementation returned an error. Nothing was
    /// written, and the channel can go on.
    NotEncodable(String),
    /// The system call failed. Part of the message may already have been
    /// written. The next call continues with the rest.
    Io(io::Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Closed => f.write_str("the other side closed the channel"),
            SendError::TooLong { length, limit } => write!(
                f,
                "a message of {length} bytes is over the limit of {limit} bytes: \
                 send it in parts, or raise the limit on both sides (Channel::set_limit)"
            ),
            SendError::NotEncodable(why) => write!(f, "a message cannot be encoded: {why}"),
            SendError::Io(error) => write!(f, "sending on a channel: {error}"),
        }
    }
}

impl error::Error for SendError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            SendError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<NotFramed> for SendError {
    fn from(not_framed: NotFramed) -> SendError {
        match not_framed {
            NotFramed::TooLong { length, limit } => SendError::TooLong { length, limit },
            NotFramed::Full | NotFramed::NotEncoded(_) => {
                SendError::NotEncodable(not_framed.to_string())
            }
        }
    }
}

impl SendError {
    /// The error of a system call that writes. EPIPE and ECONNRESET say that
    /// the other side is closed; the latter, that it had not read everything.
    pub(crate) fn of(error: io::Error) -> SendError {
        match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => SendError::Closed,
            _ => SendError::Io(error),
        }
    }
}
