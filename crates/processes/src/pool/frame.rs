//! What goes over the sockets between the program and its workers.
//!
//! ```text
//!  1 byte           4 bytes, if that says 63    that many bytes
//! ┌────────────────┬───────────────────────────┬───────────────────┐
//! │ 2 bits: kind   │ length, little-endian     │ a value, postcard │
//! │ 6 bits: length │                           │                   │
//! └────────────────┴───────────────────────────┴───────────────────┘
//! ```

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest body: 1 GiB.
pub(crate) const LONGEST: usize = 1 << 30;

/// In the six bits of a header: the length follows.
const LONG: usize = 63;

/// What a frame's body is: two bits. Each direction has its own kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind(u8);

/// To a worker.
impl Kind {
    /// An item, and more of its chunk follow.
    pub(crate) const ITEM: Kind = Kind(0);
    /// The last item of its chunk.
    pub(crate) const LAST_ITEM: Kind = Kind(1);
}

/// From a worker.
impl Kind {
    /// A result.
    pub(crate) const RESULT: Kind = Kind(0);
    /// The message of a panic, after which it ends itself.
    pub(crate) const PANIC: Kind = Kind(1);
    /// Why the item was not understood.
    pub(crate) const NOT_DECODED: Kind = Kind(2);
    /// Why the result could not be sent.
    pub(crate) const NOT_ENCODED: Kind = Kind(3);
}

/// Makes the frame with which `bytes` begins the last of its chunk.
pub(crate) fn mark_last(bytes: &mut [u8]) {
    if let Some(first) = bytes.first_mut() {
        *first = *first & 0x3f | Kind::LAST_ITEM.0 << 6;
    }
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

/// The value of a frame.
#[inline]
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> postcard::Result<T> {
    T::deserialize(&mut postcard::Deserializer::from_bytes(body))
}

/// Appends `value` as a frame. If that fails, `bytes` is as it was.
#[inline]
pub(crate) fn append(
    bytes: &mut Vec<u8>,
    kind: Kind,
    value: &impl Serialize,
) -> Result<(), String> {
    /// As most items are.
    const SMALL: usize = 32;
    let start = bytes.len();
    bytes.resize(start + SMALL, 0);
    if let Ok(size) = write(&mut bytes[start..], kind, value) {
        bytes.truncate(start + size);
        return Ok(());
    }
    bytes.truncate(start);
    append_large(bytes, kind, value)
}

#[cold]
fn append_large(bytes: &mut Vec<u8>, kind: Kind, value: &impl Serialize) -> Result<(), String> {
    let start = bytes.len();
    bytes.push(kind.0 << 6 | LONG as u8);
    bytes.extend_from_slice(&[0; 4]);
    let encoded = postcard::serialize_with_flavor(value, Tail(&mut *bytes));
    let length = bytes.len() - start - 5;
    let refusal = match encoded {
        // A value that was refused because it is a little longer than SMALL
        // may still be shorter than what is LONG.
        Ok(()) if length < LONG => {
            bytes[start] = kind.0 << 6 | length as u8;
            bytes.drain(start + 1..start + 5);
            return Ok(());
        }
        Ok(()) if length <= LONGEST => {
            bytes[start + 1..start + 5].copy_from_slice(&(length as u32).to_le_bytes());
            return Ok(());
        }
        Ok(()) => format!("{length} bytes are more than {LONGEST}"),
        Err(error) => error.to_string(),
    };
    bytes.truncate(start);
    Err(refusal)
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

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
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
    let Some((head, body)) = room.split_first_mut() else {
        return Err(postcard::Error::SerializeBufferFull);
    };
    let front = Front {
        room: &mut *body,
        length: 0,
    };
    // What `serialize_with_flavor` does, where the compiler can look into it.
    let mut serializer = postcard::Serializer { output: front };
    value.serialize(&mut serializer)?;
    let length = serializer.output.finalize()?;
    if length < LONG {
        *head = kind.0 << 6 | length as u8;
        return Ok(1 + length);
    }
    if body.len() < length + 4 || length > LONGEST {
        return Err(postcard::Error::SerializeBufferFull);
    }
    *head = kind.0 << 6 | LONG as u8;
    body.copy_within(..length, 4);
    body[..4].copy_from_slice(&(length as u32).to_le_bytes());
    Ok(5 + length)
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

    #[inline]
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
        append(&mut bytes, Kind::ITEM, &"one").unwrap();
        append(&mut bytes, Kind::LAST_ITEM, &7_u8).unwrap();
        let Parsed::Frame { kind, body, size } = parse(&bytes) else {
            panic!("{bytes:?}");
        };
        assert_eq!((kind, body), (Kind::ITEM, &b"\x03one"[..]));
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
            assert_eq!(postcard::from_bytes::<String>(body).unwrap(), text);
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
