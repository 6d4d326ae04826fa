//! Step 6: a child that copies nothing. It runs in the parent's memory, and the
//! parent's thread stands still until the child has ended or executed a program.
//!
//! `cargo run -p processes --example borrowed_memory`

use std::error::Error;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use nix::errno::Errno;
use processes::fork;

static NUMBER: AtomicI32 = AtomicI32::new(0);

/// All that the child does. In the memory of another process it may make system
/// calls and little else: it must not allocate, take a lock or panic.
extern "C" fn write_the_argument(number: *mut c_void) -> i32 {
    NUMBER.store(number.addr() as i32, Relaxed);
    0
}

/// Starts a child like `vfork` does: in this process's memory, on a stack of its
/// own. Returns once the child has ended.
fn borrow(number: usize) -> Result<(), Errno> {
    let mut stack = vec![0_u128; 4096]; // 64 KiB, aligned to 16 bytes
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is ours, it is large enough, and CLONE_VFORK keeps it
    // unused by this thread until the child has ended.
    let pid = unsafe {
        let top = stack.as_mut_ptr_range().end.cast();
        let argument = ptr::without_provenance_mut(number);
        Errno::result(libc::clone(write_the_argument, top, flags, argument))?
    };
    // SAFETY: a null pointer means that we do not ask for the status.
    Errno::result(unsafe { libc::waitpid(pid, ptr::null_mut(), 0) })?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut child = fork(|| {
        NUMBER.store(1, Relaxed);
        0
    })?;
    child.wait()?;
    println!(
        "a forked child wrote 1; the parent reads {}",
        NUMBER.load(Relaxed)
    );
    borrow(2)?;
    println!(
        "a vfork-style child wrote 2; the parent reads {}",
        NUMBER.load(Relaxed)
    );
    Ok(())
}
