//! Pass an open file to another process over a Unix socket.
//!
//! ```text
//!   sender                                          receiver
//!   fd 7 ──┐   send_file         receive_file    ┌── fd 4
//!          │   ───── byte 0 + [file] ─────────▶  │
//!          └──────────▶ one open file ◀──────────┘
//! ```
//!
//! ```ignore
//! // One process:
//! send_file(&socket, file.as_fd())?;
//! // The process at the other end of the socket:
//! if let Some(file) = receive_file(&socket)? {
//!     File::from(file).read_to_string(&mut text)?;
//! }
//! ```
//!
//! A *message* is one byte of the stream that carries one file descriptor as
//! control data (`SCM_RIGHTS`, unix(7)). `send_file` sends one message, and
//! `receive_file` takes one byte from the stream, with all that it carries.
//!
//! Both functions keep to these clauses:
//!
//! - C1: What arrives is a new descriptor for the same open file description
//!   (open(2)): both processes share the offset and the status flags. Every
//!   file that the kernel lets pass arrives: regular files, directories, pipes,
//!   sockets, the very socket over which it is sent. The numbers of descriptors
//!   do not matter, neither that of the file nor those of the sockets nor that
//!   of what arrives, and 0 is a number like all others. The value of the byte
//!   does not matter to `receive_file`.
//! - C2: A call that sends or receives a file acts on exactly one byte of the
//!   stream, and so does a call that returns one of the errors C12 to C14. Every
//!   other call acts on no byte. So messages arrive one by one, in the order in
//!   which they were sent, and all bytes before and after a message stay in the
//!   stream for the next call.
//! - C3: A call waits only if sendmsg(2) or recvmsg(2) would wait: if there is a
//!   byte, or room in the socket for a message, it returns at once. Otherwise it
//!   waits as long as it must. Signal handlers that interrupt the wait, however
//!   many, run at once and do not end it.
//! - C4: Apart from its message and the returned descriptor, a call leaves the
//!   process as it was: no descriptor, thread, process or memory is left (a buffer
//!   that later calls use again may stay), the settings of the socket and the
//!   process, such as limits, are the same, and nothing is printed. It starts no
//!   thread and no process. It needs no free descriptor except for what
//!   arrives. A call that waits holds up no call of another thread, even in the
//!   other direction of the same socket.
//! - C5: Every error of sendmsg(2) and recvmsg(2), apart from an interruption,
//!   ends the call and is returned with its number
//!   ([`io::Error::raw_os_error`]). That includes EAGAIN, if the socket is
//!   non-blocking or has a timeout that passes. After EAGAIN, nothing has been
//!   sent or taken. On a socket that waits, a call may ask with `MSG_DONTWAIT`
//!   and wait in poll(2): then EAGAIN only means that it waits. A timeout may
//!   begin anew, for example after an interruption.
//!
//! The contract does not cover these cases:
//!
//! - sockets that are not streams, and out-of-band data;
//! - two calls at the same time in the same direction of a socket;
//! - a socket on which `SO_PASSSEC`, `SO_PASSPIDFD`, `SO_PASSRIGHTS` or
//!   `SO_PEEK_OFF` was set;
//! - a process whose limit of descriptors (`RLIMIT_NOFILE`) is 0;
//! - a security module that does not let a file pass;
//! - record locks (fcntl(2)) that the *receiver* holds on a file that arrives:
//!   the kernel releases them when the process closes any descriptor for that
//!   file;
//! - SIGPIPE, if the caller blocks it or somebody else sends it during the call.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Sends `file` over `socket`.
///
/// - C6: The call sends one byte with the value 0, and with it `file` as the
///   only descriptor.
/// - C7: The sender keeps `file` as it was, with the record locks (fcntl(2)) that
///   it holds on it. The message arrives even if the sender closes `file` and the
///   socket, or ends, before it is received.
/// - C8: If nobody can receive the message any more, the sender gets no SIGPIPE
///   but the error EPIPE. It is ECONNRESET instead if that is what sendmsg(2)
///   returns: while the call waited, the peer has closed its socket and had not
///   read everything. The call does not change what the process does on a
///   signal, not even for a while: all threads share these dispositions. It may
///   block SIGPIPE in its own thread until it returns.
#[allow(unused_variables)]
pub fn send_file(socket: &UnixStream, file: BorrowedFd<'_>) -> io::Result<()> {
    todo!("send one byte with the descriptor as control data")
}

/// Receives a descriptor from `socket`, or `None` if the stream has ended.
///
/// - C9: The descriptor is close-on-exec (`FD_CLOEXEC`, fcntl(2)) from the
///   moment at which it exists: if another thread executes a program, that
///   program never gets it.
/// - C10: If the socket has the option `SO_PASSCRED`, the kernel adds the
///   sender's credentials to the control data. Whoever the sender is, this
///   changes no result.
/// - C11: If the stream has ended (recvmsg(2) returns 0), the result is `None`.
///   Messages that were sent before the end still arrive, on a non-blocking
///   socket too. If the peer has reset the connection, ECONNRESET (C5) is
///   returned once, before or after the messages that are still there.
///
/// # Errors
/// After each of the errors C12 to C14, one byte has been taken. The socket is
/// usable, and the next call takes the next byte.
/// - C12: [`InvalidData`](io::ErrorKind::InvalidData) if the byte carries no
///   descriptor, whatever its value.
/// - C13: [`InvalidData`](io::ErrorKind::InvalidData) if it carries more than
///   one and C14 does not apply; the kernel lets a peer send up to 253. When the
///   call returns, none of these is open in the receiver.
/// - C14: If the receiver's limit of descriptors (`RLIMIT_NOFILE`) leaves no room
///   for all that the byte carries, the kernel drops some or all of them and says
///   so with `MSG_CTRUNC`. The call returns an error of any kind except
///   `WouldBlock` and `Interrupted`: a second call would not get the message.
///   Descriptors that did arrive are closed.
#[allow(unused_variables)]
pub fn receive_file(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    todo!("receive one byte, and look at the control data that came with it")
}
