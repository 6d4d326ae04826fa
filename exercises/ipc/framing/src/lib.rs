//! Messages over a byte stream.
//!
//! ```text
//!  write_frame(b"abc")  write_frame(b"")      what the stream carries
//!  ┌─────────────┬─────────┬─────────────┐
//!  │ 00 00 00 03 │ a  b  c │ 00 00 00 00 │    length, message, length, (nothing)
//!  └─────────────┴─────────┴─────────────┘
//!  read: "00 00"  "00 03 61"  "62 63 00 …"    how it may arrive
//! ```
//!
//! ```ignore
//! write_frame(&mut socket, b"abc", 1024)?;
//! while let Some(message) = read_frame(&mut socket, 1024)? {
//!     println!("{} bytes", message.len());
//! }
//! ```

use std::io::{self, Read, Write};

/// Writes one frame: the message's length as four bytes, the most significant
/// first (big-endian), then the message.
///
/// The whole frame is written, however few bytes the stream takes at a time.
/// It is not flushed: whoever buffers the stream decides when.
///
/// # Errors
/// - [`InvalidInput`](io::ErrorKind::InvalidInput) if the message is longer
///   than `limit` bytes; nothing has been written then.
/// - [`WriteZero`](io::ErrorKind::WriteZero) if the stream takes no more bytes.
/// - Any error of the stream, as it is, but for
///   [`Interrupted`](io::ErrorKind::Interrupted): that call is made again.
///
/// After an error a part of the frame may have been written, and the stream is
/// of no further use.
#[allow(unused_variables)]
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    todo!("check the limit, write the length, write the message")
}

/// Reads one frame and returns its message, or `None` if the stream ends here.
///
/// However the bytes arrive, exactly one frame is taken from the stream: what
/// follows is left for the next call.
///
/// # Errors
/// - [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the stream ends inside
///   the frame, in the length or in the message.
/// - [`InvalidData`](io::ErrorKind::InvalidData) if the length is over `limit`.
///   Nothing has been allocated for the message then: four bytes from a
///   stranger must not cost 4 GiB.
/// - Any error of the stream, as it is, but for
///   [`Interrupted`](io::ErrorKind::Interrupted): that call is made again.
///
/// After an error the stream stands somewhere inside a frame and is of no
/// further use.
#[allow(unused_variables)]
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    todo!("read the length, check the limit, read the message")
}
