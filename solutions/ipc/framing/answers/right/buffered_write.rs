//! Right, with a `BufWriter` inside of the call: it is taken apart again, so that
//! neither `flush` nor its `Drop` reaches the stream.

use std::io::{self, BufWriter, ErrorKind, Read, Write};

/// Writes one frame.
///
/// # Errors
/// `InvalidInput` over the limit, `WriteZero`, and those of the stream.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    let Some(length) = u32::try_from(message.len()).ok().filter(|n| *n <= limit) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let mut to = BufWriter::with_capacity(1000, to);
    let written = to
        .write_all(&length.to_be_bytes())
        .and_then(|()| to.write_all(message));
    if let Err(error) = written {
        let _ = to.into_parts();
        return Err(error);
    }
    to.into_inner().map(drop).map_err(|error| {
        let (error, to) = error.into_parts();
        let _ = to.into_parts();
        error
    })
}

/// Reads one frame, or `None` at the end.
///
/// # Errors
/// `UnexpectedEof` inside a frame, `InvalidData` over the limit, and those of
/// the stream.
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    let mut prefix = Vec::new();
    (&mut *from).take(4).read_to_end(&mut prefix)?;
    if prefix.is_empty() {
        return Ok(None);
    }
    let prefix: [u8; 4] = prefix
        .try_into()
        .map_err(|_| io::Error::from(ErrorKind::UnexpectedEof))?;
    let length = u32::from_be_bytes(prefix);
    if limit < length {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut message = Vec::new();
    message
        .try_reserve_exact(length as usize)
        .map_err(|_| ErrorKind::OutOfMemory)?;
    message.resize(length as usize, 0);
    from.read_exact(&mut message)?;
    Ok(Some(message))
}
