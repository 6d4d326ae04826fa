//! Messages between processes: a typed channel over a pair of Unix sockets.
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
//! The receiver trusts nothing: neither a length (memory is taken as bytes
//! arrive, not as they are promised), nor a body, nor a claim of who sent it
//! (the kernel says, man 7 unix, `SCM_CREDENTIALS`).

mod channel;
mod error;
mod incoming;
mod socket;

pub use channel::{Channel, DEFAULT_LIMIT, Received, pair};
pub use error::{RecvError, SendError};
pub use processes::Pid;
