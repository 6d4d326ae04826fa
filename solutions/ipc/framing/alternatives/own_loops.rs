//! Correct in another way: of std's functions it calls only `read` and `write`,
//! in its own loops, and it reads the message in chunks of 64 bytes.

use std::io::{self, ErrorKind, Read, Write};

/// Calls again what a signal interrupted.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => return other,
        }
    }
}

/// Writes one frame.
///
/// # Errors
/// `InvalidInput` over the limit, `WriteZero`, and those of the stream.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    let length = u32::try_from(message.len())
        .ok()
        .filter(|length| *length <= limit)
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "the message is too long"))?;
    let prefix = [
        (length >> 24) as u8,
        (length >> 16) as u8,
        (length >> 8) as u8,
        length as u8,
    ];
    for part in [&prefix[..], message] {
        let mut done = 0;
        while done < part.len() {
            match retry(|| to.write(&part[done..]))? {
                0 => return Err(ErrorKind::WriteZero.into()),
                taken => done += taken,
            }
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
    let mut length: u64 = 0;
    for index in 0..4 {
        let mut byte = [0];
        match (retry(|| from.read(&mut byte))?, index) {
            (0, 0) => return Ok(None),
            (0, _) => return Err(ErrorKind::UnexpectedEof.into()),
            _ => length = length << 8 | u64::from(byte[0]),
        }
    }
    if length > u64::from(limit) {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "the frame is too long",
        ));
    }
    let mut message: Vec<u8> = Vec::new();
    let mut chunk = [0; 64];
    loop {
        let missing = length as usize - message.len();
        if missing == 0 {
            return Ok(Some(message));
        }
        let room = missing.min(chunk.len());
        match retry(|| from.read(&mut chunk[..room]))? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            got => message.extend_from_slice(&chunk[..got]),
        }
    }
}
