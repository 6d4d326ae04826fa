//! Right, by `io::copy` alone: frames are copied out of a chain of slices, and
//! messages into a vector.

use std::io::{self, ErrorKind, Read, Write};

/// Writes one frame.
///
/// # Errors
/// `InvalidInput` over the limit, `WriteZero`, and those of the stream.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    let length = u32::try_from(message.len()).ok().filter(|n| *n <= limit);
    let Some(length) = length else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let length = length.to_be_bytes();
    let mut frame = (&length[..]).chain(message);
    io::copy(&mut frame, to).map(drop)
}

/// Reads one frame, or `None` at the end.
///
/// # Errors
/// `UnexpectedEof` inside a frame, `InvalidData` over the limit, and those of
/// the stream.
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    let mut length = io::Cursor::new([0; 4]);
    match io::copy(&mut from.take(4), &mut length)? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(ErrorKind::UnexpectedEof.into()),
    }
    let length = u32::from_be_bytes(length.into_inner());
    if length > limit {
        return Err(io::Error::new(ErrorKind::InvalidData, "too long"));
    }
    let mut message = Vec::new();
    let came = io::copy(&mut from.take(length.into()), &mut message)?;
    match came == u64::from(length) {
        true => Ok(Some(message)),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}
