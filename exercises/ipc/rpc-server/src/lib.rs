//! A server that answers the requests of many clients with one thread.
//!
//! ```text
//!                        ┌──────────────── serve ────────────────┐
//!  client ──frames──▶ read ─▶ Decoder ─▶ handler ─▶ Outbox ─▶ write ──▶ client
//!                        └── reads nothing while the outbox is over its limit
//! ```
//!
//! A frame is the length of a message, as four bytes with the most significant
//! byte first (big-endian), and then the message. The frame of an empty message
//! is four zeros.
//!
//! The three parts have tests of their own, and you can write the first two in
//! any order.

use std::io::{self, Write};
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixListener;

// ------------------------------------------------------------- Part 1: Decoder

/// The length of a message is over the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The length that the frame claims, in bytes.
    pub length: u32,
}

/// Makes messages of bytes that arrive in pieces.
///
/// A byte *waits* in the decoder from the `push` that brings it until the call
/// of `message` that returns its message.
#[derive(Debug)]
pub struct Decoder {
    // Add what it has to remember.
}

impl Decoder {
    /// A decoder in which no byte waits. A message may have at most `limit` bytes.
    #[allow(unused_variables)]
    pub fn new(limit: u32) -> Decoder {
        todo!("remember the limit")
    }

    /// Adds bytes that have arrived.
    #[allow(unused_variables)]
    pub fn push(&mut self, bytes: &[u8]) {
        todo!("keep the bytes")
    }

    /// Takes the next message out, if all its bytes have arrived. `None` means
    /// that more bytes are needed.
    ///
    /// - C1: The messages come out whole, once and in order, however the bytes of
    ///   their frames are divided among the calls of `push`. A message is there as
    ///   soon as its last byte is, and an empty one as soon as its length is.
    /// - C2: If a length is greater than the limit, it is refused as soon as its four
    ///   bytes are there and the messages before it have been taken. From then on
    ///   every call returns the same error, and `push` ignores its bytes. A message
    ///   of exactly `limit` bytes is not refused. This holds for every limit and
    ///   every length, 0 and [`u32::MAX`] included.
    /// - C3: The decoder and its calls never hold more heap memory than 64 KiB, plus
    ///   128 bytes for each message that waits, plus eight times the most bytes that
    ///   have waited at a time since the decoder was last empty. So an empty decoder
    ///   holds at most 64 KiB, and so does one that has refused a length. A length
    ///   alone costs nothing: the bytes have to arrive.
    /// - C4: The time that `message` takes depends on the message that it returns, not
    ///   on the bytes that wait behind it. The time that `push` takes depends, on
    ///   average, on the bytes that it adds.
    pub fn message(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        todo!("look at the length, check the limit, and take the message if it is whole")
    }
}

// -------------------------------------------------------------- Part 2: Outbox

/// The frames for one client that its stream has not taken yet.
#[derive(Debug)]
pub struct Outbox {
    // Add what it has to remember.
}

/// - C5: The stream gets the frames of all queued messages: every byte once and in
///   order, however few of them each call of `write` takes. At any time, `waiting`
///   returns the number of bytes that were queued and that the stream has not taken.
///   The four bytes of a length count like the others.
/// - C6: The outbox and its calls never hold more heap memory than 64 KiB, plus 128
///   bytes for each message that waits, plus eight times the most bytes that have
///   waited at a time since the outbox was last empty. So an empty outbox holds at
///   most 64 KiB. The time that `queue` takes depends, on average, on its message,
///   and the time that `flush` takes on the bytes and the calls of the stream, but
///   not on the bytes that wait behind them.
impl Outbox {
    /// An outbox in which nothing waits.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Outbox {
        todo!("begin with nothing")
    }

    /// Adds the frame of a message. Nothing is written yet.
    ///
    /// # Panics
    /// If the message has more than [`u32::MAX`] bytes. Nothing is queued then.
    #[allow(unused_variables)]
    pub fn queue(&mut self, message: &[u8]) {
        todo!("add the length and the message")
    }

    /// The number of bytes that wait.
    pub fn waiting(&self) -> usize {
        todo!("count the bytes that wait")
    }

    /// Writes what waits, as far as the stream takes it.
    ///
    /// - C7: The result is `true` when nothing waits any more. If nothing waits at
    ///   the beginning, the stream is not called. `WouldBlock` is no error: the
    ///   result is `false`, and what waits stays for the next call. A `write` that
    ///   fails with `Interrupted` has written nothing, and is made again, as often as
    ///   that happens. Every other error is returned as it is: the same
    ///   [`io::Error`], not a new one of the same kind. If the stream takes none of
    ///   the bytes (`Ok(0)`), the error is `WriteZero`. After `WouldBlock` and after an
    ///   error, the call makes no further call of the stream. A later call goes on
    ///   with the first byte that the stream has not taken.
    #[allow(unused_variables)]
    pub fn flush(&mut self, to: &mut impl Write) -> io::Result<bool> {
        todo!("write until nothing waits or the stream takes no more")
    }
}

// --------------------------------------------------------------- Part 3: serve

/// What a server allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest request, in bytes without the four bytes of its length.
    pub message: u32,
    /// If more bytes than this wait for a client, the client has to read first.
    pub outbox: usize,
    /// The most clients that are connected at a time.
    pub clients: usize,
}

/// What a server has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The number of clients that it has accepted.
    pub clients: u64,
    /// The number of requests that it has handled.
    pub requests: u64,
}

/// Accepts clients and answers their requests until `stop` is ready.
///
/// A *request* is one message that a client sends. It is *handled* when `handler`
/// is called with it, and what `handler` returns is its *answer*. Bytes *wait* for
/// a client if they belong to the answers to handled requests and the client's
/// socket has not taken them. `stop` is the read end of a pipe, or a socket. It is
/// *ready* when it can be read, or when its other end is closed.
///
/// The clients:
/// - C8: Each request is handled once, and its answer is sent to its client in one
///   frame. The answers of a client come in the order of its requests. All this holds
///   however the bytes arrive: many requests at once, or one byte at a time. Requests
///   and answers may be empty.
/// - C9: No client waits for another client to read, to send or to finish a request.
///   Before a request that has arrived is handled, at most 1 MiB of the requests of
///   each other client is handled, even if that client always has more. (Unless the
///   request has to wait because of C10, C13 or C14.)
/// - C10: A request is handled if at most `limits.outbox` bytes wait for its client,
///   and not otherwise. While more bytes wait, nothing is read from this client. When
///   it has read enough, its requests are handled again, also those that were read
///   before and for which nothing new arrives. At most 512 KiB plus `limits.message` of
///   a client's bytes are read and belong to no handled request. For each client, `serve`
///   holds at most 512 KiB of heap memory, plus eight times the sum of `limits.message`,
///   `limits.outbox` and the longest answer to this client.
/// - C11: When a client has sent its last byte (a shutdown of its write half), it
///   still gets the answers to its whole requests. Then its connection is closed. An
///   incomplete request at the end gets no answer. A length that is greater than
///   `limits.message` counts as such an end: nothing after it is read as a request.
/// - C12: A client that is gone (it has closed its socket, or its process has died)
///   disturbs nobody. Its connection is closed at once, also if the client has left an
///   incomplete request or unread answers, or if bytes wait for it. Whether its
///   outstanding requests are still handled is not defined. An error of a client's
///   socket ends only this connection. `serve` causes no SIGPIPE, also if the process
///   does not ignore that signal.
/// - C13: At most `limits.clients` clients are connected at a time, each until its
///   connection is closed. Further clients wait in the backlog of the listener. When a
///   connection has been closed, the client that has waited longest is accepted. With a limit of 0, no client is
///   accepted. With [`usize::MAX`], there is no limit.
/// - C14: If `accept` fails because no descriptor is free (EMFILE, ENFILE) and a client
///   is connected, new clients wait in the backlog, and the connected ones are served
///   as before. When a connection has been closed, `accept` is called again, at the
///   latest. If no client is connected, `serve` returns the error.
///
/// The call:
/// - C15: `serve` starts no thread and no process, and calls `handler` on the calling
///   thread. While there is nothing to do, this thread sleeps in the kernel and wakes
///   up at most ten times a second. It sleeps only where everything that happens wakes
///   it: if another process takes a client from the backlog first, `serve` does not
///   wait for the next one. Signals that interrupt it change nothing.
/// - C16: If `stop` is ready at the call, no client is accepted and no request is
///   handled. If it becomes ready later, C9 holds for it as for a request: at most 1
///   MiB of the requests of each client is still handled. Then `serve` returns and
///   closes all connections. It does not wait for any client: what still waits for the
///   clients is lost. `serve` reads nothing from `stop`.
/// - C17: The result counts the accepted clients and the handled requests. However the
///   call ends, also by an error or by a panic of `handler`, the listener and all
///   descriptors of the call are closed. The panic reaches the caller with its
///   payload. While the call runs, all its descriptors are close-on-exec. Nothing
///   else in the process changes, no memory is kept, and the listener's file stays.
///
/// # Errors
/// C14, and the errors of epoll(7) or poll(2). The tests do not make these fail.
///
/// # Panics
/// If an answer has more than [`u32::MAX`] bytes.
#[allow(unused_variables)]
pub fn serve(
    listener: UnixListener,
    stop: BorrowedFd<'_>,
    limits: Limits,
    handler: impl FnMut(&[u8]) -> Vec<u8>,
) -> io::Result<Served> {
    todo!("wait for readiness; accept, read, handle and write; never wait anywhere else")
}
