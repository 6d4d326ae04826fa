//! Send bytes to a peer and collect its answer, both at the same time.
//!
//! ```text
//!             to ──▶ ┌──────┐
//!  input ▶ pump      │ peer │   reads and writes when it likes
//! output ◀         ◀─└──────┘
//!            from
//! ```
//!
//! ```ignore
//! let mut sort = Command::new("sort")
//!     .stdin(Stdio::piped())
//!     .stdout(Stdio::piped())
//!     .spawn()?;
//! let (to, from) = (sort.stdin.take().unwrap(), sort.stdout.take().unwrap());
//! let sorted = pump(to.into(), from.into(), b"pear\napple\n")?;
//! assert_eq!(sorted, b"apple\npear\n");
//! sort.wait()?;
//! ```

use std::io;
use std::os::fd::OwnedFd;

/// Writes `input` to `to`, then ends that stream, and returns all bytes that
/// come out of `from` until its end.
///
/// `to` and `from` are ends of pipes or connected Unix stream sockets, one of
/// each or two of a kind. They may also be duplicates of one socket. They may
/// have any numbers below 1,024, 0 included, so that select(2) can be used, too.
/// The *peer* is the program at the other ends. (If one of the two is another
/// file, only C10, C11 and C14 hold.)
///
/// The bytes:
/// - C1: All bytes of `input` are written to `to`, in their order, and nothing
///   else. `input` may have any length, 0 included. When the call returns, the
///   caller can use the memory of `input` again, although the peer may not have
///   read the bytes yet.
/// - C2: The result is all bytes that come out of `from` until the end of the
///   stream, in their order. They may come in pieces of any size, and before,
///   while or after the peer reads. There may be none, or many more than were
///   sent. What the peer wrote before it closed its end or died belongs to the
///   result.
/// - C3: Neither direction waits for the other. While the peer does not read,
///   the call takes what the peer writes, however much that is. While the peer
///   does not write, the call writes what the peer reads. This also holds if
///   `to` is full when the call begins. (Before the call writes again, it may
///   read until nothing is there any more.)
///
/// The ends:
/// - C4: As soon as the last byte of `input` has been written (at once if there
///   is none), the call ends the stream, even if the stream has no room, and the
///   peer sees the end. If `to` is a pipe, the call closes it. (While another
///   process or the caller holds a duplicate of this descriptor, the peer does
///   not see an end.)
/// - C5: If `to` is a socket, the call shuts down its writing half with
///   shutdown(2), so that the peer sees the end although duplicates are open.
///   (If the call has dropped the rest of `input` (C6), or if it returns an
///   error, it need not do this.) The call shuts down nothing else, also after
///   an error: neither the reading half of `to` nor any half of another socket.
/// - C6: A peer may stop reading early: it may close its end, shut down its
///   reading half, or die. That is no error. The call drops the rest of `input`
///   and goes on reading to the end of `from`. In this case the kernel can
///   report EPIPE to a write, and ECONNRESET to a write or a read. ECONNRESET
///   from a read counts as the end of `from`, because nothing more comes out of
///   this socket. After ECONNRESET from a write there may still be bytes to
///   read. (If the peer only shuts down its reading half and `to` is full, Linux
///   does not wake a thread that waits for room with poll(2). The call need not
///   notice this before something else wakes it.)
/// - C7: A peer may end its output before it has read `input`. The call goes on
///   writing. It returns when `from` has ended and also all of `input` has been
///   written or dropped, and not before. If `to` and `from` are different files,
///   the end of `from`, by ECONNRESET too, says nothing about `to`.
///
/// The process:
/// - C8: While nothing can be read or written, every thread of the call sleeps
///   in the kernel, without a limit of time: no timer wakes it. So it uses no
///   CPU time, and it waits for as long as the peer takes. Once a direction has
///   ended, for whatever reason, the same holds for the other.
/// - C9: Signals that interrupt the call (EINTR), however many, change nothing.
///   The calling thread does not block them: the caller's handlers run while the
///   call waits. (Other threads of the call may block them.)
/// - C10: When the call returns, with a result or an error, both descriptors are
///   closed, and all threads that it started have been joined (the end of a
///   `thread::scope` counts as a join). It starts no process. The caller is as
///   it was before: the other descriptors are the same, and none is new, even if
///   the peer sends some over the socket. The signal mask, and the signal
///   dispositions with their flags, are the same. SIGPIPE is ignored, as in
///   every Rust program, or handled, and stays so.
/// - C11: Each descriptor may have the flag `O_NONBLOCK`, or not. When the call
///   returns, with a result or an error, both open files are as they were before
///   the call: their file status flags, the capacity of a pipe, the options of a
///   socket. (Duplicates share all this, so the caller can see a change.)
/// - C12: At no time does the call hold more heap memory than 1 MiB plus four
///   times the length of the result. The result is part of this sum, and stacks
///   of threads are not. So the call does not copy a long `input`. When it
///   returns, it has freed all memory except the result. (Memory that the first
///   call allocates for all later ones may stay.)
/// - C13: Calls of several threads, however many, do not hold up one another.
///
/// # Errors
/// - C14: If a system call fails for a reason that C6, C9 and C11 do not name,
///   the call returns this error with its number
///   ([`io::Error::raw_os_error`]), whether or not the other direction has
///   ended. It may return at once. It may also close the descriptor that failed
///   and first go on in the other direction to the end. (shutdown(2) fails with
///   ENOTSOCK for a pipe: that is no error of the call. epoll_ctl(2) fails with
///   EPERM for some files: then EPERM is the error.)
#[allow(unused_variables)]
pub fn pump(to: OwnedFd, from: OwnedFd, input: &[u8]) -> io::Result<Vec<u8>> {
    todo!("write and read whenever it is possible; sleep when neither is; end the stream")
}
