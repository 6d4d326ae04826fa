//! Messages between processes: every transport, and typed channels over them.
//!
//! A stream socket carries bytes, not messages: what was written in one call
//! may arrive in three, and the reverse. A [`Channel`] puts each value in a
//! *frame* that says its own length, so that the other side knows where it
//! ends:
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
//! assert_eq!(answer.sender, std::process::id() as i32); // says the kernel
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A [`Channel`] needs a stream socket. A [`Duplex`] has the same interface over
//! any [`Transport`], which a program changes in one line ([`channel()`]); below
//! it lie the transports themselves:
//!
//! - pipes (`std::io::pipe`) and stream sockets (`UnixStream`) are in std;
//! - [`SeqPacket`] keeps messages apart;
//! - [`send_descriptors`] sends open files;
//! - a [`MessageQueue`] has names and priorities;
//! - [`SharedMemory`] has no order at all, and [`ring()`] brings one into it.
//!
//! The receiver trusts nothing: neither a length (memory is taken as bytes
//! arrive, not as they are promised), nor a body, nor a claim of who sent it
//! (the kernel says, man 7 unix, `SCM_CREDENTIALS`).

mod channel;
mod descriptors;
mod duplex;
mod error;
mod framed;
mod futex;
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

pub use channel::{Channel, DEFAULT_LIMIT, Received, pair};
pub use descriptors::{MOST_DESCRIPTORS, PassError, Passed, receive_descriptors, send_descriptors};
pub use duplex::{Duplex, Transport, channel, fork_with};
pub use error::{RecvError, SendError};
pub use message_queue::{Message, MessageQueue, PRIORITIES, QueueError};
pub use processes::Pid;
pub use ring::{Consumer, Plain, Producer, RingError, ring};
pub use seqpacket::{PacketError, SeqPacket};
pub use shared_memory::{SharedMemory, SharedMemoryError};
