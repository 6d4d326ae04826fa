//! What a modelled thread must not do, because no search can repeat it: use files, sockets and
//! processes, start real threads, sleep in the operating system's kernel, or run on and on without
//! an operation of the model.
//!
//! The thread of the operating system that explores gets a filter of system calls (seccomp(2)) and a
//! timer on its own CPU time (timer_create(2)). If a modelled thread calls what the filter refuses,
//! the kernel sends SIGSYS: the call fails with EPERM, and the exploration is given up with a
//! sentence at the thread's next operation. (Not at once, because the C library may hold locks of
//! its own around the call. For the same reason the handlers use no memory of the allocator.) A
//! thread that waits or runs for ever has no next operation: the handler runs on that thread's
//! stack, and leaves it for good.
//!
//! The explorer itself runs on the same thread of the operating system, and may do all of this: the
//! handler makes its system calls for it, with a mark that lets them pass.
//!
//! Where no filter can be had, all of this is left out. Then such a scenario runs as it is, and is
//! reported only if it does not repeat itself. So it is on a kernel without seccomp, and under a
//! judge that lets the code under test have no filter. Such a judge watches for itself, and with a
//! handler or a timer in the process it could not prove that nothing ends a loop or a wait.

use std::cell::Cell;
use std::ffi::{CStr, c_int, c_long, c_void};
use std::mem::{offset_of, zeroed};
use std::ptr::{from_ref, null_mut};
use std::sync::Once;

use super::failure::short_place;
use super::thread::letter;
use super::{NOBODY, Place, Run, run};

/// The sixth argument of system calls that pass. As a bit set for futex(2), it meets every wake-up
/// that does not ask for certain bits.
const PASS: u32 = 0x7a55_ed01;

/// How many seconds of CPU time a modelled thread may run without an operation.
const MOST_SECONDS: u32 = 5;

/// How many seconds a modelled thread may sleep in the kernel. The allocator has real locks, so a
/// short sleep is nothing.
const MOST_NAPS: u32 = 5;

/// How many refused calls a modelled thread may try in a row.
const MOST_REFUSALS: u32 = 1_000;

/// What the filter refuses, and what it is called.
const REFUSED: &[(&[c_long], &str)] = &[
    (
        &[
            libc::SYS_openat,
            libc::SYS_openat2,
            libc::SYS_statx,
            libc::SYS_newfstatat,
            libc::SYS_faccessat,
            libc::SYS_faccessat2,
            libc::SYS_readlinkat,
            libc::SYS_unlinkat,
            libc::SYS_mkdirat,
            libc::SYS_renameat,
            libc::SYS_renameat2,
            libc::SYS_linkat,
            libc::SYS_symlinkat,
            libc::SYS_memfd_create,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lstat,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_access,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_readlink,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rename,
        ],
        "uses the file system",
    ),
    (
        &[
            libc::SYS_read,
            libc::SYS_readv,
            libc::SYS_pread64,
            libc::SYS_recvfrom,
            libc::SYS_recvmsg,
        ],
        "reads from a file, a pipe or a socket",
    ),
    (
        &[
            libc::SYS_pipe2,
            libc::SYS_socket,
            libc::SYS_socketpair,
            libc::SYS_connect,
            libc::SYS_accept,
            libc::SYS_accept4,
            libc::SYS_eventfd2,
            libc::SYS_mq_open,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_pipe,
        ],
        "opens a pipe, a socket or a queue",
    ),
    (
        &[
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_wait4,
            libc::SYS_waitid,
            libc::SYS_kill,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_fork,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_vfork,
        ],
        STARTS_A_PROCESS,
    ),
    (&[libc::SYS_clone, libc::SYS_clone3], STARTS_A_PROCESS),
    (
        &[
            libc::SYS_nanosleep,
            libc::SYS_clock_nanosleep,
            libc::SYS_ppoll,
            libc::SYS_pselect6,
            libc::SYS_epoll_pwait,
            libc::SYS_rt_sigsuspend,
            libc::SYS_rt_sigtimedwait,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_poll,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_select,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_epoll_wait,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_pause,
        ],
        SLEEPS,
    ),
    (&[libc::SYS_futex], WAITS_FOR_A_LOCK),
    // Not refused: see `repeatable`.
    (&[libc::SYS_getrandom], "asks for random numbers"),
    (&[libc::SYS_exit_group], EXITS),
    // Not refused: see `set_mask`.
    (&[libc::SYS_rt_sigprocmask], "blocks signals"),
];

const STARTS_A_PROCESS: &str = "starts or waits for a process";
const STARTS_A_THREAD: &str = "starts a thread that is not a modelled one";
const WAITS_FOR_A_LOCK: &str =
    "waits for a lock, a channel or a thread that is not from the modelled std";

const SLEEPS: &str = "sleeps, or waits for something outside";
const EXITS: &str = "ends the whole program";

const RUNS_ON: &str = "runs on and on without an operation of the modelled std, in a loop without an end or with too much work";

/// Operations of futex(2) that wait, without their flags.
const WAITING: [c_int; 5] = [
    libc::FUTEX_WAIT,
    libc::FUTEX_WAIT_BITSET,
    libc::FUTEX_LOCK_PI,
    libc::FUTEX_WAIT_REQUEUE_PI,
    libc::FUTEX_LOCK_PI2,
];

thread_local! {
    /// Whether a modelled thread runs. (It has no destructor, so it can be read while the program
    /// ends.)
    static IS_INSIDE: Cell<bool> = const { Cell::new(false) };
    /// How often modelled threads were resumed on this thread of the operating system.
    static RESUMED: Cell<u64> = const { Cell::new(0) };
    /// [`RESUMED`] when the timer last expired, and how often it was the same in a row.
    static SILENCE: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
    /// The same for sleeps in the kernel.
    static NAPS: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
    /// The same for calls that were refused.
    static REFUSALS: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
}

/// What a modelled thread did.
#[derive(Clone, Copy)]
struct Deed {
    thread: usize,
    after: Place,
    does: &'static str,
    /// The beginning of the path that it named.
    path: [u8; 200],
    length: usize,
}

thread_local! {
    static DEED: Cell<Option<Deed>> = const { Cell::new(None) };
}

impl Run {
    /// Gives the exploration up if a modelled thread has just left the model.
    pub(super) fn note_deeds(&self) {
        IS_INSIDE.set(false);
        let Some(deed) = DEED.with(Cell::take) else {
            return;
        };
        let path = String::from_utf8_lossy(&deed.path[..deed.length]);
        let path = match path.is_empty() {
            true => String::new(),
            false => format!(" (\"{path}\")"),
        };
        // The first thread begins in a file of the explorer.
        let when = match deed.after.file().ends_with("kernel/running.rs") {
            true => "before its first operation".to_owned(),
            false => format!("after its operation at {}", short_place(deed.after)),
        };
        let mut state = self.state.borrow_mut();
        state.stopping = true;
        state.again = false;
        state.useless = false;
        state.gave_up = Some(format!(
            "thread {} {}{path}, {when}: a scenario is run again and again, so it may use only memory, and the modelled threads, locks and channels",
            letter(deed.thread),
            deed.does,
        ));
    }
}

/// A modelled thread is resumed.
pub(super) fn resumed() {
    IS_INSIDE.set(true);
    RESUMED.with(|resumed| resumed.set(resumed.get().wrapping_add(1)));
}

/// Runs `body`, which explores, under watch. This thread of the operating system keeps the filter
/// for good, so it should end soon.
pub fn watched<R>(body: impl FnOnce() -> R) -> R {
    static HANDLERS: Once = Once::new();
    // The first use of a thread-local value with a destructor allocates. A handler must not: it may
    // have interrupted the allocator, which opens files and waits for locks.
    drop(run());
    let _timer = filter().then(|| {
        HANDLERS.call_once(|| {
            handle(libc::SIGSYS, on_refusal);
            handle(libc::SIGVTALRM, on_expiry);
        });
        Timer::start()
    });
    body()
}

fn handle(signal: c_int, handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void)) {
    // SAFETY: all zeroes is an empty mask and no flags. The handlers have the signature that
    // SA_SIGINFO asks for. Without SA_ONSTACK they run on the stack of the modelled thread, which
    // they may leave for good; with SA_NODEFER the signal is not blocked after that.
    unsafe {
        let mut action: libc::sigaction = zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_RESTART;
        libc::sigaction(signal, &raw const action, null_mut());
    }
}

/// Gives this thread the filter, and says whether it could.
fn filter() -> bool {
    let program = program();
    let Ok(len) = libc::c_ushort::try_from(program.len()) else {
        return false;
    };
    let program = libc::sock_fprog {
        len,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: both calls concern only this thread, and the kernel copies the program.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                from_ref(&program),
            ) == 0
    }
}

/// The filter, as instructions of classic BPF.
fn program() -> Vec<libc::sock_filter> {
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let op = |code, k, jf| libc::sock_filter { code, jt: 0, jf, k };
    let argument = |n: usize| {
        let low = if cfg!(target_endian = "big") { 4 } else { 0 };
        let offset = offset_of!(libc::seccomp_data, args) + 8 * n + low;
        op(LOAD, u32::try_from(offset).unwrap_or(0), 0)
    };
    let number = op(
        LOAD,
        u32::try_from(offset_of!(libc::seccomp_data, nr)).unwrap_or(0),
        0,
    );
    let allow = op(RETURN, libc::SECCOMP_RET_ALLOW, 0);
    let trap = op(RETURN, libc::SECCOMP_RET_TRAP, 0);

    let mut program = vec![argument(5), op(IF_EQUAL, PASS, 1), allow, number];
    for call in REFUSED.iter().flat_map(|(calls, _)| *calls) {
        let call = u32::try_from(*call).unwrap_or(u32::MAX);
        if i64::from(call) == libc::SYS_futex {
            // Only what waits: the operation without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME.
            let rest = u8::try_from(3 + 2 * WAITING.len()).unwrap_or(u8::MAX);
            program.extend([op(IF_EQUAL, call, rest), argument(1), op(AND, 0x7f, 0)]);
            for operation in WAITING {
                program.extend([op(IF_EQUAL, operation.cast_unsigned(), 1), trap]);
            }
            program.push(allow);
        } else {
            program.extend([op(IF_EQUAL, call, 1), trap]);
        }
    }
    program.push(allow);
    program
}

/// A timer on the CPU time of this thread.
struct Timer(Option<libc::timer_t>);

thread_local! {
    /// The timer of this thread, for the handler.
    static TIMER: Cell<Option<libc::timer_t>> = const { Cell::new(None) };
}

/// Lets the timer expire after this time, and then once a second.
fn set_timer(timer: libc::timer_t, nanoseconds: c_long) {
    let second = libc::timespec {
        tv_sec: 1,
        tv_nsec: 0,
    };
    let times = libc::itimerspec {
        it_interval: second,
        it_value: libc::timespec {
            tv_sec: nanoseconds / 1_000_000_000,
            tv_nsec: nanoseconds % 1_000_000_000,
        },
    };
    // SAFETY: the pointer is to a local that lives as long as the call.
    unsafe { libc::timer_settime(timer, 0, &raw const times, null_mut()) };
}

impl Timer {
    /// Starts it: it expires once a second.
    fn start() -> Self {
        // SAFETY: all pointers are to locals that live as long as the calls.
        unsafe {
            let mut event: libc::sigevent = zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = libc::SIGVTALRM;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = null_mut();
            let clock = libc::CLOCK_THREAD_CPUTIME_ID;
            if libc::timer_create(clock, &raw mut event, &raw mut timer) != 0 {
                return Self(None);
            }
            set_timer(timer, 1_000_000_000);
            TIMER.set(Some(timer));
            Self(Some(timer))
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(timer) = self.0 {
            // SAFETY: it was created, and nobody else deletes it.
            unsafe { libc::timer_delete(timer) };
        }
    }
}

/// A system call that was refused: its number is in `siginfo_t`, where libc has no name for it.
#[repr(C)]
struct Refusal {
    signal: c_int,
    error: c_int,
    code: c_int,
    address: *mut c_void,
    number: c_int,
    architecture: u32,
}

/// The registers with the arguments of a system call, and the one that gets its result.
#[cfg(target_arch = "x86_64")]
fn registers(context: &mut libc::ucontext_t) -> ([i64; 6], &mut i64) {
    let all = &mut context.uc_mcontext.gregs;
    let arguments = [
        libc::REG_RDI,
        libc::REG_RSI,
        libc::REG_RDX,
        libc::REG_R10,
        libc::REG_R8,
        libc::REG_R9,
    ]
    .map(|register| all[register as usize]);
    (arguments, &mut all[libc::REG_RAX as usize])
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &mut libc::ucontext_t) -> ([i64; 6], &mut u64) {
    let all = &mut context.uc_mcontext.regs;
    let arguments = std::array::from_fn(|n| all[n].cast_signed());
    (arguments, &mut all[0])
}

/// Where the thread was interrupted.
fn interrupted_at(context: &libc::ucontext_t) -> usize {
    #[cfg(target_arch = "x86_64")]
    let at = context.uc_mcontext.gregs[libc::REG_RIP as usize].cast_unsigned();
    #[cfg(target_arch = "aarch64")]
    let at = context.uc_mcontext.pc;
    usize::try_from(at).unwrap_or(0)
}

/// A system call with the mark that lets it pass. The result is as the kernel returns it: an error
/// is a negative number.
fn pass(number: c_int, arguments: [i64; 6]) -> i64 {
    let [a, b, c, d, e, _] = arguments;
    // SAFETY: the caller made this very call, and it is made now, for the caller.
    let result = unsafe { libc::syscall(c_long::from(number), a, b, c, d, e, i64::from(PASS)) };
    match result {
        -1 => -i64::from(
            std::io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        ),
        result => result,
    }
}

extern "C" fn on_refusal(_: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes what SA_SIGINFO promises, and a signal of seccomp carries a number.
    let (refusal, context) = unsafe {
        (
            &*info.cast::<Refusal>(),
            &mut *context.cast::<libc::ucontext_t>(),
        )
    };
    let number = c_long::from(refusal.number);
    let mask = (&raw mut context.uc_sigmask).cast::<u64>();
    let (arguments, result) = registers(context);
    let errno = Errno::keep();
    let answer = if number == libc::SYS_futex {
        nap(arguments)
    } else if number == libc::SYS_getrandom && is_modelled() {
        // SAFETY: the arguments are those of getrandom(2).
        unsafe { repeatable(arguments) }
    } else if number == libc::SYS_exit_group && IS_INSIDE.get() {
        exit(refusal.number)
    } else if number == libc::SYS_rt_sigprocmask {
        // SAFETY: the mask is the beginning of the context's, and the arguments are those of the call.
        unsafe { set_mask(arguments, &mut *mask) }
    } else {
        let path = path(number, arguments);
        if path.is_some_and(is_looked_into) && is_modelled() {
            -i64::from(libc::ENOENT)
        } else if note(doing(number, arguments), path) {
            if is_again(&REFUSALS) > MOST_REFUSALS {
                leave();
            }
            -i64::from(libc::EPERM)
        } else {
            pass(refusal.number, arguments)
        }
    };
    errno.restore();
    #[cfg(target_arch = "x86_64")]
    {
        *result = answer;
    }
    #[cfg(target_arch = "aarch64")]
    {
        *result = answer.cast_unsigned();
    }
}

/// What a system call does, in words.
fn doing(number: c_long, arguments: [i64; 6]) -> &'static str {
    let flags = match number {
        libc::SYS_clone => arguments[0],
        // SAFETY: clone3's first argument points to its flags.
        libc::SYS_clone3 => unsafe { *(arguments[0] as *const i64) },
        _ => 0,
    };
    if flags & i64::from(libc::CLONE_THREAD) != 0 {
        return STARTS_A_THREAD;
    }
    let refused = REFUSED.iter().find(|(calls, _)| calls.contains(&number));
    refused.map_or("leaves the model", |(_, does)| does)
}

/// The path that a call names.
fn path(number: c_long, arguments: [i64; 6]) -> Option<&'static CStr> {
    let pointer = match number {
        libc::SYS_openat
        | libc::SYS_openat2
        | libc::SYS_statx
        | libc::SYS_newfstatat
        | libc::SYS_unlinkat
        | libc::SYS_mkdirat => arguments[1],
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open
        | libc::SYS_creat
        | libc::SYS_stat
        | libc::SYS_lstat
        | libc::SYS_unlink
        | libc::SYS_mkdir
        | libc::SYS_rename => arguments[0],
        _ => return None,
    };
    let pointer = pointer as *const libc::c_char;
    // SAFETY: it is the path of a call that a program makes, so it is a string that ends with 0.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) })
}

/// Files into which glibc's allocator and `available_parallelism` look. Both do without them, so they
/// do not exist for a modelled thread.
const LOOKED_INTO: [&[u8]; 5] = [
    b"/proc/sys/vm/overcommit_memory",
    b"/proc/self/cgroup",
    b"/proc/self/mountinfo",
    b"/sys/fs/cgroup/",
    b"/sys/devices/system/cpu/",
];

fn is_looked_into(path: &CStr) -> bool {
    let path = path.to_bytes();
    LOOKED_INTO.iter().any(|file| path.starts_with(file))
}

/// rt_sigprocmask(2), but never blocking what the handlers need: if a system call is refused while
/// SIGSYS is blocked, the kernel kills the process. (The C library blocks all signals when it starts
/// threads and processes.) `mask` is what will be blocked when the handler has returned.
///
/// # Safety
/// The arguments must be those of rt_sigprocmask.
unsafe fn set_mask(arguments: [i64; 6], mask: &mut u64) -> i64 {
    let [how, set, old, size, ..] = arguments;
    if size != 8 {
        return -i64::from(libc::EINVAL);
    }
    let before = *mask;
    let set = set as *const u64;
    if !set.is_null() {
        // SAFETY: it points to a set of 64 signals.
        let set = unsafe { set.read_unaligned() };
        let set = [libc::SIGSYS, libc::SIGVTALRM]
            .iter()
            .fold(set, |set, signal| set & !(1 << (signal - 1)));
        *mask = match c_int::try_from(how) {
            Ok(libc::SIG_BLOCK) => before | set,
            Ok(libc::SIG_UNBLOCK) => before & !set,
            Ok(libc::SIG_SETMASK) => set,
            _ => return -i64::from(libc::EINVAL),
        };
    }
    let old = old as *mut u64;
    if !old.is_null() {
        // SAFETY: as above.
        unsafe { old.write_unaligned(before) };
    }
    0
}

/// Random numbers that are the same in each run: hash maps ask for some.
///
/// # Safety
/// The arguments must be those of getrandom(2).
unsafe fn repeatable(arguments: [i64; 6]) -> i64 {
    let [buffer, length, ..] = arguments;
    let length = usize::try_from(length).unwrap_or(0);
    let buffer = buffer as *mut u8;
    let mut state = 0x2545_f491_u32;
    for at in 0..length {
        // Marsaglia's xorshift (2003).
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        // SAFETY: the buffer has this length.
        unsafe { buffer.add(at).write(state.to_le_bytes()[0]) };
    }
    arguments[1]
}

/// A scenario that ends the program would end it with success. It is told, and ends with a failure.
/// (The thread cannot be left: what runs at a program's end has run.)
fn exit(number: c_int) -> i64 {
    const FAILURE: i64 = 101;
    let said = concat!(
        "a thread of a scenario ends the whole program. A scenario is run again and again, so it must ",
        "return\n"
    );
    // SAFETY: the text has this length.
    unsafe { libc::write(libc::STDERR_FILENO, said.as_ptr().cast(), said.len()) };
    pass(number, [FAILURE, 0, 0, 0, 0, 0])
}

/// A wait in futex(2), for at most a second at a time: it may always end for no reason.
fn nap(arguments: [i64; 6]) -> i64 {
    let [word, operation, value, limit, ..] = arguments;
    if limit != 0 && note(SLEEPS, None) {
        return -i64::from(libc::ETIMEDOUT);
    }
    let flag = operation & i64::from(libc::FUTEX_PRIVATE_FLAG);
    let timeout = libc::timespec {
        tv_sec: 0,
        tv_nsec: 999_999_999,
    };
    // FUTEX_WAIT counts its time from now, but takes no bit set: the kernel ignores the mark.
    let arguments = [
        word,
        i64::from(libc::FUTEX_WAIT) | flag,
        value,
        from_ref(&timeout) as i64,
        0,
        0,
    ];
    let operation = operation & 0x7f;
    if operation != i64::from(libc::FUTEX_WAIT) && operation != i64::from(libc::FUTEX_WAIT_BITSET) {
        if note(WAITS_FOR_A_LOCK, None) {
            leave();
        }
        return -i64::from(libc::ENOSYS);
    }
    let futex = c_int::try_from(libc::SYS_futex).unwrap_or(0);
    let result = pass(futex, arguments);
    if result != -i64::from(libc::ETIMEDOUT) {
        return result;
    }
    if is_again(&NAPS) >= MOST_NAPS && note(WAITS_FOR_A_LOCK, None) {
        leave();
    }
    0
}

/// How often this was asked in a row without a modelled thread having been resumed.
fn is_again(since: &'static std::thread::LocalKey<Cell<(u64, u32)>>) -> u32 {
    let resumed = RESUMED.with(Cell::get);
    since.with(|since| {
        let (before, times) = since.get();
        let times = if before == resumed { times + 1 } else { 1 };
        since.set((resumed, times));
        times
    })
}

extern "C" fn on_expiry(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes what SA_SIGINFO promises.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    let errno = Errno::keep();
    if is_again(&SILENCE) > MOST_SECONDS {
        // In a library, the allocator may be at work, and could not be used any more. Then the
        // thread is looked at again soon: a loop around system calls is rarely seen in its own code.
        if is_our_code(interrupted_at(context)) {
            if note(RUNS_ON, None) {
                leave();
            }
        } else if let Some(timer) = TIMER.get() {
            const SOON: c_long = 1_000_000;
            set_timer(timer, SOON);
        }
    }
    errno.restore();
}

/// Whether an address lies in the code of this program, and not in that of a shared library.
fn is_our_code(address: usize) -> bool {
    unsafe extern "C" {
        // The linker defines both.
        static __executable_start: u8;
        static etext: u8;
    }
    let (from, to) = (&raw const __executable_start, &raw const etext);
    (from.addr()..to.addr()).contains(&address)
}

/// Whether a modelled thread runs, and not the explorer.
fn is_modelled() -> bool {
    run().is_some_and(|run| run.current.get() != NOBODY)
}

/// Notes what a modelled thread does: its execution ends at its next operation. False if none runs.
fn note(does: &'static str, path: Option<&CStr>) -> bool {
    let Some(run) = run().filter(|run| run.current.get() != NOBODY) else {
        return false;
    };
    let me = run.me();
    let Ok(mut state) = run.state.try_borrow_mut() else {
        return false;
    };
    let Some(after) = state.threads.get(me).map(|thread| thread.at) else {
        return false;
    };
    state.stopping = true;
    let mut deed = Deed {
        thread: me,
        after,
        does,
        path: [0; 200],
        length: 0,
    };
    for (byte, to) in path
        .into_iter()
        .flat_map(CStr::to_bytes)
        .zip(&mut deed.path)
    {
        *to = *byte;
        deed.length += 1;
    }
    DEED.with(|slot| slot.set(slot.get().or(Some(deed))));
    true
}

/// Leaves the stack of the modelled thread that runs, for good.
fn leave() {
    if let Some(run) = run() {
        run.stop();
    }
}

/// The thread's errno, which a handler must not change.
struct Errno(c_int);

impl Errno {
    fn keep() -> Self {
        // SAFETY: it points to this thread's errno.
        Self(unsafe { *libc::__errno_location() })
    }

    fn restore(&self) {
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = self.0 };
    }
}
