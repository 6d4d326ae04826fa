//! Errors of streams as plain data.

use std::fmt;
use std::io::{self, ErrorKind};

use serde::{Deserialize, Serialize};

pub use kind::KINDS;

/// An [`io::Error`] as plain data: a script can order it, and a subject can
/// report it.
///
/// Two of them are equal if they come from the same error. Code that hands the
/// error on keeps it the same; code that makes a new error of the same kind
/// does not.
///
/// ```
/// use std::io::{self, ErrorKind};
/// use proctor::script::IoError;
///
/// let ordered = IoError::Marked(ErrorKind::ConnectionReset, 7);
/// let error = ordered.make();
/// assert_eq!(IoError::of(&error), ordered);
/// let wrapped = io::Error::new(error.kind(), error);
/// assert_ne!(IoError::of(&wrapped), ordered);
/// assert_eq!(IoError::of(&wrapped).kind(), ErrorKind::ConnectionReset);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IoError {
    /// An error of the operating system, by its number.
    Os(i32),
    /// An error that is a kind and nothing else.
    Kind(#[serde(with = "kind")] ErrorKind),
    /// An error whose payload is a value of a type that only this module
    /// makes, with this number in it.
    Marked(#[serde(with = "kind")] ErrorKind, u64),
    /// Any other error: its kind and its text. If a script orders it, it is
    /// made with the text as its payload.
    Other(#[serde(with = "kind")] ErrorKind, String),
}

/// The payload of [`IoError::Marked`].
#[derive(Debug)]
struct Mark(u64);

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error number {} of the script", self.0)
    }
}

impl std::error::Error for Mark {}

impl IoError {
    /// The data of an error.
    pub fn of(error: &io::Error) -> IoError {
        let kind = error.kind();
        if let Some(number) = error.raw_os_error() {
            return IoError::Os(number);
        }
        match error.get_ref() {
            Some(payload) => match payload.downcast_ref::<Mark>() {
                Some(Mark(number)) => IoError::Marked(kind, *number),
                None => IoError::Other(kind, payload.to_string()),
            },
            // An error with a fixed text looks the same, but for its text.
            None if error.to_string() == kind.to_string() => IoError::Kind(kind),
            None => IoError::Other(kind, error.to_string()),
        }
    }

    /// The error.
    pub fn make(&self) -> io::Error {
        match self {
            IoError::Os(number) => io::Error::from_raw_os_error(*number),
            IoError::Kind(kind) => (*kind).into(),
            IoError::Marked(kind, number) => io::Error::new(*kind, Mark(*number)),
            IoError::Other(kind, text) => io::Error::new(*kind, text.clone()),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        match self {
            IoError::Os(number) => io::Error::from_raw_os_error(*number).kind(),
            IoError::Kind(kind) | IoError::Marked(kind, _) | IoError::Other(kind, _) => *kind,
        }
    }
}

/// Kinds are sent by name. A kind that code cannot make by its name becomes
/// `Other`.
mod kind {
    use std::io::ErrorKind;

    use serde::{Deserialize, Deserializer, Serializer};

    macro_rules! kinds {
        ($($name:ident),* $(,)?) => {
            /// Every kind that code can make by its name, for tests of what must hold for all.
            pub const KINDS: &[ErrorKind] = &[$(ErrorKind::$name),*];
        };
    }
    kinds!(
        NotFound,
        PermissionDenied,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkUnreachable,
        ConnectionAborted,
        NotConnected,
        AddrInUse,
        AddrNotAvailable,
        NetworkDown,
        BrokenPipe,
        AlreadyExists,
        WouldBlock,
        NotADirectory,
        IsADirectory,
        DirectoryNotEmpty,
        ReadOnlyFilesystem,
        StaleNetworkFileHandle,
        InvalidInput,
        InvalidData,
        TimedOut,
        WriteZero,
        StorageFull,
        NotSeekable,
        QuotaExceeded,
        FileTooLarge,
        ResourceBusy,
        ExecutableFileBusy,
        Deadlock,
        CrossesDevices,
        TooManyLinks,
        InvalidFilename,
        ArgumentListTooLong,
        Interrupted,
        Unsupported,
        UnexpectedEof,
        OutOfMemory,
        Other,
    );

    pub(super) fn serialize<S: Serializer>(kind: &ErrorKind, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{kind:?}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ErrorKind, D::Error> {
        let wanted = String::deserialize(from)?;
        let found = KINDS.iter().find(|kind| format!("{kind:?}") == wanted);
        Ok(found.copied().unwrap_or(ErrorKind::Other))
    }
}

/// Bytes are sent in one piece. To send them one by one takes long in a debug
/// build.
pub(super) mod bytes {
    use serde::de::Visitor;
    use serde::{Deserializer, Serializer};

    pub(in super::super) fn serialize<S: Serializer>(
        bytes: &[u8],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<u8>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        from.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_cross_as_they_are() {
        let errors = [
            IoError::Os(104),
            IoError::Kind(ErrorKind::UnexpectedEof),
            IoError::Marked(ErrorKind::Other, u64::MAX),
            IoError::Other(ErrorKind::TimedOut, "late".to_owned()),
        ];
        for error in errors {
            assert_eq!(IoError::of(&error.make()), error);
            let sent = postcard::to_stdvec(&error).unwrap();
            assert_eq!(postcard::from_bytes::<IoError>(&sent).unwrap(), error);
        }
    }

    #[test]
    fn a_fixed_text_is_no_mere_kind() {
        let fixed = io::Read::read_exact(&mut io::empty(), &mut [0]).unwrap_err();
        let IoError::Other(ErrorKind::UnexpectedEof, _) = IoError::of(&fixed) else {
            panic!("{:?}", IoError::of(&fixed));
        };
    }
}
