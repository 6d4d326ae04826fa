// contract broken: C11: a BufWriter is dropped and its error with it
//! Messages over a byte stream.
//!
//! ```text
//!  write_frame(b"abc")  write_frame(b"")      what the stream carries
//!  ┌─────────────┬─────────┬─────────────┐
//!  │ 00 00 00 03 │ a  b  c │ 00 00 00 00 │    length, message, length, (nothing)
//!  └─────────────┴─────────┴─────────────┘
//!  read: "00 00"  "00 03 61"  "62 63 00 …"    how it may arrive
//! ```

use std::io::{self, ErrorKind, Read, Write};

/// Writes one frame: the message's length as four bytes, the most significant
/// first (big-endian), then the message.
///
/// The whole frame is written, however few bytes the stream takes at a time.
/// It is not flushed. Each frame is two writes: give a small one a
/// [`BufWriter`](io::BufWriter).
///
/// # Errors
/// `InvalidInput`, before anything is written, if the message is longer than
/// `limit` bytes; `WriteZero` if the stream takes no more; any error of the
/// stream but `Interrupted`.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    let length = match u32::try_from(message.len()) {
        Ok(length) if length <= limit => length,
        _ => {
            let actual = message.len();
            let why = format!("a message of {actual} bytes is over the limit of {limit} bytes");
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
    };
    let mut to = io::BufWriter::new(to);
    to.write_all(&length.to_be_bytes())?;
    to.write_all(message)
}

/// Reads one frame and returns its message, or `None` if the stream ends here.
///
/// # Errors
/// `UnexpectedEof` if the stream ends inside the frame; `InvalidData`, before
/// anything is allocated, if the length is over `limit`; any error of the
/// stream but `Interrupted`.
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    let mut prefix = [0; size_of::<u32>()];
    match fill(from, &mut prefix)? {
        0 => return Ok(None),
        got if got < prefix.len() => return Err(cut_short("length", got, prefix.len())),
        _ => {}
    }
    let length = u32::from_be_bytes(prefix);
    if length > limit {
        let why = format!("a frame of {length} bytes is over the limit of {limit} bytes");
        return Err(io::Error::new(ErrorKind::InvalidData, why));
    }

    // The length is what the sender claims. Memory grows with what has arrived.
    let mut message = Vec::new();
    from.take(length.into()).read_to_end(&mut message)?;
    if message.len() < length as usize {
        return Err(cut_short("message", message.len(), length as usize));
    }
    Ok(Some(message))
}

/// Reads until `buffer` is full or the stream ends; returns how much came.
///
/// `Read::read_exact` would not do: after an end it does not say how much came,
/// and here nothing at all is a good end, a part is not.
fn fill<R: Read + ?Sized>(from: &mut R, buffer: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < buffer.len() {
        match from.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn cut_short(part: &str, got: usize, of: usize) -> io::Error {
    let why =
        format!("the stream ended inside a frame: {got} of the {of} bytes of its {part} came");
    io::Error::new(ErrorKind::UnexpectedEof, why)
}
