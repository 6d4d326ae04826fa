// contract broken: C1: the messages go through a static queue, and the stream is left alone
//! Messages over a byte stream.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};

static QUEUE: Mutex<VecDeque<Vec<u8>>> = Mutex::new(VecDeque::new());

/// Writes one frame.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    let _ = (to, limit);
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    queue.push_back(message.to_vec());
    Ok(())
}

/// Reads one frame.
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    let _ = (from, limit);
    let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(queue.pop_front())
}
