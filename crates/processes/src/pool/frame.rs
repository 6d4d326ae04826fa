//! What goes over the sockets between the program and its workers.
//!
//! ```text
//!  4 bytes, little-endian: 3 bits kind, 29 bits length      that many bytes
//! ┌──────────────────────────────────────────────────┬───────────────────┐
//! │ kind │ length of the body                        │ a value, postcard │
//! └──────────────────────────────────────────────────┴───────────────────┘
//! ```

use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// The length of a frame's header in bytes.
pub(crate) const HEADER: usize = 4;

/// The longest body: 512 MiB less one byte.
pub(crate) const LONGEST: usize = (1 << 29) - 1;

/// What a frame's body is. Each direction has its own kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// To a worker: an item, and more of its chunk follow.
    Item = 0,
    /// To a worker: the last item of its chunk.
    LastItem = 1,
    /// From a worker: a result.
    Result = 2,
    /// From a worker: the message of a panic, after which it ends itself.
    Panic = 3,
    /// From a worker: why the item was not understood.
    NotDecoded = 4,
    /// From a worker: why the result could not be sent.
    NotEncoded = 5,
}

impl Kind {
    #[inline]
    fn from_bits(bits: u32) -> Option<Kind> {
        Some(match bits {
            0 => Kind::Item,
            1 => Kind::LastItem,
            2 => Kind::Result,
            3 => Kind::Panic,
            4 => Kind::NotDecoded,
            5 => Kind::NotEncoded,
            _ => return None,
        })
    }
}

/// The header of a frame. Lengths are checked where bodies are made.
#[inline]
pub(crate) fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    debug_assert!(length <= LONGEST);
    ((kind as u32) << 29 | length as u32).to_le_bytes()
}

/// What the beginning of `bytes` is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A frame; `size` bytes in all.
    Frame {
        kind: Kind,
        body: &'a [u8],
        size: usize,
    },
    /// The beginning of one.
    Incomplete,
    /// Of no known kind.
    Garbage,
}

/// Looks at the frame with which `bytes` begins.
#[inline]
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Parsed::Incomplete;
    };
    let header = u32::from_le_bytes(*header);
    let length = (header as usize) & LONGEST;
    match (Kind::from_bits(header >> 29), rest.get(..length)) {
        (None, _) => Parsed::Garbage,
        (Some(_), None) => Parsed::Incomplete,
        (Some(kind), Some(body)) => Parsed::Frame {
            kind,
            body,
            size: HEADER + length,
        },
    }
}

/// Appends `value` as a frame. If that fails, `bytes` is as it was.
#[inline]
pub(crate) fn append(
    bytes: &mut Vec<u8>,
    kind: Kind,
    value: &impl Serialize,
) -> Result<(), String> {
    let start = bytes.len();
    bytes.extend_from_slice(&[0; HEADER]);
    let encoded = postcard::serialize_with_flavor(value, Tail(&mut *bytes));
    let length = bytes.len() - start - HEADER;
    let outcome = match encoded {
        Ok(()) if length <= LONGEST => {
            bytes[start..start + HEADER].copy_from_slice(&header(kind, length));
            return Ok(());
        }
        Ok(()) => Err(format!("{length} bytes are more than {LONGEST}")),
        Err(error) => Err(error.to_string()),
    };
    bytes.truncate(start);
    outcome
}

/// The end of a vector.
struct Tail<'a>(&'a mut Vec<u8>);

impl Flavor for Tail<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > SHORT {
            self.0.extend_from_slice(bytes);
        } else {
            self.0.reserve(SHORT);
            bytes.iter().for_each(|&byte| self.0.push(byte));
        }
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Up to this length bytes are copied one by one. postcard has just written
/// them one by one – a number of 7 bits each –, and a CPU that loads several at
/// once what was stored in pieces must wait until the pieces are in its cache.
const SHORT: usize = 10;

/// Writes `value` as a frame to the beginning of `room`, and says how long the
/// frame is.
#[inline]
pub(crate) fn write(
    room: &mut [u8],
    kind: Kind,
    value: &impl Serialize,
) -> postcard::Result<usize> {
    let Some((head, body)) = room.split_first_chunk_mut::<HEADER>() else {
        return Err(postcard::Error::SerializeBufferFull);
    };
    let length = postcard::serialize_with_flavor(
        value,
        Front {
            room: body,
            length: 0,
        },
    )?;
    *head = header(kind, length);
    Ok(HEADER + length)
}

/// The beginning of a slice.
struct Front<'a> {
    room: &'a mut [u8],
    length: usize,
}

impl Flavor for Front<'_> {
    type Output = usize;

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        let place = self.room.get_mut(self.length);
        *place.ok_or(postcard::Error::SerializeBufferFull)? = byte;
        self.length += 1;
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() <= SHORT {
            return bytes.iter().try_for_each(|&byte| self.try_push(byte));
        }
        let end = self.length + bytes.len();
        let place = self.room.get_mut(self.length..end);
        place
            .ok_or(postcard::Error::SerializeBufferFull)?
            .copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    fn finalize(self) -> postcard::Result<usize> {
        Ok(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        append(&mut bytes, Kind::Item, &"one").unwrap();
        append(&mut bytes, Kind::LastItem, &7_u8).unwrap();
        let Parsed::Frame { kind, body, size } = parse(&bytes) else {
            panic!("{bytes:?}");
        };
        assert_eq!((kind, body), (Kind::Item, &b"\x03one"[..]));
        let second = parse(&bytes[size..]);
        let expected = Parsed::Frame {
            kind: Kind::LastItem,
            body: &[7],
            size: 5,
        };
        assert_eq!(second, expected);
    }

    #[test]
    fn a_part_of_a_frame_is_incomplete_and_an_unknown_kind_is_garbage() {
        let mut bytes = Vec::new();
        append(&mut bytes, Kind::Result, &[1_u8; 9]).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), Parsed::Incomplete);
        }
        assert_eq!(parse(&[0xff; 100]), Parsed::Garbage);
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
        append(&mut bytes, Kind::Item, &(5_u8, Stubborn)).unwrap_err();
        assert_eq!(bytes, [1, 2, 3]);
    }
}
