//! A pair of seqpacket sockets.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::poll::PollFlags;

use super::{Ends, PIECE, Wire};
use crate::socket::await_ready;
use crate::{PacketError, SeqPacket};

struct Packets(SeqPacket);

pub(crate) fn packets() -> io::Result<Ends> {
    let (one, other) = SeqPacket::pair().map_err(io_error)?;
    Ok((Box::new(Packets(one)), Box::new(Packets(other))))
}

impl Wire for Packets {
    fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        let packet = &bytes[..bytes.len().min(PIECE)];
        let sent = self.0.try_send(packet).map_err(io_error)?;
        Ok(sent.then_some(packet.len()))
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.0.try_receive(buffer).map_err(io_error)
    }

    fn await_room(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        await_ready(self.0.as_fd(), PollFlags::POLLOUT, deadline)
    }

    fn await_bytes(&mut self, deadline: Option<Instant>) -> io::Result<bool> {
        await_ready(self.0.as_fd(), PollFlags::POLLIN, deadline)
    }
}

fn io_error(error: PacketError) -> io::Error {
    match error {
        PacketError::Closed => io::ErrorKind::BrokenPipe.into(),
        PacketError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}
