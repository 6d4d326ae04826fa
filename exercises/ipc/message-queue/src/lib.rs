//! Message queues: each message has a priority, and the most urgent comes first.
//!
//! ```text
//!  send(b"a", 1) ─┐   ┌───────────────────────┐
//!  send(b"b", 9) ─┼──▶│ b (9) │ a (1) │ c (1) │──▶ receive: b, a, c
//!  send(b"c", 1) ─┘   └───────────────────────┘
//!                        the queue `/jobs`, in the kernel
//! ```
//!
//! ```ignore
//! let queue = Queue::create("/jobs", 8, 100)?; // 8 messages of up to 100 bytes
//! queue.send(b"when you have time", 1)?;
//! queue.send(b"now!", 9)?;
//! // In this process, or in another one that has called `Queue::open("/jobs")`:
//! assert_eq!(queue.receive()?, (b"now!".to_vec(), 9));
//! assert_eq!(queue.receive()?, (b"when you have time".to_vec(), 1));
//! assert_eq!(queue.try_receive()?, None);
//! ```

use std::io;

/// A POSIX message queue (man 7 mq_overview), open for sending and receiving.
///
/// The messages are in the kernel's queue, and nowhere else:
/// - C1: As soon as a call has sent a message, every process that has the queue
///   open can receive it, also if the sender has ended since. Each receiving call
///   takes one message out of the queue and no other. No call throws away a
///   message, and neither does a drop.
/// - C2: Several threads can use the same value: `Queue` is `Send` and `Sync`. Calls
///   that wait, however many, hold up no call of another thread, whether that call
///   uses the same queue or another one. (This includes `create`, `open` and drops.)
///   A forked child can use its copy in the same way. Whether a call waits depends
///   on that call alone. So when `create` or `open` has returned, no later call and
///   no drop changes the flags (such as `O_NONBLOCK`) of an open description of the
///   queue, not even for a moment, and not even if a signal interrupts the call.
///
/// What is left:
/// - C3: When the value that [`create`](Queue::create) returned is dropped in the
///   process that created it, the name is removed: it is free, and a new queue can
///   have it. This holds on every thread, also when a panic unwinds, when a
///   thread-local value is dropped at the end of its thread, and when the process
///   has changed its session or its working folder, or has lost its parent, since
///   `create`. Processes that still have the old queue open can use it as before. If
///   the name has been removed already, the drop does nothing about it.
/// - C4: A value of [`open`](Queue::open) leaves the name alone when it is dropped,
///   also in the process that created the queue. So does every copy of a creator's
///   value in another process: in a forked child, in a child of that child, and
///   also after the creator has ended without a drop.
/// - C5: A drop closes all descriptors of the value, whatever their numbers are (0
///   is possible). All of them are close-on-exec. The calls start no process and no
///   thread, and print nothing. When a call returns, also with an error or after
///   interruptions, everything else in the process is as before: signal handlers,
///   signal mask, timers, limits. All memory is freed at the latest by the drop. (A
///   value may keep a buffer, and a returned `Vec` may have room for more bytes.)
///
/// Where a clause names an error by its number, such as EEXIST,
/// [`io::Error::raw_os_error`] returns that number. It does not matter whether a
/// system call or your own code has found the error. Where a clause names only a
/// kind, the error need not have a number.
///
/// The contract does not cover the following cases: the name has been removed, and
/// another queue has got it, before the creator's value is dropped; the names `/.`
/// and `/..`, and names of exactly 256 bytes; another part of the program closes or
/// changes the descriptors of a `Queue`; queues for more or for longer messages than
/// Linux allows an ordinary user (`msg_max` and `msgsize_max` in
/// `/proc/sys/fs/mqueue`).
#[derive(Debug)]
pub struct Queue {
    // Your fields.
}

impl Queue {
    /// Makes a new queue with this name, which holds up to `capacity` messages of
    /// up to `longest` bytes each.
    ///
    /// - C6: The call makes the kernel's message queue of this name, which every
    ///   program can open with mq_open(3), with exactly this capacity and this
    ///   length. Only its owner may read and write it: the mode is `0600`. If the umask
    ///   takes some of these rights away, they may be missing.
    /// - C7: A valid name is a `/` and 1 to 254 more bytes, none of which is `/` or
    ///   NUL. A name without the `/` at its beginning, one with a second `/`, one with
    ///   a NUL, the names `""` and `"/"`, and names of more than 256 bytes are errors:
    ///   both `create` and `open` return an error, of whatever kind, and do not panic.
    ///   No queue is made or opened, also none with a name that has been corrected.
    ///
    /// # Errors
    /// - C8: If a queue with this name exists, the error is EEXIST, and that queue
    ///   keeps its name, its messages and its sizes. This holds also if that queue is
    ///   empty, has the same sizes, or may not be opened. If `capacity` or `longest` is
    ///   0, or more than the system allows for any one queue, the error has the kind
    ///   [`io::ErrorKind::InvalidInput`]. (If both is so, the error is one of them.)
    ///   Every value up to `usize::MAX` can be passed.
    ///
    /// For the other errors, see C9.
    #[allow(unused_variables)]
    pub fn create(name: &str, capacity: usize, longest: usize) -> io::Result<Queue> {
        todo!("make the queue, and note what the drop must do")
    }

    /// Opens the queue with this name, whichever program has made it, for sending
    /// and receiving.
    ///
    /// # Errors
    /// - C9: If no queue has this name, or no longer, the error is ENOENT, and none is
    ///   made. Every other error of a system call in `create` and `open` keeps its
    ///   number: EMFILE if the process can open too few descriptors, EACCES if the mode
    ///   of the queue does not allow this process to open it, and EMFILE if `create`
    ///   would need more memory than the queues of this user may have
    ///   (`RLIMIT_MSGQUEUE`). After an error, no new queue, name or descriptor is left.
    ///   (A value may have up to 3 descriptors, and a call may open others for its own
    ///   use.)
    #[allow(unused_variables)]
    pub fn open(name: &str) -> io::Result<Queue> {
        todo!("open the queue, and make none")
    }

    /// Sends a message. Waits while the queue is full.
    ///
    /// - C10: A message arrives as it was sent: all its bytes, its length from 0 to
    ///   `longest`, and its priority from 0 to 32767. Any bytes are allowed.
    /// - C11: Of the messages in the queue, the one with the highest priority is
    ///   received first. Messages of the same priority are received in the order in
    ///   which they were put into the queue.
    ///
    /// # Errors
    /// - C12: If `priority` is more than 32767, the error has the kind
    ///   [`io::ErrorKind::InvalidInput`]. If the message is longer than the queue's
    ///   `longest`, the error is EMSGSIZE. (If both is so, the error is one of them.)
    ///   The call returns at once, also if the queue is full, and nothing is sent. The
    ///   same holds for [`try_send`](Queue::try_send).
    #[allow(unused_variables)]
    pub fn send(&self, message: &[u8], priority: u32) -> io::Result<()> {
        todo!("send the message; wait while the queue is full")
    }

    /// Sends a message if the queue has room for it. Returns false if it is full.
    ///
    /// - C13: `try_send` and [`try_receive`](Queue::try_receive) never wait, whatever
    ///   other processes do at the same time. If the queue is full, `try_send` returns
    ///   `Ok(false)`, and nothing is sent. If the queue is empty, `try_receive` returns
    ///   `Ok(None)`. Both also hold for the thousandth call in a row, and if a signal
    ///   arrives. (A system call whose time limit has passed already does not wait.)
    #[allow(unused_variables)]
    pub fn try_send(&self, message: &[u8], priority: u32) -> io::Result<bool> {
        todo!("send the message, or return false if the queue is full")
    }

    /// Takes out the first message, and returns it with its priority. Waits while
    /// the queue is empty.
    ///
    /// - C14: `receive` waits until there is a message for it, and [`send`](Queue::send)
    ///   until there is room for its message, without a limit of time. Signals that
    ///   interrupt the wait, however many, do not end it, and the handlers of all
    ///   signals run meanwhile. It does not end either if another process is faster and
    ///   takes that message or that room. While a call waits, it sleeps in the kernel
    ///   until something happens to the queue or a signal arrives: it does not wake up
    ///   by itself to look again. (It may wake up for a message that another process
    ///   then takes, and it may use a time limit that is more than ten years away.)
    pub fn receive(&self) -> io::Result<(Vec<u8>, u32)> {
        todo!("take out the first message; wait while there is none")
    }

    /// Takes out the first message, and returns it with its priority. Returns
    /// `None` if the queue is empty.
    pub fn try_receive(&self) -> io::Result<Option<(Vec<u8>, u32)>> {
        todo!("take out the first message, or return `None`")
    }
}

impl Drop for Queue {
    /// Closes the queue and, in the process that created it, removes the name.
    fn drop(&mut self) {
        todo!("close the queue; the creator also removes the name")
    }
}
