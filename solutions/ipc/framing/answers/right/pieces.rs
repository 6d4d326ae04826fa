//! Right, and slow: the message comes in boxes of 64 bytes that are joined at the
//! end, and is written in pieces of three bytes.

use std::io::{self, ErrorKind, Read, Write};

/// Writes one frame.
///
/// # Errors
/// `InvalidInput` over the limit, `WriteZero`, and those of the stream.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    if message
        .len()
        .try_into()
        .map_or(true, |length: u32| length > limit)
    {
        return Err(ErrorKind::InvalidInput.into());
    }
    let length = message.len() as u32;
    write!(Shy(to), "")?;
    Shy(to).write_all(&length.to_be_bytes())?;
    Shy(to).write_all(message)
}

/// Offers three bytes at a time.
struct Shy<'a, W: ?Sized>(&'a mut W);

impl<W: Write + ?Sized> Write for Shy<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes.chunks(3).next().unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads one frame, or `None` at the end.
///
/// # Errors
/// `UnexpectedEof` inside a frame, `InvalidData` over the limit, and those of
/// the stream.
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = (&mut *from).bytes();
    let first = match bytes.next() {
        None => return Ok(None),
        Some(first) => first?,
    };
    let mut length = u32::from(first);
    for byte in bytes
        .by_ref()
        .take(3)
        .chain(std::iter::repeat_with(|| {
            Err(ErrorKind::UnexpectedEof.into())
        }))
        .take(3)
    {
        length = length << 8 | u32::from(byte?);
    }
    let mut left = match length {
        length if length > limit => return Err(ErrorKind::InvalidData.into()),
        length => length as usize,
    };
    let mut boxes: Vec<Box<[u8]>> = Vec::new();
    while left > 0 {
        let mut one = vec![0; left.min(64)].into_boxed_slice();
        from.read_exact(&mut one)?;
        left -= one.len();
        boxes.push(one);
    }
    Ok(Some(boxes.concat()))
}
