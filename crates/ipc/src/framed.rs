//! Messages over bytes: a frame says its own length.

use crate::channel::DEFAULT_LIMIT;
use crate::wire::{PIECE, Wire};
use crate::{RecvError, SendError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::time::Instant;

/// Messages over a wire, framed as the [crate] says.
pub(crate) struct Framed {
    wire: Box<dyn Wire>,
    /// The longest body, for both directions.
    pub(crate) limit: u32,
    /// Bytes that came: those from `begin` to `end` are not used up.
    incoming: Vec<u8>,
    begin: usize,
    end: usize,
    /// Frames on their way out; empty unless a call gave up half-way.
    outgoing: Vec<u8>,
    sent: usize,
}

/// Memory that is kept for the next message, in each direction.
const KEPT: usize = 512 * 1024;

/// The length of a frame's header: a little-endian `u32`.
const HEADER: usize = 4;

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

    /// Encodes the message behind what is still to be sent. If that fails,
    /// nothing has changed.
    pub(crate) fn enqueue(&mut self, message: &impl Serialize) -> Result<(), SendError> {
        let start = self.outgoing.len();
        let mut bytes = std::mem::take(&mut self.outgoing);
        bytes.extend_from_slice(&[0; HEADER]);
        let encoded = postcard::to_io(message, &mut bytes).map(|_| ());
        let length = bytes.len() - start - HEADER;
        let refusal = match (encoded, u32::try_from(length)) {
            (Err(error), _) => Some(SendError::NotEncodable(error.to_string())),
            (Ok(()), Ok(short)) if short <= self.limit => {
                bytes[start..start + HEADER].copy_from_slice(&short.to_le_bytes());
                None
            }
            (Ok(()), _) => {
                let (length, limit) = (length as u64, self.limit.into());
                Some(SendError::TooLong { length, limit })
            }
        };
        if refusal.is_some() {
            bytes.truncate(start);
        }
        self.outgoing = bytes;
        refusal.map_or(Ok(()), Err)
    }

    /// Sends until nothing is left, or the deadline comes (false).
    pub(crate) fn drain(&mut self, deadline: Option<Instant>) -> Result<bool, SendError> {
        while let rest @ [_, ..] = &self.outgoing[self.sent..] {
            match self.wire.write(rest).map_err(send_error)? {
                Some(count) => self.sent += count,
                None => {
                    if !self.wire.await_room(deadline).map_err(send_error)? {
                        return Ok(false);
                    }
                }
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        // One large message is no reason to keep the memory for ever.
        self.outgoing.shrink_to(KEPT);
        Ok(true)
    }

    /// The next message; `None` if the deadline comes first. What has come of it
    /// is kept.
    pub(crate) fn receive<R: DeserializeOwned>(
        &mut self,
        deadline: Option<Instant>,
    ) -> Result<Option<R>, RecvError> {
        loop {
            if let Some(length) = self.complete()? {
                let begin = self.begin + HEADER;
                let body = &self.incoming[begin..begin + length];
                let decoded = postcard::take_from_bytes(body);
                self.begin = begin + length;
                let (value, rest) =
                    decoded.map_err(|error| RecvError::Malformed(error.to_string()))?;
                if !rest.is_empty() {
                    let message = format!("{} of {length} bytes are left over", rest.len());
                    return Err(RecvError::Malformed(message));
                }
                return Ok(Some(value));
            }
            self.make_room();
            let room = &mut self.incoming[self.end..];
            match self.wire.read(room).map_err(RecvError::Io)? {
                Some(0) => return Err(self.end_of_stream()),
                Some(count) => {
                    self.end += count;
                    // A peer that dribbles must not hold us past the deadline.
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

    /// How much memory it has taken for what comes, in bytes.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.incoming.len()
    }

    /// What has come and is not used up.
    fn here(&self) -> &[u8] {
        &self.incoming[self.begin..self.end]
    }

    /// What the header says, once it is here.
    fn announced(&self) -> Option<u32> {
        let header = self.here().first_chunk::<HEADER>()?;
        Some(u32::from_le_bytes(*header))
    }

    /// The length of the body, if all of it is here.
    fn complete(&self) -> Result<Option<usize>, RecvError> {
        let Some(length) = self.announced() else {
            return Ok(None);
        };
        if length > self.limit {
            // The header stays, so that every later call says the same.
            let (length, limit) = (length.into(), self.limit.into());
            return Err(RecvError::TooLong { length, limit });
        }
        let length = length as usize;
        Ok((self.here().len() - HEADER >= length).then_some(length))
    }

    /// For a piece more. Memory follows what has come, not what is announced.
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

fn send_error(error: io::Error) -> SendError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => SendError::Closed,
        _ => SendError::Io(error),
    }
}
