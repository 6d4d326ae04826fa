//! What it costs to make a process, a thread or a fiber, and to see it end.
//!
//! ```text
//!   fork      copies the page tables ───────────▶ grows with the memory in use
//!   vfork     borrows the address space ────────▶ does not
//!   thread    shares the address space; a stack ▶ does not
//!   fiber     a stack; the kernel never hears of it
//! ```
//!
//! Each is the time from the call to the end of what was made, which does
//! nothing.

use corosensei::{Coroutine, CoroutineResult};
use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};
use std::{io, thread};

/// What is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A process with a copy of the memory (man 2 fork).
    Fork,
    /// A process that borrows the memory while the caller waits (man 2 vfork):
    /// what `posix_spawn` and [`processes::Spec::spawn`] do before exec.
    Vfork,
    /// A thread of this process.
    Thread,
    /// A coroutine with a stack of its own.
    Fiber,
}

impl Kind {
    /// Makes one, waits for its end, and says how long both took.
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
    /// The system refuses another process or thread, or the memory for it. Who
    /// waits for *any* child elsewhere in the program takes this one's end
    /// away (ECHILD).
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
    // SAFETY: the child does nothing but end: no locks, no destructors.
    match unsafe { fork() }? {
        // SAFETY: ends the process; a number is all it takes.
        ForkResult::Child => unsafe { libc::_exit(0) },
        ForkResult::Parent { child } => reap(child),
    }
}

fn vfork_and_wait() -> io::Result<()> {
    /// Runs on the caller's memory: it may not even return early.
    extern "C" fn nothing(_: *mut c_void) -> c_int {
        0
    }
    // Ample for a function that calls nothing; it lives until the child has
    // ended, since the kernel lets the caller go on only then.
    let mut stack = [const { std::mem::MaybeUninit::<u128>::uninit() }; 512];
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // A handler of ours must not run in the child, on our memory.
    let mask = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    // SAFETY: the child runs on a stack of its own, aligned to 16, touches
    // nothing else, and has ended when this returns.
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
