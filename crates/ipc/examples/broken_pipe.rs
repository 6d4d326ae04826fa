//! What happens to a process that writes to a pipe without a reader? By
//! default, a signal kills it. A Rust program gets an error, because Rust's
//! runtime ignores that signal.
//!
//! `cargo run -p ipc --example broken_pipe`

use std::error::Error;
use std::io::{Write, pipe};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::socket::{MsgFlags, send};
use processes::proc::{self, Status};

fn main() -> Result<(), Box<dyn Error>> {
    let status = proc::status(std::process::id().cast_signed())?;
    let ignored = Status::has(status.signals_ignored, libc::SIGPIPE);
    println!("this Rust program ignores SIGPIPE: {ignored}");

    let (reader, mut writer) = pipe()?;
    drop(reader);
    println!("as in a Rust program: {:?}", error_of(writer.write(b"x")));

    let mut like_c = processes::fork(|| {
        // This is what most programs have, and what Rust gives to programs
        // that it starts.
        // SAFETY: the default action is no handler.
        let set = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
        let written = writer.write(b"x");
        println!("the write returned: {written:?}"); // never gets here
        i32::from(set.is_err())
    })?;
    println!("as in a C program:    {}", like_c.wait()?);

    let (here, there) = UnixStream::pair()?;
    drop(there);
    let mut careful = processes::fork(|| {
        // SAFETY: as above.
        let set = unsafe { signal(Signal::SIGPIPE, SigHandler::SigDfl) };
        let sent = send(here.as_raw_fd(), b"x", MsgFlags::MSG_NOSIGNAL);
        println!("with MSG_NOSIGNAL:    {:?}", sent.err());
        i32::from(set.is_err())
    })?;
    println!("with MSG_NOSIGNAL:    {}", careful.wait()?);
    Ok(())
}

fn error_of<T>(result: std::io::Result<T>) -> Option<std::io::ErrorKind> {
    result.err().map(|error| error.kind())
}
