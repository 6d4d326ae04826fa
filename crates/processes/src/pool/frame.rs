//! The messages on the sockets between the program and its workers.
//!
//! ```text
//!  1 byte           4 bytes, if length is 63    length bytes
//! ┌────────────────┬───────────────────────────┬───────────────────┐
//! │ 2 bits: kind   │ length, little-endian     │ an encoded value  │
//! │ 6 bits: length │                           │                   │
//! └────────────────┴───────────────────────────┴───────────────────┘
//! ```

use super::codec::{CodecError, Output, encode};
use serde::Serialize;

/// The longest body: 1 GiB.
pub(crate) const LONGEST: usize = 1 << 30;

/// If the six bits of a header have this value, the length follows.
const LONG: usize = 63;

/// What a frame's body is, in two bits. Each direction has its own kinds.
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
}

/// Marks the frame at the beginning of `bytes` as the last of its chunk.
pub(crate) fn mark_last(bytes: &mut [u8]) {
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x3f | Kind::LAST_ITEM.0 << 6;
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
    /// Not a frame: its length is out of range.
    Garbage,
}

/// Parses the frame at the beginning of `bytes`.
#[inline]
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((&first, rest)) = bytes.split_first() else {
        return Parsed::Incomplete;
    };
    let kind = Kind(first >> 6);
    let short = usize::from(first & 0x3f);
    if short == LONG {
        return parse_long(kind, rest);
    }
    match rest.get(..short) {
        None => Parsed::Incomplete,
        Some(body) => Parsed::Frame {
            kind,
            body,
            size: 1 + short,
        },
    }
}

fn parse_long(kind: Kind, bytes: &[u8]) -> Parsed<'_> {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Parsed::Incomplete;
    };
    let length = u32::from_le_bytes(*length) as usize;
    if !(LONG..=LONGEST).contains(&length) {
        return Parsed::Garbage;
    }
    match rest.get(..length) {
        None => Parsed::Incomplete,
        Some(body) => Parsed::Frame {
            kind,
            body,
            size: 5 + length,
        },
    }
}

/// Appends `value` as a frame. If that fails, `bytes` stays as it was.
#[inline]
pub(crate) fn append(
    bytes: &mut Vec<u8>,
    kind: Kind,
    value: &impl Serialize,
) -> Result<(), CodecError> {
    let start = bytes.len();
    bytes.push(0);
    let encoded = encode(value, bytes);
    let length = bytes.len() - start - 1;
    if encoded.is_ok() && length < LONG {
        bytes[start] = kind.0 << 6 | length as u8;
        return Ok(());
    }
    finish_append(bytes, start, kind, encoded)
}

/// The rare cases: the body is long, or encoding it failed.
#[cold]
fn finish_append(
    bytes: &mut Vec<u8>,
    start: usize,
    kind: Kind,
    encoded: Result<(), CodecError>,
) -> Result<(), CodecError> {
    let length = bytes.len() - start - 1;
    let error = match encoded {
        Ok(()) if length <= LONGEST => {
            bytes[start] = kind.0 << 6 | LONG as u8;
            bytes.splice(start + 1..start + 1, (length as u32).to_le_bytes());
            return Ok(());
        }
        Ok(()) => CodecError::TooLong(length),
        Err(error) => error,
    };
    bytes.truncate(start);
    Err(error)
}

/// Writes `value` as a frame to the beginning of `room`, and returns the length
/// of the frame in bytes.
#[inline]
pub(crate) fn write(
    room: &mut [u8],
    kind: Kind,
    value: &impl Serialize,
) -> Result<usize, CodecError> {
    let (head, body) = room.split_first_mut().ok_or(CodecError::Full)?;
    let mut front = Front {
        room: &mut *body,
        length: 0,
    };
    encode(value, &mut front)?;
    let length = front.length;
    if length < LONG {
        *head = kind.0 << 6 | length as u8;
        return Ok(1 + length);
    }
    if length > LONGEST {
        return Err(CodecError::TooLong(length));
    }
    if body.len() < length + 4 {
        return Err(CodecError::Full);
    }
    *head = kind.0 << 6 | LONG as u8;
    body.copy_within(..length, 4);
    body[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(5 + length)
}

/// An output that fills a slice from its beginning.
struct Front<'a> {
    room: &'a mut [u8],
    length: usize,
}

impl Output for Front<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let rest = &mut self.room[self.length..];
        let place = rest.get_mut(..bytes.len()).ok_or(CodecError::Full)?;
        place.copy_from_slice(bytes);
        self.length += bytes.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::codec::decode;
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
            size: 2,
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
