//! Messages between processes: transports, and typed channels over them.
//!
//! A stream socket carries bytes, not messages. The bytes of one write may
//! arrive in three reads, and the bytes of three writes in one read. A
//! [`Channel`] therefore sends each value in a *frame*. The frame begins with
//! the length of its body, so the receiver knows where it ends:
//!
//! ```text
//!  4 bytes, little-endian     that many bytes
//! ┌──────────────────────┬──────────────────────────┐
//! │ length of the body   │ body: the value, postcard │ next frame …
//! └──────────────────────┴──────────────────────────┘
//! ```
//!
//! ```
//! let (mut judge, mut subject) = ipc::pair::<u32, String>()?;
//! std::thread::spawn(move || {
//!     let question = subject.recv().unwrap();
//!     subject.send(&format!("{} squared is {}", question.value, question.value.pow(2)))
//! });
//! judge.send(&12)?;
//! let answer = judge.recv()?;
//! assert_eq!(answer.value, "12 squared is 144");
//! assert_eq!(answer.sender, std::process::id() as i32); // the kernel reports this
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Channel`] needs a stream socket. A [`Duplex`] works over any
//! [`Transport`], but does not report the sender. To change the transport, a
//! program changes one line ([`channel()`]). You can also use the transports
//! directly:
//!
//! - The standard library has pipes (`std::io::pipe`) and stream sockets
//!   (`UnixStream`).
//! - A [`SeqPacket`] socket keeps message boundaries.
//! - [`send_descriptors`] sends open files.
//! - A [`MessageQueue`] has a name, and its messages have priorities.
//! - [`SharedMemory`] does not order accesses at all; a [`ring()`] adds an
//!   order.
//!
//! To give one end of any of these to a forked child, use [`fork_between`]:
//! with a plain fork, a process keeps a copy of the other side's end, and never
//! sees that it is closed.
//!
//! The receiver does not trust its peer. It allocates memory as bytes arrive,
//! not for the length that the header announces. It checks that each body is
//! the encoding of a value. A [`Channel`] takes the sender's process ID from
//! the kernel, not from the message (man 7 unix, `SCM_CREDENTIALS`).

mod channel;
mod descriptors;
mod duplex;
mod error;
mod forked;
mod framed;
mod incoming;
mod lifeline;
mod membarrier;
mod message_queue;
mod ring;
mod seqpacket;
mod shared_memory;
mod socket;
pub mod turns;
mod wire;

pub use processes::Pid;

pub use channel::{Channel, DEFAULT_LIMIT, Received, pair};
pub use descriptors::{MOST_DESCRIPTORS, PassError, Passed, receive_descriptors, send_descriptors};
pub use duplex::{Duplex, Transport, channel};
pub use error::{RecvError, SendError};
pub use forked::{fork_between, fork_with};
pub use message_queue::{Message, MessageQueue, PRIORITIES, QueueError};
pub use ring::{Consumer, Plain, Producer, RingError, ring};
pub use seqpacket::{PacketError, SeqPacket};
pub use shared_memory::{SharedMemory, SharedMemoryError};
