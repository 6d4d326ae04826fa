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
    /// - C3: Let `m` be the most messages and `b` the most bytes that have waited at a
    ///   time since the decoder was last empty. (A message waits as soon as its first
    ///   byte does.) The decoder and its calls never hold more than 64 KiB + 128 `m` +
    ///   8 `b` bytes of heap memory. So an empty decoder holds at most 64 KiB, and so
    ///   does one that has refused a length, also while `push` ignores bytes. A length
    ///   alone costs nothing: the bytes have to arrive. The vector that `message`
    ///   returns has a capacity of at most 128 bytes plus eight times its length. It
    ///   then belongs to the caller and does not count any more.
    /// - C4: On average over many calls, the time that `push` and `message` take depends
    ///   on the bytes that they add and return, and not on the bytes that wait. A single
    ///   call may move all the bytes that wait, if that happens rarely enough.
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
/// - C6: Let `m` be the most messages and `b` the most bytes that have waited at a time
///   since the outbox was last empty. The outbox and its calls never hold more than
///   64 KiB + 128 `m` + 8 `b` bytes of heap memory. So an empty outbox holds at most
///   64 KiB. On average over many calls, the time that `queue` takes depends on its
///   message, and the time that `flush` takes on the bytes that the stream takes and
///   on the calls of the stream, but neither depends on the bytes that wait.
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
    ///   the beginning, the stream is not called. Of the stream's methods, only `write`
    ///   and `write_vectored` are called. If one fails with an error of the kind
    ///   `WouldBlock`, that is no error of `flush`: the result is `false`, and what waits
    ///   stays for the next call. If it fails with the kind `Interrupted`, it has written
    ///   nothing and is called again, as often as that happens. Every other error is
    ///   returned as it is: the same [`io::Error`], not a new one of the same kind. If the
    ///   stream takes none of the bytes (`Ok(0)`), the error is `WriteZero`. If the stream
    ///   panics, it has taken nothing in that call, and the panic reaches the caller.
    ///   After `WouldBlock`, an error or a panic, `flush` makes no further call of the
    ///   stream, and nothing is lost: a later `flush` goes on with the first byte that
    ///   the stream has not taken. No stream claims that it has taken more bytes than it
    ///   was given.
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
/// socket has not taken them.
///
/// `stop` is the read end of a pipe, or a socket. It is *ready* when poll(2) reports
/// that it can be read (POLLIN) or that its other end is closed (POLLHUP). A socket
/// can also be read when no byte is there: its peer has shut down its write half, or
/// an empty datagram has come.
///
/// The caller guarantees four things. Once `stop` is ready, it stays ready. Nobody
/// shuts down the listener. The descriptors 0, 1 and 2 are open, as they are in every
/// Rust program that does not close them itself. And no other thread changes the
/// descriptors of the call.
///
/// The clients:
/// - C8: Each request is handled once, and its answer is sent to its client in one
///   frame. The answers of a client come in the order of its requests. All this holds
///   however the bytes arrive: many requests at once, or one byte at a time. Requests
///   and answers may be empty.
/// - C9: No client waits for another client to read, to send or to finish a request.
///   Before a request that has arrived is handled, `serve` handles requests of each
///   other client with at most 1 MiB plus `limits.message` bytes (the lengths count,
///   too), even if that client always has more. A request of a client in the backlog
///   has arrived as soon as this client is the first there. (All this is no promise
///   for a request that has to wait because of C10, C13 or C14.)
/// - C10: A request is handled if at most `limits.outbox` bytes wait for its client,
///   and not otherwise. While more bytes wait, nothing is read from this client. When
///   it has read enough, its requests are handled again, also those that were read
///   before and for which nothing new arrives. At most 512 KiB plus `limits.message` of
///   a client's bytes are read and belong to no handled request. For each client, `serve`
///   holds at most 512 KiB of heap memory, plus what C3 and C6 allow a decoder and an
///   outbox for the bytes that were read and that wait. An answer counts with its
///   length: `serve` does not keep the spare capacity of the handler's vector.
/// - C11: When a client has sent its last byte (a shutdown of its write half), it
///   still gets the answers to its whole requests. Then `serve` closes the connection,
///   without waiting for the client to do so. An incomplete request at the end gets no
///   answer. A length that is greater than `limits.message` counts as such an end:
///   nothing after it is handled. Whether `serve` reads it is not defined. (If it does
///   not, the kernel may report ECONNRESET to the client behind the last answer.)
/// - C12: A client that is gone (it has closed its socket or shut down both halves, or
///   its process has died) disturbs nobody. Its connection is closed at once, also if
///   the client has left an incomplete request or unread answers, or if bytes wait for
///   it. Whether its outstanding requests are still handled is not defined. An error of
///   a client's socket ends only this connection. So a client that has shut down only
///   its read half stays connected until a write to it fails. `serve` causes no SIGPIPE,
///   also if the process does not ignore that signal.
/// - C13: At most `limits.clients` clients are connected at a time, each until its
///   connection is closed. Further clients wait in the backlog of the listener. When a
///   connection has been closed, in whatever way, the client that has waited longest is
///   accepted. With a limit of 0, no client is accepted. The limit may be any number,
///   also more than there can be descriptors.
/// - C14: If `accept` fails because no descriptor is free (EMFILE, ENFILE) and a client
///   is connected, new clients wait in the backlog, and the connected ones are served
///   as before. When a connection has been closed, in whatever way, `accept` is called
///   again, at the latest. If no client is connected, `serve` returns the error. (The
///   kernel may report the error also when the backlog is empty.)
///
/// The call:
/// - C15: `serve` starts no thread and no process, and calls `handler` on the calling
///   thread. There is something to do while a client may be read (C10) and has bytes
///   or the end of its stream, while it takes bytes that wait for it, while a
///   connection has to be closed, and while a client may be accepted. Otherwise the
///   thread sleeps in the kernel and wakes up at most twenty times a second, whatever
///   else the kernel could report. It sleeps only where everything that happens wakes
///   it: if another process takes a client from the backlog first, `serve` does not
///   wait for the next one. Signals that interrupt it change nothing.
/// - C16: If `stop` is ready at the call, no client is accepted and no request is
///   handled. If it becomes ready later, C9 holds for it as for a request: of each
///   client, requests with at most 1 MiB plus `limits.message` bytes are still handled.
///   Then `serve` returns and closes all connections. It does not wait for any client:
///   what still waits for the clients may be lost. `serve` reads nothing from `stop`.
/// - C17: The result counts the accepted clients and the handled requests of this call,
///   also if other calls of `serve` run at the same time or within `handler`. However
///   the call ends, also by an error or by a panic of `handler`, the listener and all
///   descriptors that the call has opened are closed. The panic reaches the caller with
///   its payload. The descriptors that the call opens are close-on-exec. No memory is
///   kept, and the listener's file stays. Nothing else in the process changes: not the
///   flags of `stop`, for example, and not the panic hook. One exception is allowed:
///   the listener's socket may be non-blocking, also for duplicates of the listener.
///
/// # Errors
/// C14, the errors of epoll(7) or poll(2), and every other error of accept(2) except
/// EAGAIN and EINTR. The tests cause only those of C14.
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
