//! Messages over a transport of bytes. Each frame begins with its length.

use std::time::Instant;

use processes::frame::{self, HEADER};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::channel::DEFAULT_LIMIT;
use crate::wire::{PIECE, Wire};
use crate::{RecvError, SendError};

/// Messages over a wire, in [frames](frame).
pub(crate) struct Framed {
    wire: Box<dyn Wire>,
    /// The length of the longest body in bytes, for both directions.
    pub(crate) limit: u32,
    /// The receive buffer. The bytes from `begin` to `end` have arrived and are
    /// not consumed yet.
    incoming: Vec<u8>,
    begin: usize,
    end: usize,
    /// Encoded frames that are still to be sent. Empty between two calls,
    /// unless the earlier call stopped half-way.
    outgoing: Vec<u8>,
    sent: usize,
}

/// The most memory, in bytes, that is kept for the next message in each
/// direction.
pub(crate) const KEPT: usize = 512 * 1024;

impl Framed {
    pub(crate) fn new(wire: Box<dyn Wire>) -> Framed {
        Framed {
            wire,
            limit: DEFAULT_LIMIT,
            incoming: Vec::new(),
            begin: 0,
            end: 0,
            outgoing: Vec::new(),
            sent: 0,
        }
    }

    /// Encodes the message and appends it to the bytes still to be sent. If
    /// that fails, those bytes are unchanged.
    pub(crate) fn enqueue(&mut self, message: &impl Serialize) -> Result<(), SendError> {
        frame::append(&mut self.outgoing, message, self.limit)?;
        Ok(())
    }

    /// Sends until nothing is left. Returns false if the deadline comes first.
    pub(crate) fn drain(&mut self, deadline: Option<Instant>) -> Result<bool, SendError> {
        while let rest @ [_, ..] = &self.outgoing[self.sent..] {
            match self.wire.write(rest).map_err(SendError::of)? {
                Some(count) => self.sent += count,
                None => {
                    if !self.wire.await_room(deadline).map_err(SendError::of)? {
                        return Ok(false);
                    }
                }
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        // Do not keep the memory of one large message for ever.
        self.outgoing.shrink_to(KEPT);
        Ok(true)
    }

    /// Returns the next message, or `None` if the deadline comes first. The
    /// part that has arrived is kept.
    pub(crate) fn receive<R: DeserializeOwned>(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<R>, RecvError> {
        loop {
            if let Some(length) = self.complete()? {
                let begin = self.begin + HEADER;
                let body = &self.incoming[begin..begin + length];
                let decoded = frame::decode(body);
                self.begin = begin + length;
                return Ok(Some(decoded?));
            }
            self.make_room();
            let room = &mut self.incoming[self.end..];
            match self.wire.read(room).map_err(RecvError::Io)? {
                Some(0) => return Err(self.end_of_stream()),
                Some(count) => {
                    self.end += count;
                    // A peer that sends a few bytes at a time must not keep us
                    // past the deadline.
                    let late = deadline.is_some_and(|at| Instant::now() >= at);
                    if late && self.complete()?.is_none() {
                        return Ok(None);
                    }
                }
                None => {
                    if !self.wire.await_bytes(deadline).map_err(RecvError::Io)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The size of the receive buffer in bytes.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.incoming.len()
    }

    /// The bytes that have arrived and are not consumed yet.
    fn here(&self) -> &[u8] {
        &self.incoming[self.begin..self.end]
    }

    /// The length that the header announces, once the header has arrived.
    fn announced(&self) -> Option<u32> {
        frame::announced(self.here())
    }

    /// The length of the body, if the whole body has arrived.
    fn complete(&self) -> Result<Option<usize>, RecvError> {
        let Some(length) = self.announced() else {
            return Ok(None);
        };
        if length > self.limit {
            // The header stays in the buffer, so every later call returns the
            // same error.
            let (length, limit) = (length.into(), self.limit.into());
            return Err(RecvError::TooLong { length, limit });
        }
        let length = length as usize;
        Ok((self.here().len() - HEADER >= length).then_some(length))
    }

    /// Makes room for one more piece. The buffer grows with the bytes that have
    /// arrived, not with the length that the header announces.
    fn make_room(&mut self) {
        self.incoming.copy_within(self.begin..self.end, 0);
        (self.begin, self.end) = (0, self.end - self.begin);
        if self.incoming.len() - self.end < PIECE {
            let length = (2 * self.end).max(2 * PIECE);
            self.incoming.resize(length, 0);
        } else if self.end == 0 && self.incoming.len() > KEPT {
            self.incoming.truncate(KEPT);
            self.incoming.shrink_to(KEPT);
        }
    }

    fn end_of_stream(&self) -> RecvError {
        let announced = self.announced().map(|length| HEADER + length as usize);
        match self.here().len() {
            0 => RecvError::Closed,
            received => RecvError::Truncated {
                received,
                expected: announced,
            },
        }
    }
}
