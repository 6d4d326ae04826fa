//! Right, with `read_vectored`: the length is read into two halves, and the
//! message into two halves too; the frame is written backwards into a deque first.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};

/// Writes one frame.
///
/// # Errors
/// `InvalidInput` over the limit, `WriteZero`, and those of the stream.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    if u64::from(limit) < message.len() as u64 {
        return Err(io::Error::new(ErrorKind::InvalidInput, "too long"));
    }
    let mut frame: VecDeque<u8> = VecDeque::with_capacity(message.len() + 4);
    frame.extend(message);
    for byte in (message.len() as u32).to_le_bytes() {
        frame.push_front(byte);
    }
    while !frame.is_empty() {
        let (one, two) = frame.as_slices();
        match to.write_vectored(&[IoSlice::new(one), IoSlice::new(two)]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(taken) => drop(frame.drain(..taken)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads one frame, or `None` at the end.
///
/// # Errors
/// `UnexpectedEof` inside a frame, `InvalidData` over the limit, and those of
/// the stream.
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    let mut prefix = [0; 4];
    match halves(from, &mut prefix)? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(ErrorKind::UnexpectedEof.into()),
    }
    let length = u32::from_be_bytes(prefix);
    if length > limit {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut message = vec![0; length as usize];
    if halves(from, &mut message)? < message.len() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(message))
}

fn halves<R: Read + ?Sized>(from: &mut R, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        let rest = &mut buffer[got..];
        let middle = rest.len() / 2;
        let (one, two) = rest.split_at_mut(middle);
        match from.read_vectored(&mut [IoSliceMut::new(one), IoSliceMut::new(two)]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}
