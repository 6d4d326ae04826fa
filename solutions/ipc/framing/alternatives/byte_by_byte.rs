//! Correct but slow: each byte takes one call of the stream.

use std::io::{self, ErrorKind, Read, Write};

/// Writes one frame.
///
/// # Errors
/// `InvalidInput` over the limit, `WriteZero`, and those of the stream.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    if message.len() > limit as usize {
        return Err(io::Error::from(ErrorKind::InvalidInput));
    }
    let length = (message.len() as u32).to_be_bytes();
    for byte in length.iter().chain(message) {
        to.write_all(std::slice::from_ref(byte))?;
    }
    Ok(())
}

/// Reads one frame, or `None` at the end.
///
/// # Errors
/// `UnexpectedEof` inside a frame, `InvalidData` over the limit, and those of
/// the stream.
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = from.bytes();
    let Some(first) = bytes.next() else {
        return Ok(None);
    };
    let mut rest = || bytes.next().unwrap_or(Err(ErrorKind::UnexpectedEof.into()));
    let length = u32::from_be_bytes([first?, rest()?, rest()?, rest()?]);
    if length > limit {
        return Err(io::Error::from(ErrorKind::InvalidData));
    }
    (0..length)
        .map(|_| rest())
        .collect::<io::Result<_>>()
        .map(Some)
}
