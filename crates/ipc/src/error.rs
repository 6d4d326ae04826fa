//! What can go wrong on a channel.

use processes::Pid;
use std::{error, fmt, io};

/// Why a message was not received.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// The other side closed the channel, between two messages: the normal
    /// end.
    Closed,
    /// The other side closed it in the middle of a message: it died, or gave
    /// up.
    Truncated {
        /// How many bytes of the frame arrived, its 4-byte header included.
        received: usize,
        /// How long the frame was to be, if the header was complete.
        expected: Option<usize>,
    },
    /// The header claims a body longer than the limit. Nothing of the body
    /// was read, and no memory was taken for it. The channel cannot go on:
    /// every later call says the same.
    TooLong {
        /// What the header claims, in bytes.
        length: u64,
        /// What [`Channel::set_limit`](crate::Channel::set_limit) allows.
        limit: u64,
    },
    /// The body is not the encoding of a value of the expected type. The
    /// frame is consumed; the channel can go on.
    Malformed(String),
    /// The bytes of one frame were written by two processes, for instance by
    /// a forked child which runs on with its parent's end. The channel cannot
    /// go on: every later call says the same.
    MixedSenders {
        /// Who wrote the beginning.
        first: Pid,
        /// Who wrote what came next.
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
                "one message was written by two processes, {first} and {second}: \
                 give each its own channel"
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

/// Why a message was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// The other side is closed (EPIPE; no SIGPIPE is raised). How much of
    /// earlier messages was read is unknown.
    Closed,
    /// The encoded message is longer than the limit. Nothing was written; the
    /// channel can go on.
    TooLong {
        /// The length of the encoded message in bytes.
        length: u64,
        /// What [`Channel::set_limit`](crate::Channel::set_limit) allows.
        limit: u64,
    },
    /// The value's `Serialize` failed. Nothing was written; the channel can
    /// go on.
    NotEncodable(String),
    /// The system call failed. A part of the message may have been written;
    /// the next call goes on with the rest.
    Io(io::Error),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendError::Closed => f.write_str("the other side closed the channel"),
            SendError::TooLong { length, limit } => write!(
                f,
                "a message of {length} bytes is over the limit of {limit}: \
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
