//! What it costs to create a process, a thread or a fiber, and to wait for its
//! end.
//!
//! ```text
//!   fork      copies the page tables ───────────▶ grows with the memory in use
//!   vfork     borrows the address space ────────▶ does not
//!   thread    shares memory, needs a stack ─────▶ does not
//!   fiber     needs a stack; the kernel does not know about it
//! ```
//!
//! Each cost is the time from the call until the process, thread or fiber has
//! ended. None of them does any work.

use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};
use std::{io, thread};

use corosensei::{Coroutine, CoroutineResult};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};

/// What to create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A process with a copy of the memory (man 2 fork).
    Fork,
    /// A process that borrows the memory while the caller waits (man 2 vfork).
    /// This is what `posix_spawn` and [`processes::Spec::spawn`] do before
    /// exec.
    Vfork,
    /// A thread of this process.
    Thread,
    /// A coroutine with a stack of its own.
    Fiber,
}

impl Kind {
    /// Creates one, waits for its end, and returns how long both took together.
    ///
    /// ```
    /// use context_switch::creation::Kind;
    /// for kind in [Kind::Fork, Kind::Vfork, Kind::Thread, Kind::Fiber] {
    ///     assert!(kind.make_and_wait()?.as_nanos() > 0);
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The system refuses another process or thread, or the memory for it. If
    /// other code in the program waits for *any* child, it can take this
    /// child's exit status away (ECHILD).
    pub fn make_and_wait(self) -> io::Result<Duration> {
        let started = Instant::now();
        match self {
            Kind::Fork => fork_and_wait()?,
            Kind::Vfork => vfork_and_wait()?,
            Kind::Thread => {
                let thread = thread::Builder::new().spawn(|| ())?;
                thread
                    .join()
                    .map_err(|_| io::Error::other("the thread panicked"))?;
            }
            Kind::Fiber => {
                let stack = corosensei::stack::DefaultStack::new(64 * 1024)?;
                let mut fiber =
                    Coroutine::with_stack(stack, |_: &corosensei::Yielder<(), ()>, ()| ());
                let CoroutineResult::Return(()) = fiber.resume(()) else {
                    return Err(io::Error::other("the fiber did not end"));
                };
            }
        }
        Ok(started.elapsed())
    }
}

fn fork_and_wait() -> io::Result<()> {
    // SAFETY: the child only ends. It takes no locks and runs no destructors.
    match unsafe { fork() }? {
        // SAFETY: `_exit` ends the process and takes only a number.
        ForkResult::Child => unsafe { libc::_exit(0) },
        ForkResult::Parent { child } => reap(child),
    }
}

fn vfork_and_wait() -> io::Result<()> {
    /// Runs in the child, on the caller's memory, and changes nothing there.
    extern "C" fn nothing(_: *mut c_void) -> c_int {
        0
    }
    // More than enough for a function that calls nothing. The stack lives until
    // the child has ended, because the kernel lets the caller go on only then.
    let mut stack = [const { std::mem::MaybeUninit::<u128>::uninit() }; 512];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // A signal handler of this process must not run in the child, because the
    // child uses this process's memory.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    // SAFETY: the child runs on a stack of its own, which is aligned to 16
    // bytes. It touches nothing else, and it has ended when `clone` returns.
    let pid = unsafe {
        let top = stack.as_mut_ptr_range().end.cast();
        libc::clone(nothing, top, flags, std::ptr::null_mut())
    };
    let error = io::Error::last_os_error();
    mask.thread_set_mask()?;
    if pid < 0 {
        return Err(error);
    }
    reap(Pid::from_raw(pid))
}

fn reap(child: Pid) -> io::Result<()> {
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            other => return Ok(other.map(drop)?),
        }
    }
}
