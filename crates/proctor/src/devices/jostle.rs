//! Interruptions at arbitrary instructions, so that a test does not need luck
//! to see a race.

use std::cell::Cell;
use std::mem;
use std::ptr;
use std::sync::Once;

/// Makes the kernel interrupt the calling thread within the next 30 µs,
/// wherever it is then, and keep it off the CPU for about 30 µs, while other
/// threads run.
///
/// A test calls it in a closure that the learner's code calls again and again.
/// Then each of the code's threads stops between two instructions every few
/// microseconds, also on a machine with one CPU. If the code reads a value
/// before such a stop and writes it after the stop (`load`, then `store`), it
/// overwrites what other threads did in between.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
/// use std::thread;
///
/// let counter = AtomicU32::new(0);
/// thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| {
///             for _ in 0..20_000 {
///                 proctor::jostle();
///                 let count = counter.load(SeqCst);
///                 counter.store(count + 1, SeqCst);
///             }
///         });
///     }
/// });
/// assert!(counter.into_inner() < 80_000); // updates are lost
/// ```
///
/// While an interruption is pending, further calls do nothing. The interruption
/// is a real-time signal with a handler that sleeps; system calls go on after
/// it (`SA_RESTART`, man 7 signal), but a sleep or a wait with a time limit may
/// return early with `EINTR`, which std's functions handle.
pub fn jostle() {
    if PENDING.get() {
        return;
    }
    // Before the timer is armed: it may fire at once.
    PENDING.set(true);
    if !TIMER.try_with(Timer::arm).unwrap_or(false) {
        PENDING.set(false);
    }
}

thread_local! {
    /// The handler runs on the thread that it interrupts. It touches only this
    /// variable, which needs neither an allocation nor a destructor.
    static PENDING: Cell<bool> = const { Cell::new(false) };
    static TURN: Cell<u32> = const { Cell::new(0) };
    static TIMER: Timer = Timer::of_this_thread();
}

/// A timer that sends its signal to one thread, or `None` where there is none.
struct Timer(Option<libc::timer_t>);

impl Timer {
    fn of_this_thread() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(install);
        // SAFETY: zeroed is a valid value of both; the call fills `timer`.
        unsafe {
            let mut event: libc::sigevent = mem::zeroed();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal();
            event.sigev_notify_thread_id = nix::unistd::gettid().as_raw();
            let mut timer: libc::timer_t = ptr::null_mut();
            let made = libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer);
            Timer((made == 0).then_some(timer))
        }
    }

    /// Lets it fire once, after 1 to 30 µs.
    fn arm(&self) -> bool {
        let Some(timer) = self.0 else { return false };
        // A different time each time, so that the interruption can reach every
        // place.
        let turn = TURN.get().wrapping_add(1);
        TURN.set(turn);
        let once = libc::itimerspec {
            it_interval: nanoseconds(0),
            it_value: nanoseconds(1_000 + i64::from(turn.wrapping_mul(7_919) % 29_000)),
        };
        // SAFETY: the timer is this thread's, and the structure is complete.
        unsafe { libc::timer_settime(timer, 0, &raw const once, ptr::null_mut()) == 0 }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(timer) = self.0 {
            // SAFETY: it was made by `of_this_thread` and is deleted once.
            unsafe { libc::timer_delete(timer) };
        }
    }
}

/// A signal that nothing else uses.
fn signal() -> i32 {
    libc::SIGRTMIN() + 7
}

fn install() {
    // SAFETY: zeroed is a valid value; the handler is async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = mem::zeroed();
        action.sa_sigaction = stop as extern "C" fn(i32) as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal(), &raw const action, ptr::null_mut());
    }
}

/// Sleeps, and leaves `errno` as it was (man 7 signal-safety).
extern "C" fn stop(_: i32) {
    let errno = nix::errno::Errno::last_raw();
    let pause = nanoseconds(30_000);
    // SAFETY: clock_nanosleep may be called in a handler.
    unsafe { libc::nanosleep(&raw const pause, ptr::null_mut()) };
    nix::errno::Errno::set_raw(errno);
    PENDING.set(false);
}

fn nanoseconds(nanoseconds: i64) -> libc::timespec {
    libc::timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds,
    }
}
