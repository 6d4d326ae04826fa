//! Correct in another way: one vectored write (writev(2)) takes the length and
//! the message from where they are. `take` and `read_to_end` read both parts.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

/// Writes one frame.
///
/// # Errors
/// `InvalidInput` over the limit, `WriteZero`, and those of the stream.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    let length = match u32::try_from(message.len()) {
        Ok(length) if length <= limit => length.to_be_bytes(),
        _ => return Err(ErrorKind::InvalidInput.into()),
    };
    let mut parts = [IoSlice::new(&length), IoSlice::new(message)];
    let mut parts = &mut parts[..];
    IoSlice::advance_slices(&mut parts, 0);
    while !parts.is_empty() {
        match to.write_vectored(parts) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(taken) => IoSlice::advance_slices(&mut parts, taken),
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
    let length = match up_to(from, 4)?[..] {
        [] => return Ok(None),
        [a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
        _ => return Err(ErrorKind::UnexpectedEof.into()),
    };
    if length > limit {
        return Err(ErrorKind::InvalidData.into());
    }
    let message = up_to(from, length)?;
    if message.len() == length as usize {
        Ok(Some(message))
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

fn up_to<R: Read + ?Sized>(from: &mut R, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes)?;
    Ok(bytes)
}
