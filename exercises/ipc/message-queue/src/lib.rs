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
/// - C2: Several threads can use the same value: `Queue` is `Send` and `Sync`, and
///   a call that waits does not hold up the calls of other threads. A forked child
///   can use its copy in the same way. Whether a call waits depends on that call
///   alone. So no call of `send`, `try_send`, `receive` or `try_receive` changes
///   the flags (such as `O_NONBLOCK`) of a description of the queue that other
///   threads or forked processes share, not even for a moment.
///
/// What is left:
/// - C3: When the value that [`create`](Queue::create) returned is dropped in the
///   process that created it, on whichever thread, and also when a panic unwinds,
///   the name is removed: it is free, and a new queue can have it. Processes that
///   still have the old queue open can use it as before. If somebody else has
///   removed the name already, the drop does nothing about it.
/// - C4: A value of [`open`](Queue::open) leaves the name alone when it is dropped,
///   and so does the copy of a creator's value in a forked child.
/// - C5: A drop closes all descriptors. They are close-on-exec. The calls start no
///   process and no thread, print nothing, and change nothing else in the process:
///   signal handlers, signal mask, timers, limits. The memory that they need is
///   freed.
///
/// The contract does not cover the following cases: the name has been removed, and
/// another queue has got it, before the creator's value is dropped; the names `/.`
/// and `/..`; somebody closes or changes the descriptors of a `Queue`.
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
    ///   length. Only its owner may read and write it (mode `0600`; the umask may take
    ///   away more).
    /// - C7: A valid name is a `/` and 1 to 254 more bytes, none of which is `/` or
    ///   NUL. A name without the `/` at its beginning, one with a second `/`, one with
    ///   a NUL, the names `""` and `"/"`, and names of more than 256 bytes are errors:
    ///   both `create` and `open` return an error, of whatever kind, and do not panic.
    ///   No queue is made or opened, also none with a name that has been corrected.
    ///
    /// # Errors
    /// Each error of a system call keeps its number ([`io::Error::raw_os_error`]). An
    /// error leaves no queue and no descriptor behind.
    /// - C8: If a queue with this name exists, the error is EEXIST, and that queue
    ///   keeps its name, its messages and its sizes. If `capacity` or `longest` is 0, or
    ///   more than the system allows, the error has the kind
    ///   [`io::ErrorKind::InvalidInput`]. Every value up to `usize::MAX` can be passed.
    #[allow(unused_variables)]
    pub fn create(name: &str, capacity: usize, longest: usize) -> io::Result<Queue> {
        todo!("make the queue, and note what the drop must do")
    }

    /// Opens the queue with this name, whichever program has made it, for sending
    /// and receiving.
    ///
    /// # Errors
    /// - C9: If there is no queue with this name, the error is ENOENT, and none is
    ///   made. If the process can open no more descriptors, it is EMFILE.
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
    ///   which they were sent.
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
    ///   `Ok(None)`.
    #[allow(unused_variables)]
    pub fn try_send(&self, message: &[u8], priority: u32) -> io::Result<bool> {
        todo!("send the message, or return false if the queue is full")
    }

    /// Takes out the first message, and returns it with its priority. Waits while
    /// the queue is empty.
    ///
    /// - C14: `receive` waits until there is a message for it, and [`send`](Queue::send)
    ///   until there is room for its message, without a limit of time. Signals that
    ///   interrupt the wait, however many, do not end it, and their handlers run
    ///   meanwhile. It does not end either if another process is faster and takes that
    ///   message or that room. While a call waits, it sleeps in the kernel until
    ///   something happens: it does not wake up by itself to look again.
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
