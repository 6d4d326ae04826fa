//! One typed channel over every transport.

use crate::framed::Framed;
use crate::wire::{Ends, Wire, packets, pipes, queues, rings, streams};
use crate::{RecvError, SendError};
use processes::{Child, fork};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// How messages get from one end of a [`Duplex`] to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// Two pipes (man 7 pipe): bytes without borders, 64 KiB each.
    Pipe,
    /// A Unix stream socket: the same, in both directions at once.
    Stream,
    /// A Unix seqpacket socket: messages with borders.
    SeqPacket,
    /// Two POSIX message queues (man 7 mq_overview): 8 messages of 4 KiB each.
    /// An ordinary user may have about ten such channels at once (`ulimit -q`).
    MessageQueue,
    /// Two rings in shared memory: no system call unless somebody has to sleep.
    SharedMemory,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 5] = [
        Transport::Pipe,
        Transport::Stream,
        Transport::SeqPacket,
        Transport::MessageQueue,
        Transport::SharedMemory,
    ];
}

/// One end of a channel that sends values of type `S` and receives values of
/// type `R`, over any [`Transport`].
///
/// It may be moved to another thread, or be used by a [forked](crate::fork_with)
/// process. Dropping an end closes it; the other side then receives
/// [`RecvError::Closed`] once it has received all that was sent – unless
/// another process still holds a copy.
///
/// Two ends that both send more than the transport holds (32 KiB at least)
/// before they receive wait for each other for ever: let one of them listen, or
/// use [`send_timeout`](Duplex::send_timeout).
///
/// Signals never surface: every call goes on after EINTR, and a deadline is not
/// prolonged by it.
pub struct Duplex<S, R> {
    framed: Framed,
    types: PhantomData<fn(S) -> R>,
}

/// Two connected ends.
///
/// ```
/// use ipc::Transport;
///
/// for transport in Transport::ALL {
///     let (mut here, mut there) = ipc::channel::<u32, String>(transport)?;
///     let worker = std::thread::spawn(move || {
///         while let Ok(number) = there.recv() {
///             there.send(&format!("{number} squared is {}", number * number)).unwrap();
///         }
///     });
///     here.send(&12)?;
///     assert_eq!(here.recv()?, "12 squared is 144");
///     drop(here); // the end of the worker's loop
///     worker.join().unwrap();
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// EMFILE: no descriptor is left; for a message queue also that the user has as
/// many as allowed.
pub fn channel<A, B>(transport: Transport) -> io::Result<(Duplex<A, B>, Duplex<B, A>)> {
    let ends = match transport {
        Transport::Pipe => pipes(),
        Transport::Stream => streams(),
        Transport::SeqPacket => packets(),
        Transport::MessageQueue => queues(),
        Transport::SharedMemory => rings(),
    };
    let (one, other): Ends = ends?;
    Ok((Duplex::framed(one), Duplex::framed(other)))
}

/// A [forked](processes::fork) child with the other end of a channel: it runs
/// `body` and exits with 0, or with [`PANICKED`](processes::PANICKED).
///
/// ```
/// let (mut line, mut child) = ipc::fork_with(ipc::Transport::Pipe, |mut line| {
///     while let Ok(number) = line.recv() {
///         line.send(&(number * number)).unwrap();
///     }
/// })?;
/// line.send(&12_u64)?;
/// let square: u64 = line.recv()?;
/// assert_eq!(square, 144);
/// drop(line);
/// assert!(child.wait()?.success());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each of the two processes has its own end only, so that each sees when the
/// other is gone. Drop the channel before you wait for the child, if that is
/// how it knows that it is over. What is to be minded when a program with
/// threads forks is said [there](processes::fork#in-a-program-with-threads).
///
/// # Errors
/// As for [`channel`] and [`fork`].
pub fn fork_with<A, B>(
    transport: Transport,
    body: impl FnOnce(Duplex<B, A>),
) -> io::Result<(Duplex<A, B>, Child)> {
    let (ours, theirs) = channel(transport)?;
    let (mut ours, mut theirs) = (Some(ours), Some(theirs));
    let child = fork(|| {
        drop(ours.take());
        theirs.take().map(body);
        0
    })?;
    match ours {
        Some(ours) => Ok((ours, child)),
        None => unreachable!("only the child, in its copy, takes it"),
    }
}

impl<S, R> Duplex<S, R> {
    fn framed(wire: Box<dyn Wire>) -> Duplex<S, R> {
        Duplex {
            framed: Framed::new(wire),
            types: PhantomData,
        }
    }

    /// The longest encoded message in bytes, for both directions (at first
    /// [`DEFAULT_LIMIT`](crate::DEFAULT_LIMIT)). A longer one is refused before a byte of it is sent,
    /// or before memory is taken for it.
    pub fn set_limit(&mut self, bytes: u32) {
        self.framed.limit = bytes;
    }
}

impl<S: Serialize, R> Duplex<S, R> {
    /// Sends one message, and waits while the transport is full.
    ///
    /// Returning says that the transport has the message, not that anybody read
    /// it.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, message: &S) -> Result<(), SendError> {
        self.framed.enqueue(message)?;
        self.framed.drain(None).map(|_| ())
    }

    /// The same with an end to patience: false if the transport was still full
    /// when the time was over. The message is then on its way in parts; the
    /// rest follows with the next [`flush_timeout`](Duplex::flush_timeout) or
    /// send, in order.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_timeout(&mut self, message: &S, patience: Duration) -> Result<bool, SendError> {
        self.framed.enqueue(message)?;
        self.flush_timeout(patience)
    }

    /// Goes on with a message that ran out of time: true once all is sent.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::Io`].
    pub fn flush_timeout(&mut self, patience: Duration) -> Result<bool, SendError> {
        // A patience beyond the clock's range is no deadline at all.
        self.framed.drain(Instant::now().checked_add(patience))
    }
}

impl<S, R: DeserializeOwned> Duplex<S, R> {
    /// Receives one message, and waits for it as long as it takes.
    ///
    /// What is said of hostile peers at [`Channel::recv`](crate::Channel::recv)
    /// holds here.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv(&mut self) -> Result<R, RecvError> {
        loop {
            // Without a deadline there is always a message in the end.
            if let Some(message) = self.framed.receive(None)? {
                return Ok(message);
            }
        }
    }

    /// Receives one message, or `None` if it has not come, whole, in time. What
    /// has come of it is kept: the next call goes on from there. With a
    /// patience of zero it takes what is already here.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv_timeout(&mut self, patience: Duration) -> Result<Option<R>, RecvError> {
        self.framed.receive(Instant::now().checked_add(patience))
    }
}

impl<S, R> fmt::Debug for Duplex<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duplex").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PIECE;
    use std::collections::VecDeque;

    /// A transport that delivers these pieces, then ends.
    struct Script(VecDeque<Vec<u8>>);

    impl Wire for Script {
        fn write(&mut self, _: &[u8]) -> io::Result<Option<usize>> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
            assert!(buffer.len() >= PIECE);
            let piece = self.0.pop_front().unwrap_or_default();
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(Some(piece.len()))
        }

        fn await_room(&mut self, _: Option<Instant>) -> io::Result<bool> {
            Ok(true)
        }

        fn await_bytes(&mut self, _: Option<Instant>) -> io::Result<bool> {
            Ok(true)
        }
    }

    fn reading(pieces: &[&[u8]]) -> Duplex<u8, String> {
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        Duplex::framed(Box::new(Script(pieces)))
    }

    fn frame(text: &str) -> Vec<u8> {
        let body = postcard::to_stdvec(text).unwrap();
        let length = u32::try_from(body.len()).unwrap();
        [&length.to_le_bytes()[..], &body].concat()
    }

    #[test]
    fn borders_are_found_however_the_bytes_arrive() {
        let bytes = [frame("one"), frame(""), frame("three")].concat();
        for size in 1..=bytes.len() {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            let mut end = reading(&pieces);
            for text in ["one", "", "three"] {
                assert_eq!(end.recv().unwrap(), text);
            }
            assert!(matches!(end.recv(), Err(RecvError::Closed)));
        }
    }

    #[test]
    fn an_end_within_a_message_is_truncated() {
        let bytes = frame("whole");
        for length in 1..bytes.len() {
            match reading(&[&bytes[..length]]).recv() {
                Err(RecvError::Truncated { received, expected }) => {
                    assert_eq!(received, length);
                    assert_eq!(expected, (length >= 4).then_some(bytes.len()));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_and_stays_refused() {
        let mut end = reading(&[&u32::MAX.to_le_bytes(), &frame("hidden")]);
        for _ in 0..3 {
            let refused = end.recv();
            assert!(
                matches!(refused, Err(RecvError::TooLong { .. })),
                "{refused:?}"
            );
        }
        let taken = end.framed.memory();
        assert!(taken <= 4 * PIECE, "no memory for a promise");
    }

    #[test]
    fn a_message_of_the_wrong_type_is_malformed_and_the_next_is_not() {
        let wrong = [&3_u32.to_le_bytes()[..], &[200, 200, 200]].concat();
        let long = [&3_u32.to_le_bytes()[..], &[0, 0, 0]].concat();
        let mut end = reading(&[&wrong, &long, &frame("right")]);
        assert!(matches!(end.recv(), Err(RecvError::Malformed(_))));
        assert!(
            matches!(end.recv(), Err(RecvError::Malformed(_))),
            "bytes left over"
        );
        assert_eq!(end.recv().unwrap(), "right");
    }

    #[test]
    fn a_message_that_cannot_be_encoded_or_is_too_long_leaves_nothing_behind() {
        struct Stubborn;
        impl Serialize for Stubborn {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("no"))
            }
        }
        let (one, mut other) = rings().unwrap();
        let mut refuses = Duplex::<Stubborn, ()>::framed(one);
        assert!(matches!(
            refuses.send(&Stubborn),
            Err(SendError::NotEncodable(_))
        ));
        let mut short = Duplex::<String, ()> {
            framed: refuses.framed,
            types: PhantomData,
        };
        short.set_limit(4);
        let refused = short.send(&"12345".to_owned());
        assert!(
            matches!(
                refused,
                Err(SendError::TooLong {
                    length: 6,
                    limit: 4
                })
            ),
            "{refused:?}"
        );
        short.send(&"123".to_owned()).unwrap();
        let mut bytes = vec![0; PIECE];
        assert_eq!(other.read(&mut bytes).unwrap(), Some(8));
        assert_eq!(bytes[..8], frame("123"));
    }
}
