//! The child's side of a start: what happens between clone and exec.
//!
//! This code runs in the child *in the parent's memory*, while the parent's
//! other threads keep running and may hold any lock. So it only makes system
//! calls: no allocation, no lock, no panic, no destructor (man 7
//! signal-safety). The parent has prepared everything that needs memory in the
//! [`Plan`].

use std::ffi::{c_char, c_int, c_long, c_void};
use std::os::fd::RawFd;
use std::ptr;

use crate::Step;
use crate::limits::ResourceLimit;

/// What the child must do. The parent prepares it.
pub(crate) struct Plan {
    /// The paths at which to look for the program, in order.
    pub(crate) paths: Vec<*const c_char>,
    /// The program's arguments, with a null pointer at the end.
    pub(crate) argv: Vec<*const c_char>,
    /// The program's environment, with a null pointer at the end.
    pub(crate) envp: Vec<*const c_char>,
    pub(crate) directory: Option<*const c_char>,
    /// Which descriptor gets which number in the child.
    pub(crate) moves: Vec<(RawFd, RawFd)>,
    pub(crate) limits: Vec<ResourceLimit>,
    pub(crate) new_session: bool,
    pub(crate) death_signal: Option<c_int>,
    pub(crate) parent: libc::pid_t,
    pub(crate) no_new_privileges: bool,
    /// What the child writes for the parent: the step that failed, and errno.
    pub(crate) failure: Option<(Step, c_int)>,
}

/// The error number of the last system call that failed.
pub(crate) fn errno() -> c_int {
    // SAFETY: the C library keeps this pointer valid for the thread's life. The
    // child shares errno with the parent thread, which is waiting and does not
    // rely on its value.
    unsafe { *libc::__errno_location() }
}

/// Blocks exactly these signals for this thread (signal `n` is bit `n - 1`) and
/// returns the signals that were blocked before. It makes the system call
/// directly, because the C library's function leaves out the two signals that
/// the library reserves for itself.
pub(crate) fn set_signal_mask(mask: u64) -> u64 {
    let mut old = 0_u64;
    // SAFETY: the kernel reads eight bytes and writes eight bytes, both ours.
    // With valid pointers and SIG_SETMASK it cannot fail.
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

/// The child's main function. It never returns: it ends in exec or `_exit`.
pub(crate) extern "C" fn run(plan: *mut c_void) -> c_int {
    // SAFETY: `launch` passes its Plan and does not touch it while this
    // function runs.
    let plan = unsafe { &mut *plan.cast::<Plan>() };
    if let Err(failure) = become_program(plan) {
        plan.failure = Some(failure);
    }
    // SAFETY: this is _exit and not exit, because the buffers and exit handlers
    // in this memory belong to the parent.
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
    // The limits come late, so that they cannot make the earlier steps fail.
    for limit in &plan.limits {
        limit
            .set()
            .map_err(|errno| (Step::Limit(limit.name), errno))?;
    }
    // Unblocking signals comes last. From here on a signal may end the child,
    // which is right, because the child has no handlers any more.
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

/// Gives every signal its default action. exec alone does not suffice: it
/// resets the signals that have a handler, but we unblock signals before exec,
/// and exec leaves ignored signals ignored.
fn reset_signal_actions() {
    /// The kernel's struct sigaction on x86-64 and aarch64: handler, flags,
    /// restorer, mask. All zero means the default action.
    type Action = [u64; 4];
    let default: Action = [0; 4];
    for signal in 1..=64 {
        let mut action = default;
        let none = ptr::null_mut::<Action>();
        let size = size_of::<u64>();
        // SAFETY: the kernel reads or writes one Action, ours. This makes the
        // system call directly, because the C library does not give access to
        // the signals that it reserves for itself.
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
    // If the parent died before the call above, no signal will ever come.
    // SAFETY: no memory is touched.
    if unsafe { libc::getppid() } != parent {
        return Err((Step::DeathSignal, libc::ESRCH));
    }
    Ok(())
}

/// Gives each descriptor its number. The new number of one descriptor may be
/// the old number of another, so all are first copied to numbers above every
/// target.
fn move_descriptors(moves: &mut [(RawFd, RawFd)]) -> Result<(), Failure> {
    close_all_on_exec();
    let mut above = 3;
    for &mut (_, target) in &mut *moves {
        above = above.max(target.saturating_add(1));
    }
    for (source, target) in &mut *moves {
        // SAFETY: no memory is touched, and the child has its own descriptor
        // table.
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

/// Marks every descriptor except the standard streams to be closed by exec.
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
    // The kernel is old, or a sandbox does not know the call. Mark the
    // descriptors one by one, up to the limit for descriptors or at most
    // 65,536.
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

/// Tries to execute the paths in order, as execvp does, and returns errno if
/// none can be executed. If the program is missing and *some* directory in the
/// list may not be searched, execvp says "permission denied"; this function
/// says "no such file".
fn execute(plan: &Plan) -> c_int {
    let only_one = plan.paths.len() == 1;
    let mut denied = false;
    for &path in &plan.paths {
        // SAFETY: these are C strings and null-terminated arrays of C strings,
        // and the parent keeps them alive.
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
