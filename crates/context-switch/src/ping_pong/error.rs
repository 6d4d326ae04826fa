//! The reasons why a game does not reach its end.

use std::{error, fmt, io};

use crate::PinError;

/// Why a game has no result.
#[derive(Debug)]
pub enum PingPongError {
    /// A side cannot be pinned to the CPU where it should run.
    Pin(PinError),
    /// On one CPU, a spinning side keeps the other side from answering until
    /// its time slice is over. A round trip would take milliseconds and say
    /// nothing about the cost of a switch.
    SpinOnOneCpu,
    /// The system provided no process, thread, pipe or memory, or the other
    /// side ended too early.
    System(io::Error),
}

impl fmt::Display for PingPongError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PingPongError::Pin(error) => error.fmt(f),
            PingPongError::SpinOnOneCpu => write!(
                f,
                "spinning on one CPU keeps the other side from answering: \
                 use two CPUs, or a futex"
            ),
            PingPongError::System(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                write!(
                    f,
                    "the other side ended before the last round trip: was it killed?"
                )
            }
            PingPongError::System(error) => write!(f, "the game could not be played: {error}"),
        }
    }
}

impl error::Error for PingPongError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            PingPongError::Pin(error) => Some(error),
            PingPongError::SpinOnOneCpu => None,
            PingPongError::System(error) => Some(error),
        }
    }
}

impl From<PinError> for PingPongError {
    fn from(error: PinError) -> PingPongError {
        PingPongError::Pin(error)
    }
}

impl From<io::Error> for PingPongError {
    fn from(error: io::Error) -> PingPongError {
        PingPongError::System(error)
    }
}

impl From<nix::errno::Errno> for PingPongError {
    fn from(errno: nix::errno::Errno) -> PingPongError {
        PingPongError::System(errno.into())
    }
}
