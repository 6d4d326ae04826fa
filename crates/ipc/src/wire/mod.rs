//! What a [`Duplex`](crate::Duplex) needs from a transport: the transport must
//! carry bytes, and a process must be able to wait until it can carry more.

mod packets;
mod pipe;
mod queue;
mod ring;
mod stream;

use std::io;
use std::time::Instant;

pub(crate) use packets::packets;
pub(crate) use pipe::pipes;
pub(crate) use queue::queues;
pub(crate) use ring::rings;
pub(crate) use stream::streams;

/// One end of a transport, for both directions. No call fails with EINTR.
pub(crate) trait Wire: Send {
    /// Sends the beginning of `bytes`, which must not be empty, and returns how
    /// many bytes it sent. Returns `None` if the transport is full. Fails with
    /// `BrokenPipe` or `ConnectionReset` if the other side is gone. (If the
    /// other process was killed, shared memory may first fill up.)
    fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>>;

    /// Receives into `buffer`, which must have room for at least [`PIECE`]
    /// bytes, and returns how many bytes it received. Returns `None` if nothing
    /// is there, and 0 if the other side is gone and nothing is left.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>>;

    /// Waits until `write` can make progress. Returns false if the deadline
    /// comes first. May fail like `write`.
    fn await_room(&mut self, deadline: Option<Instant>) -> io::Result<bool>;

    /// Waits until `read` can make progress. Returns false if the deadline
    /// comes first.
    fn await_bytes(&mut self, deadline: Option<Instant>) -> io::Result<bool>;
}

/// The two ends of a transport.
pub(crate) type Ends = (Box<dyn Wire>, Box<dyn Wire>);

/// A transport that keeps message boundaries returns at most this many bytes at
/// once.
pub(crate) const PIECE: usize = 64 * 1024;
