//! The messages on the sockets between the program and its workers: frames
//! whose bodies begin with a byte for the message's kind.

use serde::{Deserialize, Serialize};

use crate::frame::{self, HEADER, NotFramed};

/// The longest body: 1 GiB.
pub(crate) const LONGEST: u32 = 1 << 30;

/// What a message carries. Each direction has its own kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kind(u8);

/// Kinds of messages to a worker.
impl Kind {
    /// An item. More items of its chunk follow.
    pub(crate) const ITEM: Kind = Kind(0);
    /// The last item of its chunk.
    pub(crate) const LAST_ITEM: Kind = Kind(1);
}

/// Kinds of messages from a worker.
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

/// Appends a message. If that fails, `bytes` stays as it was.
pub(crate) fn append(
    bytes: &mut Vec<u8>,
    kind: Kind,
    value: &impl Serialize,
) -> Result<(), NotFramed> {
    frame::append(bytes, &(kind, value), LONGEST)
}

/// Writes a message to the beginning of `room`, and returns its length in bytes.
pub(crate) fn write(
    room: &mut [u8],
    kind: Kind,
    value: &impl Serialize,
) -> Result<usize, NotFramed> {
    frame::write(room, &(kind, value), LONGEST)
}

/// Marks the item at the beginning of `bytes` as the last of its chunk.
pub(crate) fn mark_last(bytes: &mut [u8]) {
    if let Some(kind) = bytes.get_mut(HEADER) {
        *kind = Kind::LAST_ITEM.0;
    }
}

/// What [`parse`] found at the beginning of its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    /// A message of `size` bytes. Its value is in `value`.
    Message {
        kind: Kind,
        value: &'a [u8],
        size: usize,
    },
    /// Only the beginning of a message.
    Incomplete,
    /// Not a message: its kind is unknown, or its length is out of range.
    Garbage,
}

/// Parses the message at the beginning of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Parsed<'_> {
    let Some(length) = frame::announced(bytes) else {
        return Parsed::Incomplete;
    };
    if length == 0 || length > LONGEST {
        return Parsed::Garbage;
    }
    let size = HEADER + length as usize;
    match &bytes[HEADER..bytes.len().min(size)] {
        [] => Parsed::Incomplete,
        [kind, ..] if *kind > Kind::LAST => Parsed::Garbage,
        [kind, value @ ..] if bytes.len() >= size => Parsed::Message {
            kind: Kind(*kind),
            value,
            size,
        },
        _ => Parsed::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::decode;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        let mut bytes = Vec::new();
        append(&mut bytes, Kind::ITEM, &"one").unwrap();
        let second = bytes.len();
        append(&mut bytes, Kind::ITEM, &7_u8).unwrap();
        mark_last(&mut bytes[second..]);
        let Parsed::Message { kind, value, size } = parse(&bytes) else {
            panic!("{bytes:?}");
        };
        assert_eq!((kind, decode(value), size), (Kind::ITEM, Ok("one"), second));
        let expected = Parsed::Message {
            kind: Kind::LAST_ITEM,
            value: &[7],
            size: 6,
        };
        assert_eq!(parse(&bytes[second..]), expected);
    }

    #[test]
    fn a_part_of_a_message_is_incomplete_and_an_unknown_kind_is_garbage() {
        let mut bytes = Vec::new();
        append(&mut bytes, Kind::RESULT, &[1_u8; 9]).unwrap();
        for length in 0..bytes.len() {
            assert_eq!(parse(&bytes[..length]), Parsed::Incomplete);
        }
        for garbage in [&[0xff; 100][..], &[0; 4], &[9, 0, 0, 0, 4]] {
            assert_eq!(parse(garbage), Parsed::Garbage);
        }
    }
}
