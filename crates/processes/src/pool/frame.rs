//! The messages on the sockets between the program and its workers.
//!
//! ```text
//!  1 byte  4 bytes, little-endian   length bytes
//! ┌──────┬────────────────────────┬───────────────────────────────┐
//! │ kind │ length                 │ a value, as postcard encodes it │
//! └──────┴────────────────────────┴───────────────────────────────┘
//! ```
//!
//! A value's type is not in the message: both sides know it, because they are
//! copies of one program.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest body: 1 GiB.
pub(crate) const LONGEST: usize = 1 << 30;

/// The bytes in front of a body.
const HEADER: usize = 5;

/// What a frame's body is. Each direction has its own kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(u8);

/// Kinds of frames to a worker.
impl Kind {
    /// An item. More items of its chunk follow.
    pub(crate) const ITEM: Kind = Kind(0);
    /// The last item of its chunk.
    pub(crate) const LAST_ITEM: Kind = Kind(1);
}

/// Kinds of frames from a worker.
impl Kind {
    /// A result.
    pub(crate) const RESULT: Kind = Kind(0);
    /// The message of a panic. The worker ends itself after it.
    pub(crate) const PANIC: Kind = Kind(1);
    /// Why the item could not be decoded.
    pub(crate) const NOT_DECODED: Kind = Kind(2);
    /// Why the result could not be sent.
    pub(crate) const NOT_ENCODED: Kind = Kind(3);

    /// There are no others.
    const LAST: u8 = 3;
}

/// Why a value is not in a frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotFramed {
    /// There is no room for its bytes.
    Full,
    /// It has this many bytes, more than [`LONGEST`].
    TooLong(usize),
    /// It cannot be encoded.
    NotEncoded(postcard::Error),
}

impl fmt::Display for NotFramed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotFramed::Full => f.write_str("there is no room for it"),
            NotFramed::TooLong(length) => write!(f, "its {length} bytes are more than {LONGEST}"),
            NotFramed::NotEncoded(error) => error.fmt(f),
        }
    }
}

/// Marks the frame at the beginning of `bytes` as the last of its chunk.
pub(crate) fn mark_last(bytes: &mut [u8]) {
    if let Some(first) = bytes.first_mut() {
        *first = Kind::LAST_ITEM.0;
    }
}

/// What [`parse`] found at the beginning of its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A frame of `size` bytes, including its header.
    Frame {
        kind: Kind,
        body: &'a [u8],
        size: usize,
    },
    /// Only the beginning of a frame.
    Incomplete,
    /// Not a frame: its kind is unknown, or its length is out of range.
    Garbage,
}

/// Parses the frame at the beginning of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((&[kind, ref length @ ..], rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Parsed::Incomplete;
    };
    let length = u32::from_le_bytes(*length) as usize;
    if kind > Kind::LAST || length > LONGEST {
        return Parsed::Garbage;
    }
    match rest.get(..length) {
        None => Parsed::Incomplete,
        Some(body) => Parsed::Frame {
            kind: Kind(kind),
            body,
            size: HEADER + length,
        },
    }
}

/// The value of a frame's body.
pub(crate) fn decode<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, postcard::Error> {
    match postcard::take_from_bytes(body)? {
        (value, []) => Ok(value),
        _ => Err(postcard::Error::DeserializeBadEncoding),
    }
}

/// Appends `value` as a frame. If that fails, `bytes` stays as it was.
pub(crate) fn append(
    bytes: &mut Vec<u8>,
    kind: Kind,
    value: &impl Serialize,
) -> Result<(), NotFramed> {
    let start = bytes.len();
    bytes.extend([0; HEADER]);
    let encoded = postcard::to_io(value, &mut *bytes).map(drop);
    let length = bytes.len() - start - HEADER;
    let framed = encoded
        .map_err(NotFramed::NotEncoded)
        .and_then(|()| header(kind, length));
    match framed {
        Ok(header) => bytes[start..start + HEADER].copy_from_slice(&header),
        Err(error) => {
            bytes.truncate(start);
            return Err(error);
        }
    }
    Ok(())
}

/// Writes `value` as a frame to the beginning of `room`, and returns the length
/// of the frame in bytes.
pub(crate) fn write(
    room: &mut [u8],
    kind: Kind,
    value: &impl Serialize,
) -> Result<usize, NotFramed> {
    let (head, body) = room.split_at_mut_checked(HEADER).ok_or(NotFramed::Full)?;
    let length = match postcard::to_slice(value, body) {
        Ok(used) => used.len(),
        Err(postcard::Error::SerializeBufferFull) => return Err(NotFramed::Full),
        Err(error) => return Err(NotFramed::NotEncoded(error)),
    };
    head.copy_from_slice(&header(kind, length)?);
    Ok(HEADER + length)
}

fn header(kind: Kind, length: usize) -> Result<[u8; HEADER], NotFramed> {
    if length > LONGEST {
        return Err(NotFramed::TooLong(length));
    }
    let [a, b, c, d] = (length as u32).to_le_bytes();
    Ok([kind.0, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        append(&mut bytes, Kind::ITEM, &"one").unwrap();
        append(&mut bytes, Kind::LAST_ITEM, &7_u8).unwrap();
        let Parsed::Frame { kind, body, size } = parse(&bytes) else {
            panic!("{bytes:?}");
        };
        assert_eq!((kind, decode(body)), (Kind::ITEM, Ok("one")));
        let second = parse(&bytes[size..]);
        let expected = Parsed::Frame {
            kind: Kind::LAST_ITEM,
            body: &[7],
            size: 6,
        };
        assert_eq!(second, expected);
    }

    #[test]
    fn a_part_of_a_frame_is_incomplete_and_an_unknown_kind_is_garbage() {
        let mut bytes = Vec::new();
        append(&mut bytes, Kind::RESULT, &[1_u8; 9]).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), Parsed::Incomplete);
        }
        assert_eq!(parse(&[0xff; 100]), Parsed::Garbage);
    }

    #[test]
    fn a_body_may_have_any_length() {
        for length in (0..200).chain([1000, 70_000]) {
            let text = "x".repeat(length);
            let mut bytes = vec![9];
            append(&mut bytes, Kind::NOT_ENCODED, &text).unwrap();
            let mut room = vec![0; bytes.len() + 10];
            let written = write(&mut room, Kind::NOT_ENCODED, &text).unwrap();
            assert_eq!(room[..written], bytes[1..]);
            assert!(write(&mut room[..written - 1], Kind::PANIC, &text).is_err());
            let Parsed::Frame { kind, body, size } = parse(&bytes[1..]) else {
                panic!("{length}");
            };
            assert_eq!((kind, size), (Kind::NOT_ENCODED, written));
            assert_eq!(decode::<String>(body).unwrap(), text);
            mark_last(&mut bytes[1..]);
            assert!(matches!(
                parse(&bytes[1..]),
                Parsed::Frame {
                    kind: Kind::LAST_ITEM,
                    ..
                }
            ));
        }
    }

    #[test]
    fn bytes_that_are_not_a_value_are_an_error() {
        let mut bytes = Vec::new();
        append(&mut bytes, Kind::RESULT, &(300_u16, "ab")).unwrap();
        let Parsed::Frame { body, .. } = parse(&bytes) else {
            panic!("{bytes:?}");
        };
        assert_eq!(decode(body), Ok((300_u16, "ab")));
        decode::<(u16, u8)>(body).unwrap_err();
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
        append(&mut bytes, Kind::ITEM, &(5_u8, Stubborn)).unwrap_err();
        assert_eq!(bytes, [1, 2, 3]);
    }
}
