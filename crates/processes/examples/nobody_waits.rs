//! Step 2: the child ends itself, but its parent does not wait for it. The child
//! stays in the process table as a zombie.
//!
//! `cargo run -p processes --example nobody_waits`

use std::error::Error;
use std::io::{self, Write};
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{ForkResult, Pid, fork};
use processes::proc;

/// Runs `work` in a child process, which ends with the exit code that `work`
/// returns. Nobody ever asks for that code.
fn in_a_child(work: impl FnOnce() -> i32) -> io::Result<Pid> {
    io::stdout().flush()?; // so that the child's copy of the buffer is empty
    // SAFETY: this program has one thread, so the child may do what it likes.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let code = work();
            // SAFETY: this ends the child here. It does not return from this
            // function, and it runs no exit handlers, which are the parent's.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => Ok(child),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut children = Vec::new();
    for number in 1..=3 {
        children.push(in_a_child(|| number * number)?);
    }
    for child in children {
        while !proc::stat(child.as_raw())?.has_ended() {
            thread::yield_now();
        }
        kill(child, Signal::SIGKILL)?;
        let stat = proc::stat(child.as_raw())?;
        let memory = proc::status(child.as_raw())?.resident;
        let ours = stat.parent == std::process::id().cast_signed();
        println!(
            "process {child}: {:?} after SIGKILL; child of this program: {ours}; {memory} bytes of memory",
            stat.state
        );
    }
    Ok(())
}
