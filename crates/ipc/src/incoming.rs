//! A frame that is being received: the bytes so far, and their sender.

use std::os::fd::BorrowedFd;
use std::time::Instant;

use nix::poll::PollFlags;
use processes::Pid;
use processes::frame::HEADER;

use crate::RecvError;
use crate::socket::{Arrival, await_ready, receive};

/// The most memory, in bytes, that is allocated before the first byte of a body
/// has arrived.
const FIRST_PIECE: usize = 64 * 1024;

/// A frame that is being received. It survives a timeout: the next call
/// continues where the earlier call stopped.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    header: [u8; HEADER],
    /// Grows as bytes arrive. Only the first `received - HEADER` bytes have
    /// arrived; the others are zeros.
    body: Vec<u8>,
    /// How many bytes of the frame have arrived, including the header.
    received: usize,
    /// The process that wrote them.
    sender: Option<Pid>,
    /// Set once the stream can no longer be trusted.
    broken: Option<Broken>,
}

/// Faults after which the receiver does not know where the next frame begins.
#[derive(Clone, Copy, Debug)]
enum Broken {
    TooLong { length: u64, limit: u64 },
    MixedSenders { first: Pid, second: Pid },
}

impl From<Broken> for RecvError {
    fn from(broken: Broken) -> RecvError {
        match broken {
            Broken::TooLong { length, limit } => RecvError::TooLong { length, limit },
            Broken::MixedSenders { first, second } => RecvError::MixedSenders { first, second },
        }
    }
}

impl Incoming {
    /// How many bytes of an incomplete frame have arrived.
    pub(crate) fn begun(&self) -> usize {
        self.received
    }

    /// Receives until the frame is complete, and returns its body and sender.
    /// Returns `None` if the deadline comes first. Without a deadline it waits
    /// for ever.
    ///
    /// It never reads past the end of the frame. The bytes that follow stay in
    /// the socket for its next owner.
    pub(crate) fn frame(
        &mut self,
        socket: BorrowedFd<'_>,
        limit: u32,
        deadline: Option<Instant>,
    ) -> Result<Option<(Vec<u8>, Pid)>, RecvError> {
        loop {
            if let Some(broken) = self.broken {
                return Err(broken.into());
            }
            let Some(room) = self.room(limit)? else {
                return Ok(Some(self.finish()));
            };
            let wanted = room.len();
            match receive(socket, room, deadline.is_none()).map_err(RecvError::Io)? {
                Arrival::End => return Err(self.end_of_stream()),
                Arrival::Bytes(count, sender) => {
                    self.accept(count, sender);
                    // A peer that sends a few bytes at a time must not keep us
                    // past the deadline. Bytes that have already arrived are
                    // still received.
                    if count < wanted && self.is_late(deadline, limit)? {
                        return Ok(None);
                    }
                }
                Arrival::Nothing => {
                    let ready = await_ready(socket, PollFlags::POLLIN, deadline);
                    if !ready.map_err(RecvError::Io)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The buffer for the next bytes, or `None` if the frame is complete.
    fn room(&mut self, limit: u32) -> Result<Option<&mut [u8]>, RecvError> {
        let Some(filled) = self.received.checked_sub(HEADER) else {
            return Ok(Some(&mut self.header[self.received..]));
        };
        let length = self.length();
        if filled == 0 && length > limit {
            let broken = Broken::TooLong {
                length: length.into(),
                limit: limit.into(),
            };
            self.broken = Some(broken);
            return Err(broken.into());
        }
        let length = length as usize;
        if filled == length {
            return Ok(None);
        }
        if filled == self.body.len() {
            // The buffer at most doubles, so it grows with the bytes that have
            // arrived, not with the length that the header announces.
            let target = length.min((2 * filled).max(FIRST_PIECE));
            self.body.resize(target, 0);
        }
        Ok(Some(&mut self.body[filled..]))
    }

    fn length(&self) -> u32 {
        u32::from_le_bytes(self.header)
    }

    fn accept(&mut self, count: usize, sender: Pid) {
        self.received += count;
        let first = *self.sender.get_or_insert(sender);
        if first != sender {
            self.broken = Some(Broken::MixedSenders {
                first,
                second: sender,
            });
        }
    }

    fn is_late(&mut self, deadline: Option<Instant>, limit: u32) -> Result<bool, RecvError> {
        let late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        Ok(late && self.broken.is_none() && self.room(limit)?.is_some())
    }

    fn finish(&mut self) -> (Vec<u8>, Pid) {
        let sender = self.sender.take().unwrap_or(0);
        self.received = 0;
        (std::mem::take(&mut self.body), sender)
    }

    fn end_of_stream(&self) -> RecvError {
        let received = self.received;
        match received {
            0 => RecvError::Closed,
            1..HEADER => RecvError::Truncated {
                received,
                expected: None,
            },
            _ => {
                let expected = Some(HEADER + self.length() as usize);
                RecvError::Truncated { received, expected }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds these bytes as if process 1 had sent them.
    fn arrive(incoming: &mut Incoming, bytes: &[u8]) {
        for &byte in bytes {
            incoming.room(u32::MAX).unwrap().unwrap()[0] = byte;
            incoming.accept(1, 1);
        }
    }

    #[test]
    fn memory_follows_what_has_come_not_what_is_claimed() {
        let mut incoming = Incoming::default();
        arrive(&mut incoming, &u32::MAX.to_le_bytes());
        assert!(incoming.body.is_empty());
        arrive(&mut incoming, &[0]);
        assert_eq!(incoming.body.len(), FIRST_PIECE);
        arrive(&mut incoming, &vec![0; FIRST_PIECE]);
        assert_eq!(incoming.body.len(), 2 * FIRST_PIECE);
    }

    #[test]
    fn the_last_piece_ends_with_the_frame() {
        let mut incoming = Incoming::default();
        arrive(&mut incoming, &10_u32.to_le_bytes());
        assert_eq!(incoming.room(10).unwrap().unwrap().len(), 10);
        arrive(&mut incoming, &[0; 9]);
        assert_eq!(incoming.room(10).unwrap().unwrap().len(), 1);
        arrive(&mut incoming, &[0]);
        assert!(incoming.room(10).unwrap().is_none());
        assert_eq!(incoming.finish(), (vec![0; 10], 1));
    }
}
