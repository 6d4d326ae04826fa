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
//!
//! Both functions keep to these clauses:
//!
//! - C1: A frame is the length of the message in bytes, as four bytes with the
//!   most significant byte first (big-endian), then the bytes of the message,
//!   and nothing else. The frame of an empty message is four zeros.
//! - C2: The stream may have any type that implements [`Read`] or [`Write`]:
//!   it need not be `Sized`, `Send` or `'static`.
//! - C3: A call keeps nothing for later calls, holds up no call that another
//!   thread makes on another stream, and has no effect but on its stream: it
//!   starts no thread and no process, leaves no file open, and prints nothing.
//! - C4: A thread with a stack of 256 KiB can make a call, however long the
//!   message is and however many calls of the stream it takes.

use std::io::{self, Read, Write};

/// Writes one frame.
///
/// - C5: The whole frame is written, however few bytes each call of the stream
///   takes.
/// - C6: A call of the stream that fails with
///   [`Interrupted`](io::ErrorKind::Interrupted) has written nothing. It is
///   made again, as often as that happens.
/// - C7: The stream is never flushed: the code that buffers it decides when to
///   flush.
///
/// # Errors
/// - C8: [`InvalidInput`](io::ErrorKind::InvalidInput) if the message is longer
///   than `limit` bytes, and only then. A message of exactly `limit` bytes is
///   written. This holds for every limit, 0 and [`u32::MAX`] included, and for
///   every message, those of 4 GiB and more included.
/// - C9: A message that is refused costs nothing: the stream is not called, not
///   even to flush it, and the call holds at most 4 KiB of heap memory.
/// - C10: [`WriteZero`](io::ErrorKind::WriteZero) as soon as the stream takes
///   none of the bytes that it is offered (`Ok(0)`). The stream is not called
///   again.
/// - C11: Every other error of the stream is returned as it is: the same
///   [`io::Error`], not a new one of the same kind. The stream is not called
///   again.
///
/// After an error of the stream, a part of the frame may have been written. The
/// stream is of no further use then.
#[allow(unused_variables)]
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    todo!("check the limit, write the length, write the message")
}

/// Reads one frame and returns its message, or `None` if the stream has ended.
///
/// - C12: The message is returned whole, however few bytes each call of the
///   stream gives. An empty message is returned as an empty vector.
/// - C13: Exactly one frame is taken from the stream, and what follows is left
///   for the next call. The stream is not called once the last byte of the
///   frame has come, not even with an empty buffer: it might wait for bytes
///   that nobody sends.
/// - C14: A call of the stream that fails with
///   [`Interrupted`](io::ErrorKind::Interrupted) has read nothing. It is made
///   again, as often as that happens.
/// - C15: The result is `None` if the stream ends (`Ok(0)`) before the first
///   byte of a frame. The stream is not called again.
/// - C16: For a frame within the limit, the call holds no more heap memory at a
///   time than 64 KiB and four times the length that the frame claims.
///
/// # Errors
/// - C17: [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the stream ends
///   (`Ok(0)`) inside the frame, in the length or in the message. The stream is
///   not called again.
/// - C18: [`InvalidData`](io::ErrorKind::InvalidData) if the length is greater
///   than `limit`, and only then. A message of exactly `limit` bytes is read.
///   This holds for every limit and every length, 0 and [`u32::MAX`] included.
/// - C19: A frame that is refused costs no memory: the call holds at most 4 KiB
///   of heap memory. Four bytes from a stranger must not cost 4 GiB.
/// - C20: The message of a frame that is refused is not read: four bytes are
///   taken from the stream, and it is not called again.
/// - C21: Every other error of the stream is returned as it is: the same
///   [`io::Error`], not a new one of the same kind. That holds before the first
///   byte of a frame too, and for errors whose kind is `UnexpectedEof`. The
///   stream is not called again.
///
/// After an error, the stream stands somewhere inside a frame and is of no
/// further use.
#[allow(unused_variables)]
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    todo!("read the length, check the limit, read the message")
}
