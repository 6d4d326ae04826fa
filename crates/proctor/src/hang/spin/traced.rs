//! A thread under ptrace(2), which runs one instruction at a time.

use std::cell::Cell;
use std::ops::Range;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid as Thread;
use processes::Pid;

use crate::hang::CutShort;
use crate::warden::starts;

thread_local! {
    static CUT_SHORT: Cell<CutShort> = const { Cell::new(CutShort { processes: 0, threads: 0 }) };
}

/// The starts that stops by this thread of the judge have cut short.
pub(crate) fn cut_short() -> CutShort {
    CUT_SHORT.get()
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    /// After one instruction.
    One,
    /// A signal arrived. The thread gets it when it is let go.
    Signal(Signal),
}

/// A stopped thread. Dropping this lets it go, wherever it is.
pub(super) struct Traced {
    thread: Thread,
    stopped: bool,
    /// The stop cut a system call short; it begins again when the thread is let go.
    in_call: bool,
    pending: Option<Signal>,
}

impl Traced {
    /// Stops a thread, which does not notice it. `None` if this process may not
    /// trace it.
    pub(super) fn stop(tid: Pid) -> Option<Self> {
        let thread = Thread::from_raw(tid);
        ptrace::seize(thread, ptrace::Options::empty()).ok()?;
        let mut traced = Traced {
            thread,
            stopped: false,
            in_call: false,
            pending: None,
        };
        ptrace::interrupt(thread).ok()?;
        match traced.wait()? {
            WaitStatus::PtraceEvent(..) => {}
            WaitStatus::Stopped(_, signal) => {
                traced.pending = (signal != Signal::SIGTRAP).then_some(signal);
                traced.pending.is_none().then_some(())?;
            }
            _ => return None,
        }
        traced.hide_the_stop()?;
        Some(traced)
    }

    /// Makes a system call that the stop cut short begin again. Otherwise it
    /// fails with EINTR, as `epoll_wait` and others do even without a signal
    /// (man 7 signal, "Interruption … by stop signals"): the code set no
    /// handler, so it need not expect that.
    fn hide_the_stop(&mut self) -> Option<()> {
        /// Kernel-internal: restart, always.
        const ERESTARTNOINTR: i64 = 513;
        /// Kernel-internal codes for a call that is to be restarted.
        const RESTARTS: std::ops::RangeInclusive<i64> = 512..=516;
        let mut registers = self.registers()?;
        // Not in a system call at all: orig_rax is -1.
        if registers.orig_rax.cast_signed() < 0 {
            return Some(());
        }
        let error = registers.rax.cast_signed().checked_neg()?;
        // If getrandom is cut short, it returns a part, which it never does
        // without a signal (man 2 getrandom). It may as well begin again.
        let is_chance = registers.orig_rax.cast_signed() == libc::SYS_getrandom
            && (0..registers.rsi.cast_signed()).contains(&registers.rax.cast_signed());
        let interrupted = error == i64::from(libc::EINTR) || is_chance;
        self.in_call = interrupted || RESTARTS.contains(&error);
        if error == ERESTARTNOINTR {
            self.note_a_start(&registers);
        }
        if interrupted {
            registers.rax = (-ERESTARTNOINTR).cast_unsigned();
            ptrace::setregs(self.thread, registers).ok()?;
        }
        Some(())
    }

    /// A fork that the stop has cut short has started nothing. It begins again,
    /// and the warden counts it twice.
    fn note_a_start(&self, registers: &libc::user_regs_struct) {
        let flags = match registers.orig_rax.cast_signed() {
            libc::SYS_fork | libc::SYS_vfork => Some(0),
            libc::SYS_clone => Some(registers.rdi),
            libc::SYS_clone3 => starts::flags_of_clone3(self.thread.as_raw(), registers.rdi),
            _ => return,
        };
        let mut cut_short = CUT_SHORT.get();
        // Where the flags cannot be read, the warden counts a process and a thread.
        let is_thread = flags.map(|flags| flags & starts::CLONE_THREAD != 0);
        cut_short.processes += u32::from(is_thread != Some(true));
        cut_short.threads += u32::from(is_thread != Some(false));
        CUT_SHORT.set(cut_short);
    }

    /// Whether the thread was in a system call that may wait. A step would
    /// enter that call again and wait as long as the call does: for ever, if it
    /// waits for a thread that is stopped too, or for the next question.
    pub(super) fn is_in_call(&self) -> bool {
        self.in_call
    }

    /// Executes one instruction.
    pub(super) fn step(&mut self) -> Option<Stepped> {
        ptrace::step(self.thread, None).ok()?;
        self.stopped = false;
        match self.wait()? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => Some(Stepped::One),
            WaitStatus::Stopped(_, signal) => {
                self.pending = Some(signal);
                Some(Stepped::Signal(signal))
            }
            _ => None,
        }
    }

    pub(super) fn registers(&self) -> Option<libc::user_regs_struct> {
        ptrace::getregs(self.thread).ok()
    }

    /// The floating point and vector registers, as the kernel lays them out.
    pub(super) fn vectors(&self) -> Option<Vec<u8>> {
        const NT_X86_XSTATE: usize = 0x202;
        let mut state = vec![0u8; 16 << 10];
        let mut iov = libc::iovec {
            iov_base: state.as_mut_ptr().cast(),
            iov_len: state.len(),
        };
        // SAFETY: the kernel writes at most `iov_len` bytes to a buffer of that
        // length, and says in `iov_len` how many.
        let result = unsafe {
            libc::ptrace(
                libc::PTRACE_GETREGSET,
                self.thread.as_raw(),
                NT_X86_XSTATE,
                &raw mut iov,
            )
        };
        (result == 0).then(|| {
            state.truncate(iov.iov_len);
            state
        })
    }

    /// Where the kernel notes for the thread on which processor it runs
    /// (rseq(2)). The kernel may write there between any two steps, whenever it
    /// moves the thread, and no loop waits for that. Empty if there is no such
    /// place.
    pub(super) fn kernel_notes(&self) -> Range<u64> {
        const PTRACE_GET_RSEQ_CONFIGURATION: libc::c_uint = 0x420f;
        #[repr(C)]
        #[derive(Default)]
        struct Configuration {
            pointer: u64,
            size: u32,
            signature: u32,
            flags: u32,
            pad: u32,
        }
        let mut found = Configuration::default();
        // SAFETY: the kernel writes at most as many bytes as it is told to,
        // which is the size of `found`.
        let result = unsafe {
            libc::ptrace(
                PTRACE_GET_RSEQ_CONFIGURATION,
                self.thread.as_raw(),
                size_of::<Configuration>(),
                &raw mut found,
            )
        };
        // Kernels before 5.13 do not tell (EIO).
        match result {
            ..=0 => 0..0,
            _ => found.pointer..found.pointer.saturating_add(found.size.into()),
        }
    }

    fn wait(&mut self) -> Option<WaitStatus> {
        loop {
            match waitpid(self.thread, Some(WaitPidFlag::__WALL)) {
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return None,
                Ok(status) => {
                    self.stopped = matches!(
                        status,
                        WaitStatus::Stopped(..) | WaitStatus::PtraceEvent(..)
                    );
                    return Some(status);
                }
            }
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        if !self.stopped {
            let _ = ptrace::interrupt(self.thread);
            let _ = self.wait();
        }
        let _ = ptrace::detach(self.thread, self.pending);
    }
}

#[cfg(test)]
mod tests {
    use nix::libc;
    use nix::sys::ptrace;
    use nix::sys::signal::{Signal, kill};
    use nix::sys::wait::waitpid;
    use nix::unistd::{ForkResult, fork};

    use super::{Traced, cut_short};
    use crate::hang::CutShort;

    /// Makes this call for ever.
    fn call_for_ever(number: i64) -> ! {
        loop {
            // SAFETY: raw calls, which need nothing of this process.
            unsafe {
                match libc::syscall(number) {
                    0 => libc::_exit(0),
                    child => libc::waitpid(child as i32, std::ptr::null_mut(), 0),
                };
            }
        }
    }

    /// What a stop notes that is due when a process enters this call. `None` if
    /// this machine does not allow ptrace.
    fn noted_at(number: i64) -> Option<CutShort> {
        // SAFETY: the child makes system calls and nothing else.
        let child = match unsafe { fork() }.unwrap() {
            ForkResult::Child => call_for_ever(number),
            ForkResult::Parent { child } => child,
        };
        let before = cut_short();
        let stop = || {
            ptrace::seize(child, ptrace::Options::empty()).ok()?;
            ptrace::interrupt(child).ok()?;
            let mut traced = Traced {
                thread: child,
                stopped: false,
                in_call: false,
                pending: None,
            };
            traced.wait()?;
            // On the way into a call, the kernel's answer is not there yet.
            let enters = |traced: &Traced| {
                let registers = traced.registers()?;
                let [call, answer] = [registers.orig_rax, registers.rax].map(u64::cast_signed);
                Some(call == number && answer == -i64::from(libc::ENOSYS))
            };
            while !enters(&traced)? {
                ptrace::syscall(child, None).ok()?;
                traced.wait()?;
            }
            ptrace::interrupt(child).ok()?;
            ptrace::cont(child, None).ok()?;
            traced.wait()?;
            traced.hide_the_stop()
        };
        let stopped = stop();
        kill(child, Signal::SIGKILL).unwrap();
        let _ = waitpid(child, None);
        stopped?;
        let now = cut_short();
        Some(CutShort {
            processes: now.processes - before.processes,
            threads: now.threads - before.threads,
        })
    }

    #[test]
    fn a_fork_that_a_stop_cuts_short_is_noted() {
        let Some(noted) = noted_at(libc::SYS_fork) else {
            println!("skipped: this machine does not allow ptrace");
            return;
        };
        assert_eq!(
            noted,
            CutShort {
                processes: 1,
                threads: 0
            }
        );
        // Other calls start nothing.
        assert_eq!(noted_at(libc::SYS_getppid), Some(CutShort::default()));
    }
}
