//! Two rings of bytes in shared memory, one for each direction.

use std::io;
use std::time::Instant;

use super::{Ends, Wire};
use crate::{Consumer, Producer, RingError, ring};

/// How many bytes a ring holds: as many as a pipe.
const CAPACITY: usize = 64 * 1024;

struct Rings {
    from_peer: Consumer<u8>,
    to_peer: Producer<u8>,
    /// Whether the other side is gone and nothing is left.
    ended: bool,
}

pub(crate) fn rings() -> io::Result<Ends> {
    let (other_writes, one_reads) = ring(CAPACITY).map_err(io::Error::other)?;
    let (one_writes, other_reads) = ring(CAPACITY).map_err(io::Error::other)?;
    let one = Rings {
        from_peer: one_reads,
        to_peer: one_writes,
        ended: false,
    };
    let other = Rings {
        from_peer: other_reads,
        to_peer: other_writes,
        ended: false,
    };
    Ok((Box::new(one), Box::new(other)))
}

impl Wire for Rings {
    fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        if self.to_peer.is_closed_by_a_drop() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let count = self.to_peer.write(bytes).map_err(io_error)?;
        Ok((count > 0).then_some(count))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let count = self.from_peer.read(buffer).map_err(io_error)?;
        Ok((count > 0 || self.ended).then_some(count))
    }

    fn await_room(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        self.to_peer.await_room(deadline).map_err(io_error)
    }

    fn await_bytes(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        match self.from_peer.await_items(deadline) {
            Err(RingError::Closed) => {
                self.ended = true;
                Ok(true)
            }
            other => other.map_err(io_error),
        }
    }
}

fn io_error(error: RingError) -> io::Error {
    match error {
        RingError::Closed => io::ErrorKind::BrokenPipe.into(),
        corrupt => io::Error::new(io::ErrorKind::InvalidData, corrupt),
    }
}
