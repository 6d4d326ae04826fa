//! Values as bytes, and back.
//!
//! The bytes go from one copy of a program to another on the same machine, so
//! they need not be portable or few. They need to be cheap: every number is as
//! wide as its type and looks as it does in memory, one instruction to store and
//! one to load. (Formats for files and networks save bytes with numbers of
//! variable length, 7 bits in each byte; that costs a loop for every number.)
//!
//! ```text
//!  number, bool, char     its bytes; a char is a u32
//!  str, bytes, seq, map   how many, a u32; then the elements
//!  Option                 a byte: 0, or 1 and the value
//!  enum                   the variant's index, a u32; then what it holds
//!  struct, tuple          the fields, one behind the other
//! ```
//!
//! What a type is does not stand there: both sides know.

mod decode;
mod encode;

pub(crate) use decode::decode;
pub(crate) use encode::{Output, encode};
use std::{error, fmt};

/// Why a value has no bytes, or bytes are no value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CodecError {
    /// There is no room for the bytes.
    Full,
    /// A sequence that does not know its length.
    NoLength,
    /// So many bytes that nobody would send them.
    TooLong(usize),
    /// More elements than a u32 can say.
    TooMany(usize),
    /// The bytes end in the middle of the value.
    Incomplete,
    /// The bytes are none of a value of this kind.
    Not(&'static str),
    /// The type's `Deserialize` wants to be told what follows.
    NotSelfDescribing,
    /// What the type's own `Serialize` or `Deserialize` has to say.
    Custom(Box<str>),
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecError::Full => f.write_str("there is no room for it"),
            CodecError::NoLength => f.write_str("it has a sequence of unknown length"),
            CodecError::TooLong(length) => write!(
                f,
                "its {length} bytes are more than {}",
                super::frame::LONGEST
            ),
            CodecError::TooMany(count) => {
                write!(f, "{count} elements are more than {}", u32::MAX)
            }
            CodecError::Incomplete => f.write_str("its bytes end too early"),
            CodecError::Not(what) => write!(f, "where {what} should be is something else"),
            CodecError::NotSelfDescribing => f.write_str(
                "its type's `Deserialize` asks what follows (as an untagged enum does), and \
                 the bytes do not say that",
            ),
            CodecError::Custom(why) => f.write_str(why),
        }
    }
}

impl error::Error for CodecError {}

impl serde::ser::Error for CodecError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> CodecError {
        CodecError::Custom(message.to_string().into())
    }
}

impl serde::de::Error for CodecError {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> CodecError {
        CodecError::Custom(message.to_string().into())
    }
}

#[cfg(test)]
mod tests;
