//! Processes on Linux: what the kernel says about them.
//!
//! - [`proc`]: typed views of `/proc` – states, system calls, descriptors,
//!   memory, switches, and the family tree.
//!
//! Linux only (x86-64 and aarch64).

pub mod proc;

pub use proc::Pid;
