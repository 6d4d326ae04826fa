//! Step 3: the parent waits, and takes the status for an exit code. A child that
//! a signal killed then looks like a success.
//!
//! `cargo run -p processes --example status_as_a_number`

use std::error::Error;
use std::io::{self, Write};

use nix::sys::prctl::set_dumpable;
use nix::sys::signal::{Signal, raise};
use nix::unistd::{ForkResult, fork};

/// Runs `work` in a child process, waits for it, and returns the number that
/// `waitpid` fills in.
fn status_of_a_child(work: impl FnOnce() -> i32) -> io::Result<i32> {
    io::stdout().flush()?;
    // SAFETY: this program has one thread, so the child may do what it likes.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let code = work();
            // SAFETY: ends the child, and runs no exit handlers.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => {
            let mut status = 0;
            // SAFETY: the kernel writes one int, ours.
            let answer = unsafe { libc::waitpid(child.as_raw(), &raw mut status, 0) };
            nix::errno::Errno::result(answer)?;
            Ok(status)
        }
    }
}

/// Is killed by SIGKILL, as by a `kill -9` or when memory runs out.
fn be_killed() -> i32 {
    _ = raise(Signal::SIGKILL);
    0
}

/// Crashes, and leaves no core file: that would add 128 to the status.
fn abort() -> i32 {
    _ = set_dumpable(false);
    std::process::abort();
}

fn main() -> Result<(), Box<dyn Error>> {
    type Work = fn() -> i32;
    let children: [(&str, Work); 4] = [
        ("returns 0", || 0),
        ("returns 1", || 1),
        ("is killed by SIGKILL", be_killed),
        ("aborts (SIGABRT)", abort),
    ];
    println!("the child               status   status >> 8   so the parent believes in");
    for (what, work) in children {
        let status = status_of_a_child(work)?;
        let code = status >> 8; // where the exit code is, if there is one
        let belief = if code == 0 { "success" } else { "failure" };
        println!("{what:<22} {status:>7} {code:>13}   {belief}");
    }
    Ok(())
}
