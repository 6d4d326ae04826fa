//! Between clone and exec: the child's side of a start.
//!
//! This code runs in the child *in the parent's memory*, while other threads
//! of the parent run on and may hold any lock. So it makes system calls and
//! nothing else: no allocation, no lock, no panic, no destructor (man 7
//! signal-safety). Whatever needs memory was prepared in the [`Plan`].

use crate::Step;
use crate::limits::ResourceLimit;
use std::ffi::{c_char, c_int, c_long, c_void};
use std::os::fd::RawFd;
use std::ptr;

/// What the child is to do, prepared by the parent.
pub(crate) struct Plan {
    /// Where the program may be.
    pub(crate) paths: Vec<*const c_char>,
    /// Its arguments, with a null pointer at the end.
    pub(crate) argv: Vec<*const c_char>,
    /// Its environment, with a null pointer at the end.
    pub(crate) envp: Vec<*const c_char>,
    pub(crate) directory: Option<*const c_char>,
    /// Which descriptor gets which number.
    pub(crate) moves: Vec<(RawFd, RawFd)>,
    pub(crate) limits: Vec<ResourceLimit>,
    pub(crate) new_session: bool,
    pub(crate) death_signal: Option<c_int>,
    pub(crate) parent: libc::pid_t,
    pub(crate) no_new_privileges: bool,
    /// The child's note to the parent: where it failed, and errno.
    pub(crate) failure: Option<(Step, c_int)>,
}

/// The number of the last failed system call's error.
pub(crate) fn errno() -> c_int {
    // SAFETY: the C library keeps this pointer valid for the thread's life.
    // The child shares it with the waiting parent thread, which does not mind.
    unsafe { *libc::__errno_location() }
}

/// Blocks exactly these signals for this thread (signal `n` is bit `n - 1`)
/// and returns which were blocked. The system call itself, because the C
/// library's version leaves out the two signals that it keeps for itself.
pub(crate) fn set_signal_mask(mask: u64) -> u64 {
    let mut old = 0_u64;
    // SAFETY: the kernel reads and writes eight bytes each, both ours; with
    // valid pointers and SIG_SETMASK it cannot fail.
    unsafe {
        let (new, old) = (&raw const mask, &raw mut old);
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            new,
            old,
            size_of::<u64>(),
        );
    }
    old
}

/// The child's main function. It never returns: the stack ends here.
pub(crate) extern "C" fn run(plan: *mut c_void) -> c_int {
    // SAFETY: `launch` passes its Plan and does not touch it while we run.
    let plan = unsafe { &mut *plan.cast::<Plan>() };
    if let Err(failure) = become_program(plan) {
        plan.failure = Some(failure);
    }
    // SAFETY: _exit, not exit: the buffers and exit handlers here are the
    // parent's.
    unsafe { libc::_exit(127) }
}

type Failure = (Step, c_int);

fn become_program(plan: &mut Plan) -> Result<(), Failure> {
    reset_signal_actions();
    if plan.new_session {
        // SAFETY: no memory is touched.
        check(unsafe { libc::setsid() }.into(), Step::Session)?;
    }
    if let Some(signal) = plan.death_signal {
        die_with(plan.parent, signal)?;
    }
    move_descriptors(&mut plan.moves)?;
    if let Some(directory) = plan.directory {
        // SAFETY: the path is a C string that the parent keeps for us.
        check(unsafe { libc::chdir(directory) }.into(), Step::Directory)?;
    }
    if plan.no_new_privileges {
        // SAFETY: no memory is touched.
        let result = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        check(result.into(), Step::Privileges)?;
    }
    // Late, so that no limit can get in the way of the steps before.
    for limit in &plan.limits {
        limit
            .set()
            .map_err(|errno| (Step::Limit(limit.name), errno))?;
    }
    // Last: from here on a signal ends us, which is right, for we have no
    // handlers any more.
    set_signal_mask(0);
    Err((Step::Exec, execute(plan)))
}

fn check(result: c_long, step: Step) -> Result<c_long, Failure> {
    if result < 0 {
        Err((step, errno()))
    } else {
        Ok(result)
    }
}

/// Gives every signal its default action. exec would do so for those with a
/// handler; but we unblock signals before exec, and it would leave ignored
/// ones ignored.
fn reset_signal_actions() {
    /// The kernel's struct sigaction on x86-64 and aarch64: handler, flags,
    /// restorer, mask. All zero means the default action.
    type Action = [u64; 4];
    let default: Action = [0; 4];
    for signal in 1..=64 {
        let mut action = default;
        let none = ptr::null_mut::<Action>();
        let size = size_of::<u64>();
        // SAFETY: the kernel reads or writes one Action, ours. The system call
        // itself, because the C library hides the signals it keeps for itself.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, none, &raw mut action, size);
            if action[0] != 0 {
                libc::syscall(
                    libc::SYS_rt_sigaction,
                    signal,
                    &raw const default,
                    none,
                    size,
                );
            }
        }
    }
}

fn die_with(parent: libc::pid_t, signal: c_int) -> Result<(), Failure> {
    // SAFETY: no memory is touched.
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0) };
    check(result.into(), Step::DeathSignal)?;
    // If it died before the call above, no signal will ever come.
    // SAFETY: no memory is touched.
    if unsafe { libc::getppid() } != parent {
        return Err((Step::DeathSignal, libc::ESRCH));
    }
    Ok(())
}

/// Gives each descriptor its number. One's number may be another's source, so
/// all are first copied to numbers above every target.
fn move_descriptors(moves: &mut [(RawFd, RawFd)]) -> Result<(), Failure> {
    close_all_on_exec();
    let mut above = 3;
    for &mut (_, target) in &mut *moves {
        above = above.max(target.saturating_add(1));
    }
    for (source, target) in &mut *moves {
        // SAFETY: no memory is touched; in the child's own descriptor table.
        let copy = unsafe { libc::fcntl(*source, libc::F_DUPFD_CLOEXEC, above) };
        check(copy.into(), Step::Descriptor(*target))?;
        *source = copy;
    }
    for &mut (source, target) in moves {
        // SAFETY: no memory is touched.
        let result = unsafe { libc::dup2(source, target) };
        // Unlike its source, the new descriptor survives exec.
        check(result.into(), Step::Descriptor(target))?;
    }
    Ok(())
}

/// Marks every descriptor but the standard streams to be closed by exec.
fn close_all_on_exec() {
    // SAFETY: no memory is touched.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if result == 0 {
        return;
    }
    // An old kernel, or a sandbox that does not know the call: one by one, as
    // far as descriptors can be.
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel writes one rlimit, ours; the rest are numbers.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        for fd in 3..c_int::try_from(limit.rlim_cur)
            .unwrap_or(c_int::MAX)
            .min(1 << 16)
        {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Tries the paths in order, as execvp does; returns errno. Unlike execvp it
/// does not say "permission denied" for a missing program because *some*
/// directory on the way may not be searched.
fn execute(plan: &Plan) -> c_int {
    let only_one = plan.paths.len() == 1;
    let mut denied = false;
    for &path in &plan.paths {
        // SAFETY: C strings and null-terminated arrays of them, kept for us by
        // the parent.
        unsafe { libc::execve(path, plan.argv.as_ptr(), plan.envp.as_ptr()) };
        match errno() {
            libc::EACCES => {
                // SAFETY: the same C string.
                let exists = unsafe { libc::access(path, libc::F_OK) } == 0;
                denied |= exists || only_one;
            }
            libc::ENOENT | libc::ENOTDIR => {}
            other => return other,
        }
    }
    if denied { libc::EACCES } else { libc::ENOENT }
}
