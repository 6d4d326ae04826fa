//! Right: the buffer of the message begins with 16 bytes and is doubled each time
//! when it is full; a `loop` with labels instead of functions.

use std::io::{self, ErrorKind, Read, Write};

/// Writes one frame.
///
/// # Errors
/// `InvalidInput` over the limit, `WriteZero`, and those of the stream.
pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    let length = match message.len() {
        length if length as u128 > u128::from(limit) => {
            let why = format!("{length} > {limit}");
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        }
        length => length as u32,
    };
    let prefix = length.to_be_bytes();
    let mut place = 0;
    while place < message.len() + 4 {
        let rest = if place < 4 {
            &prefix[place..]
        } else {
            &message[place - 4..]
        };
        // No more than a page at a time.
        let rest = &rest[..rest.len().min(4096)];
        place += match to.write(rest) {
            Ok(0) => return Err(io::Error::new(ErrorKind::WriteZero, "nothing was taken")),
            Ok(taken) => taken,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
    }
    Ok(())
}

/// Reads one frame, or `None` at the end.
///
/// # Errors
/// `UnexpectedEof` inside a frame, `InvalidData` over the limit, and those of
/// the stream.
pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    let mut frame = vec![0_u8; 4];
    let mut got: usize = 0;
    let mut whole: usize = 4;
    let mut knows_the_length = false;
    loop {
        if got == 4 && !knows_the_length {
            let length = frame
                .iter()
                .fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
            if length > limit {
                return Err(ErrorKind::InvalidData.into());
            }
            whole += length as usize;
            knows_the_length = true;
        }
        if got == whole {
            frame.truncate(whole);
            frame.drain(..4);
            return Ok(Some(frame));
        }
        if got == frame.len() {
            frame.resize(whole.min(2 * got + 16), 0);
        }
        let end = frame.len().min(whole);
        got += match from.read(&mut frame[got..end]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(more) => more,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
    }
}
