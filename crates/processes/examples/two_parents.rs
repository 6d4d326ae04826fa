//! Step 1: a fork, and nothing else. The child returns from the function, as the
//! parent does, so the rest of the program runs twice.
//!
//! `cargo run -p processes --example two_parents`

use std::error::Error;

use nix::sys::wait::wait;
use nix::unistd::{ForkResult, fork};

/// Runs `work` in a child process. It has a bug: the child never ends here.
fn in_a_child(work: impl FnOnce()) -> nix::Result<()> {
    // SAFETY: this program has one thread, so the child may do what it likes.
    match unsafe { fork() }? {
        ForkResult::Child => work(),
        ForkResult::Parent { .. } => {
            // Let the child write first, so that the output has one order.
            wait()?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    print!("before the fork; "); // no line end: this text stays in a buffer
    in_a_child(|| print!("the work; "))?;
    println!("after the fork");
    Ok(())
}
