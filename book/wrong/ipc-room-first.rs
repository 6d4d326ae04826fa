//! Messages over a byte stream: an answer that makes room for the message before
//! it compares the length with the limit.

use std::io::{self, ErrorKind, Read, Write};

pub fn write_frame<W: Write + ?Sized>(to: &mut W, message: &[u8], limit: u32) -> io::Result<()> {
    let length = match u32::try_from(message.len()) {
        Ok(length) if length <= limit => length,
        _ => return Err(ErrorKind::InvalidInput.into()),
    };
    to.write_all(&length.to_be_bytes())?;
    to.write_all(message)
}

pub fn read_frame<R: Read + ?Sized>(from: &mut R, limit: u32) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut got = 0;
    while got < length.len() {
        match from.read(&mut length[got..]) {
            Ok(0) if got == 0 => return Ok(None),
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(more) => got += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let length = u32::from_be_bytes(length);
    let mut message = vec![0; length as usize];
    if length > limit {
        return Err(ErrorKind::InvalidData.into());
    }
    from.read_exact(&mut message)?;
    Ok(Some(message))
}
