//! What many cases need: children, pipes, words in shared memory, signals, futexes.

use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use proctor::Subject;

/// Longer than the judge needs to find a hang, so that the judge looks at a
/// thread that waits for this long.
pub(crate) const LONG: Duration = Duration::from_millis(800);

/// Asks a random number and expects twice that number.
#[track_caller]
pub(crate) fn expect_twice(subject: &mut Subject<u64, u64>) {
    let n = proctor::random::<u64>() >> 1;
    let answer = subject.ask(&n);
    assert_eq!(answer.value, 2 * n, "twice {n}");
}

/// Sleeps for as long as it takes the judge to look.
pub(crate) fn sleep_long() {
    std::thread::sleep(LONG);
}

/// Forks a child that runs `code` and ends.
pub(crate) fn child(code: impl FnOnce()) -> Pid {
    // SAFETY: the cases call this from a process with one thread, or where the
    // other threads hold no lock of the allocator.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            code();
            leave(0)
        }
    }
}

/// Ends this process at once.
pub(crate) fn leave(status: i32) -> ! {
    // SAFETY: `_exit` only ends the process.
    unsafe { libc::_exit(status) }
}

/// Waits for a child and demands that it ended with status 0.
pub(crate) fn reap(child: Pid) {
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
}

/// Sleeps until a signal comes that ends the process.
pub(crate) fn pause_for_ever() -> ! {
    loop {
        nix::unistd::pause();
    }
}

/// A word that this process shares with its children.
pub(crate) fn shared_word() -> &'static AtomicU32 {
    // SAFETY: a new mapping, aligned to a page, zeroed, never unmapped.
    unsafe {
        let address = libc::mmap(
            ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert_ne!(address, libc::MAP_FAILED);
        &*address.cast::<AtomicU32>()
    }
}

/// Waits in the kernel while `word` is `value`, at most for `timeout`
/// (man 2 futex). The futex is not private: other processes may wake it.
pub(crate) fn futex_wait(word: &AtomicU32, value: u32, timeout: Option<Duration>) {
    let timeout = timeout.map(|timeout| libc::timespec {
        tv_sec: timeout.as_secs().cast_signed(),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: the word and the timeout outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            value,
            timeout,
        );
    }
}

/// Waits until `word` is no longer 0. A handler of a signal may set it.
pub(crate) fn futex_until_set(word: &AtomicU32) {
    while word.load(Ordering::Acquire) == 0 {
        futex_wait(word, 0, None);
    }
}

/// Sets the word and wakes every thread that waits for it. Allowed in a signal
/// handler.
pub(crate) fn futex_set(word: &AtomicU32) {
    word.store(1, Ordering::Release);
    // SAFETY: the word outlives the call.
    unsafe {
        libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, i32::MAX);
    }
}

/// Set by [`set_on`]'s handler.
pub(crate) static SIGNALLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn note(_: libc::c_int) {
    SIGNALLED.store(1, Ordering::Release);
}

/// Lets `signal` set [`SIGNALLED`] and interrupt whatever waits.
pub(crate) fn set_on(signal: Signal) {
    SIGNALLED.store(0, Ordering::Release);
    handle(signal, SigHandler::Handler(note));
}

/// Installs a handler without `SA_RESTART`.
pub(crate) fn handle(signal: Signal, handler: SigHandler) {
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handlers of the cases touch atomics only.
    unsafe { sigaction(signal, &action) }.unwrap();
}

/// Raises SIGALRM after `delay`, then every `interval` if that is not zero.
pub(crate) fn timer(delay: Duration, interval: Duration) {
    let value = |time: Duration| libc::timeval {
        tv_sec: time.as_secs().cast_signed(),
        tv_usec: time.subsec_micros().into(),
    };
    let timer = libc::itimerval {
        it_interval: value(interval),
        it_value: value(delay),
    };
    // SAFETY: the structure is complete and outlives the call. (By number:
    // the musl and glibc wrappers differ in the type of the first argument.)
    unsafe {
        let zero: *mut libc::itimerval = ptr::null_mut();
        libc::syscall(
            libc::SYS_setitimer,
            libc::ITIMER_REAL,
            &raw const timer,
            zero,
        );
    }
}

/// Does `work` in rounds for about `time`, without asking a clock meanwhile:
/// the number of rounds is found beforehand.
pub(crate) fn labour(time: Duration, work: impl Fn(u64) -> u64) -> u64 {
    const PROBE: u64 = 200_000;
    // The first pass meets cold memory and would make the second look slow.
    std::hint::black_box(work(PROBE));
    let began = Instant::now();
    std::hint::black_box(work(PROBE));
    let speed = PROBE as f64 / began.elapsed().as_secs_f64();
    std::hint::black_box(work((speed * time.as_secs_f64()) as u64))
}

/// Not a case: a program that other cases start, with their mark as an
/// argument, and that ends only by a signal.
#[test]
#[ignore = "a program that the cases of the corpus start"]
fn pauses_for_ever() {
    if std::env::args().any(|argument| argument == "--skip") {
        pause_for_ever();
    }
}

/// The command line of [`pauses_for_ever`].
pub(crate) fn program_that_pauses() -> std::process::Command {
    let mut command = std::process::Command::new("/proc/self/exe");
    let mark = std::env::var(crate::driver::MARK).unwrap_or_default();
    command.args([
        "kit::pauses_for_ever",
        "--exact",
        "--ignored",
        "--skip",
        &mark,
    ]);
    command
}
