//! A typed channel over any transport.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::framed::Framed;
use crate::wire::{Ends, Wire, packets, pipes, queues, rings, streams};
use crate::{RecvError, SendError};

/// How messages get from one end of a [`Duplex`] to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// Two pipes (man 7 pipe). They carry bytes without message boundaries, and
    /// each holds 64 KiB.
    Pipe,
    /// A Unix stream socket. It also carries bytes without message boundaries,
    /// but in both directions.
    Stream,
    /// A Unix seqpacket socket. It keeps message boundaries.
    SeqPacket,
    /// Two POSIX message queues (man 7 mq_overview). Each holds 8 messages of
    /// 4 KiB. An ordinary user can have about ten such channels at once
    /// (`ulimit -q`).
    MessageQueue,
    /// Two rings in shared memory, of 64 KiB each. The two sides make system
    /// calls only when one of them has to wait, and after an end was dropped,
    /// to see whether the other side is closed. If the other process is killed,
    /// it drops nothing: a receiver notices that within about 100 ms, but a sender
    /// only when the ring is full.
    SharedMemory,
}

impl Transport {
    /// All transports.
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
/// You can move it to another thread, or use it in a [forked](crate::fork_with)
/// process. Dropping an end closes it. The other side first receives everything
/// that was sent, and then [`RecvError::Closed`], unless another process still
/// holds a copy of the dropped end.
///
/// If both ends send more than the transport holds (at least 32 KiB) before
/// they receive, they wait for each other for ever. Let one end receive first,
/// or use [`send_timeout`](Duplex::send_timeout).
///
/// Signals do not disturb a call: each call continues after EINTR, and signals
/// do not prolong a deadline.
pub struct Duplex<S, R> {
    framed: Framed,
    types: PhantomData<fn(S) -> R>,
}

/// Creates two connected ends.
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
///     drop(here); // this ends the worker's loop
///     worker.join().unwrap();
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Fails if no descriptor is left (EMFILE). For message queues, it also fails
/// if the user already has as many as allowed.
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

impl<S, R> Duplex<S, R> {
    fn framed(wire: Box<dyn Wire>) -> Duplex<S, R> {
        Duplex {
            framed: Framed::new(wire),
            types: PhantomData,
        }
    }

    /// Sets the length of the longest encoded message in bytes, for both
    /// directions (at first [`DEFAULT_LIMIT`](crate::DEFAULT_LIMIT)). The
    /// channel refuses a longer message: when sending, before it sends a byte
    /// of it; when receiving, before it allocates memory for it.
    pub fn set_limit(&mut self, bytes: u32) {
        self.framed.limit = bytes;
    }
}

impl<S: Serialize, R> Duplex<S, R> {
    /// Sends one message. Waits while the transport is full.
    ///
    /// When this call returns, the transport has the message. The receiver may
    /// not have read it yet.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send(&mut self, message: &S) -> Result<(), SendError> {
        self.framed.enqueue(message)?;
        self.framed.drain(None).map(|_| ())
    }

    /// Like [`send`](Duplex::send), but waits for at most `patience`. Returns
    /// false if the transport was still full at the end of this time. The
    /// message is then only partly sent. The next
    /// [`flush_timeout`](Duplex::flush_timeout) or send first sends the rest.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_timeout(&mut self, message: &S, patience: Duration) -> Result<bool, SendError> {
        self.framed.enqueue(message)?;
        self.flush_timeout(patience)
    }

    /// Continues to send a message that timed out. Returns true once all of it
    /// is sent.
    ///
    /// # Errors
    /// [`SendError::Closed`] or [`SendError::Io`].
    pub fn flush_timeout(&mut self, patience: Duration) -> Result<bool, SendError> {
        // A patience that exceeds the clock's range means no deadline.
        self.framed.drain(Instant::now().checked_add(patience))
    }
}

impl<S, R: DeserializeOwned> Duplex<S, R> {
    /// Receives one message. Waits for it as long as it takes.
    ///
    /// The warning about hostile peers at
    /// [`Channel::recv`](crate::Channel::recv) also applies here.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv(&mut self) -> Result<R, RecvError> {
        loop {
            // Without a deadline, `receive` never returns `None`.
            if let Some(message) = self.framed.receive(None)? {
                return Ok(message);
            }
        }
    }

    /// Receives one message. Returns `None` if no complete message has arrived
    /// in time. The channel keeps the part that has arrived, and the next call
    /// continues from there. With a patience of zero, it takes what has already
    /// arrived.
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
    use std::collections::VecDeque;

    use super::*;
    use crate::wire::PIECE;

    /// A transport that delivers these pieces and then ends.
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
