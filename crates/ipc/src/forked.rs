//! A connection between this process and a forked child.
//!
//! After a fork, both processes hold both ends of every connection. The kernel
//! reports the end of a connection when *no* process holds the other side any
//! more. So a process that keeps a copy of the other side's end waits for ever:
//!
//! ```text
//!   fork                              fork_between
//!   parent: ours, theirs              parent: ours
//!   child:  ours, theirs              child:        theirs
//! ```

use std::io;

use processes::{Child, fork};

use crate::{Duplex, Transport, channel};

/// [Forks](processes::fork) a child that gets `theirs`, while this process keeps
/// `ours`. Each process drops its copy of what the other gets, so each sees when
/// the other is gone. The child runs `body` and exits with the status that `body`
/// returns.
///
/// The two values can be the two ends of anything: of a [`ring`](crate::ring()),
/// a [`SeqPacket`](crate::SeqPacket) pair, a pipe, or tuples of such ends.
///
/// ```
/// let (reader, writer) = std::io::pipe()?;
/// let (reader, mut child) = ipc::fork_between(reader, writer, |mut writer| {
///     i32::from(std::io::Write::write_all(&mut writer, b"from the child").is_err())
/// })?;
/// assert_eq!(std::io::read_to_string(reader)?, "from the child"); // up to the end
/// assert!(child.wait()?.success());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// If the child ends when the connection closes, drop `ours` before you wait for
/// the child. A process that another thread forks at the same time also gets a
/// copy of both values. If your program has threads, first read about [forking
/// with threads](processes::fork#in-a-program-with-threads).
///
/// # Errors
/// As for [`fork`]. Both values are then dropped.
pub fn fork_between<A, B>(
    ours: A,
    theirs: B,
    body: impl FnOnce(B) -> i32,
) -> io::Result<(A, Child)> {
    let (mut ours, mut theirs) = (Some(ours), Some(theirs));
    let child = fork(|| {
        drop(ours.take());
        // The child's copy is still there.
        theirs.take().map_or(1, body)
    })?;
    match ours {
        Some(ours) => Ok((ours, child)),
        None => unreachable!("only the child, in its copy, takes it"),
    }
}

/// [Forks](processes::fork) a child that gets the other end of a new channel.
/// The child runs `body` and exits with status 0, or with
/// [`PANICKED`](processes::PANICKED) if `body` panics.
///
/// ```
/// let (mut line, mut child) = ipc::fork_with(ipc::Transport::Pipe, |mut line|
/// {
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
/// As with [`fork_between`], each of the two processes holds only its own end.
/// If the child ends when the channel closes, drop the channel
/// before you wait for the child. If your program has threads, first read about
/// [forking with threads](processes::fork#in-a-program-with-threads).
///
/// # Errors
/// As for [`channel`] and [`fork`].
pub fn fork_with<A, B>(
    transport: Transport,
    body: impl FnOnce(Duplex<B, A>),
) -> io::Result<(Duplex<A, B>, Child)> {
    let (ours, theirs) = channel(transport)?;
    fork_between(ours, theirs, |theirs| {
        body(theirs);
        0
    })
}
