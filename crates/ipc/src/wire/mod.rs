//! What a [`Duplex`](crate::Duplex) needs of a transport: to carry bytes, and
//! to say when it can carry more.

mod packets;
mod pipe;
mod queue;
mod ring;
mod stream;

pub(crate) use packets::packets;
pub(crate) use pipe::pipes;
pub(crate) use queue::queues;
pub(crate) use ring::rings;
pub(crate) use stream::streams;

use std::io;
use std::time::Instant;

/// One end of a transport in both directions. No call shows a signal.
pub(crate) trait Wire: Send {
    /// Sends the beginning of `bytes`, which is not empty, and says how much;
    /// `None` if the transport is full. `BrokenPipe` if the other side is gone.
    fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>>;

    /// Receives into `buffer`, which has room for at least [`PIECE`] bytes, and
    /// says how many; `None` if nothing is there, 0 if the other side is gone
    /// and nothing is left.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>>;

    /// Waits until `write` can do something: false if the deadline comes first.
    fn await_room(&mut self, deadline: Option<Instant>) -> io::Result<bool>;

    /// Waits until `read` can do something: false if the deadline comes first.
    fn await_bytes(&mut self, deadline: Option<Instant>) -> io::Result<bool>;
}

/// The two ends of a transport.
pub(crate) type Ends = (Box<dyn Wire>, Box<dyn Wire>);

/// No transport that keeps messages apart hands out more at once.
pub(crate) const PIECE: usize = 64 * 1024;
