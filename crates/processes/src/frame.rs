//! Frames: values on a stream of bytes.
//!
//! A stream keeps no message boundaries. So each value is sent in a frame,
//! which begins with the length of its body:
//!
//! ```text
//!  4 bytes, little-endian     that many bytes
//! ┌──────────────────────┬───────────────────────────┐
//! │ length of the body   │ body: the value, postcard │ next frame …
//! └──────────────────────┴───────────────────────────┘
//! ```
//!
//! The workers of a [`ProcessPool`](crate::ProcessPool) and the channels of the
//! crate `ipc` send such frames. A value's type is not in its frame: both sides
//! know it.
//!
//! ```
//! use processes::frame;
//!
//! let mut bytes = Vec::new();
//! frame::append(&mut bytes, &("ab", 7_u8), 100)?;
//! assert_eq!(bytes, [4, 0, 0, 0, 2, b'a', b'b', 7]);
//! assert_eq!(frame::announced(&bytes), Some(4));
//! assert_eq!(frame::decode::<(&str, u8)>(&bytes[frame::HEADER..]).unwrap(), ("ab", 7));
//! # Ok::<(), frame::NotFramed>(())
//! ```

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The length of the header in bytes.
pub const HEADER: usize = 4;

/// Why a value is not in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotFramed {
    /// There is no room for its bytes.
    Full,
    /// Its body has more bytes than the limit.
    TooLong {
        /// The length of the body in bytes.
        length: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// It cannot be encoded.
    NotEncoded(postcard::Error),
}

impl fmt::Display for NotFramed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotFramed::Full => f.write_str("there is no room for it"),
            NotFramed::TooLong { length, limit } => {
                write!(f, "its {length} bytes are more than {limit}")
            }
            NotFramed::NotEncoded(error) => error.fmt(f),
        }
    }
}

impl Error for NotFramed {}

/// Why a body is not a value of the wanted type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// The body does not begin with the encoding of such a value.
    Encoding(postcard::Error),
    /// It does, but these many bytes follow.
    LeftOver {
        /// How many bytes follow.
        left: usize,
        /// The length of the body in bytes.
        length: usize,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Encoding(error) => error.fmt(f),
            Malformed::LeftOver { left, length } => {
                write!(f, "{left} of {length} bytes are left over")
            }
        }
    }
}

impl Error for Malformed {}

/// Appends `value` in a frame with a body of at most `limit` bytes. If that
/// fails, `bytes` stays as it was.
///
/// # Errors
/// [`NotFramed::TooLong`] or [`NotFramed::NotEncoded`].
pub fn append(
    bytes: &mut Vec<u8>,
    value: &(impl Serialize + ?Sized),
    limit: u32,
) -> Result<(), NotFramed> {
    let start = bytes.len();
    bytes.extend([0; HEADER]);
    let encoded = postcard::to_io(value, &mut *bytes).map(drop);
    let length = bytes.len() - start - HEADER;
    let framed = encoded
        .map_err(NotFramed::NotEncoded)
        .and_then(|()| header(length, limit));
    match framed {
        Ok(header) => bytes[start..start + HEADER].copy_from_slice(&header),
        Err(error) => {
            bytes.truncate(start);
            return Err(error);
        }
    }
    Ok(())
}

/// Writes `value` in a frame with a body of at most `limit` bytes to the
/// beginning of `room`, and returns the length of the frame in bytes.
///
/// # Errors
/// All of [`NotFramed`]. What `room` contains is then unspecified.
pub fn write(
    room: &mut [u8],
    value: &(impl Serialize + ?Sized),
    limit: u32,
) -> Result<usize, NotFramed> {
    let (head, body) = room.split_at_mut_checked(HEADER).ok_or(NotFramed::Full)?;
    let length = match postcard::to_slice(value, body) {
        Ok(used) => used.len(),
        Err(postcard::Error::SerializeBufferFull) => return Err(NotFramed::Full),
        Err(error) => return Err(NotFramed::NotEncoded(error)),
    };
    head.copy_from_slice(&header(length, limit)?);
    Ok(HEADER + length)
}

fn header(length: usize, limit: u32) -> Result<[u8; HEADER], NotFramed> {
    match u32::try_from(length) {
        Ok(short) if short <= limit => Ok(short.to_le_bytes()),
        _ => Err(NotFramed::TooLong {
            length: length as u64,
            limit: limit.into(),
        }),
    }
}

/// The length of the body that follows the header at the beginning of `bytes`,
/// or `None` if the header is not complete. Check it against a limit before
/// you allocate memory for it.
#[must_use]
pub fn announced(bytes: &[u8]) -> Option<u32> {
    bytes
        .first_chunk()
        .map(|header| u32::from_le_bytes(*header))
}

/// The value in a body.
///
/// # Errors
/// The body is not the encoding of exactly one such value. It allocates no more
/// memory than the body's length allows.
pub fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Malformed> {
    match postcard::take_from_bytes(body).map_err(Malformed::Encoding)? {
        (value, []) => Ok(value),
        (_, rest) => Err(Malformed::LeftOver {
            left: rest.len(),
            length: body.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_have_any_length_up_to_the_limit() {
        for length in (0..200).chain([1000, 70_000]) {
            let text = "x".repeat(length);
            let mut bytes = vec![9];
            append(&mut bytes, &text, 100_000).unwrap();
            let mut room = vec![0; bytes.len() + 10];
            let written = write(&mut room, &text, 100_000).unwrap();
            assert_eq!(room[..written], bytes[1..]);
            assert_eq!(
                write(&mut room[..written - 1], &text, 100_000),
                Err(NotFramed::Full)
            );
            let body = written - HEADER;
            assert_eq!(announced(&bytes[1..]), u32::try_from(body).ok());
            assert_eq!(decode::<String>(&bytes[1 + HEADER..]).unwrap(), text);
            let limit = u32::try_from(body - 1).unwrap();
            let too_long = NotFramed::TooLong {
                length: body as u64,
                limit: limit.into(),
            };
            assert_eq!(append(&mut bytes, &text, limit), Err(too_long.clone()));
            assert_eq!(write(&mut room, &text, limit), Err(too_long));
        }
    }

    #[test]
    fn bytes_that_are_not_a_value_are_an_error() {
        let mut bytes = Vec::new();
        append(&mut bytes, &(300_u16, "ab"), 100).unwrap();
        let body = &bytes[HEADER..];
        assert_eq!(decode(body), Ok((300_u16, "ab")));
        let left_over = Malformed::LeftOver { left: 2, length: 5 };
        assert_eq!(decode::<(u16, u8)>(body), Err(left_over));
        for length in 0..body.len() {
            decode::<(u16, &str)>(&body[..length]).unwrap_err();
        }
        // Nobody allocates what a length promises: 16 EiB.
        let mut promise = vec![0xff; 9];
        promise.push(1);
        decode::<Vec<u64>>(&promise).unwrap_err();
        decode::<String>(&promise).unwrap_err();
    }

    #[test]
    fn a_value_that_cannot_be_encoded_leaves_nothing_behind() {
        struct Stubborn;
        impl Serialize for Stubborn {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        let mut bytes = vec![1, 2, 3];
        append(&mut bytes, &(5_u8, Stubborn), 100).unwrap_err();
        assert_eq!(bytes, [1, 2, 3]);
    }
}
