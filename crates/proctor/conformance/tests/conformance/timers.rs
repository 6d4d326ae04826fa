//! Right: everything waits without a timeout, and a timer of the process wakes
//! it. What /proc shows of the threads alone looks like a deadlock.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::unistd::{alarm, pause};
use proctor::Subject;

use crate::driver::{Expect, check, passes};
use crate::kit::{
    LONG, SIGNALLED, expect_twice, futex_set, futex_until_set, handle, set_on, timer,
};

const TABLE: &[Expect] = &[
    passes("alarm_wakes_a_futex"),
    passes("setitimer_wakes_a_futex"),
    passes("setitimer_wakes_a_locked_mutex"),
    passes("a_posix_timer_wakes_a_futex"),
    passes("a_posix_timer_that_starts_a_thread_wakes_a_futex"),
    passes("the_eighth_tick_wakes_a_futex"),
    passes("alarm_ends_a_pause"),
    passes("a_handler_wakes_another_thread"),
    passes("sigwait_for_a_blocked_alarm"),
    passes("a_signal_descriptor_tells_of_an_alarm"),
    passes("a_timer_descriptor_is_read"),
    passes("a_timer_descriptor_is_polled_without_timeout"),
    passes("a_timer_of_the_question_before"),
    passes("an_alarm_of_the_question_before"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 4);
}

case!(alarm_wakes_a_futex, |n| {
    set_on(Signal::SIGALRM);
    alarm::set(1);
    futex_until_set(&SIGNALLED);
    2 * n
});

case!(setitimer_wakes_a_futex, |n| {
    set_on(Signal::SIGALRM);
    timer(LONG, Duration::ZERO);
    futex_until_set(&SIGNALLED);
    2 * n
});

static GATE: AtomicU32 = AtomicU32::new(0);

extern "C" fn open_gate(_: libc::c_int) {
    futex_set(&GATE);
}

case!(setitimer_wakes_a_locked_mutex, |n| {
    // One thread holds the lock and waits for the gate that the handler opens.
    handle(Signal::SIGALRM, SigHandler::Handler(open_gate));
    timer(LONG, Duration::ZERO);
    let lock = Mutex::new(0);
    let held = lock.lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| *lock.lock().unwrap() = 2 * n);
        futex_until_set(&GATE);
        drop(held);
    });
    lock.into_inner().unwrap()
});

fn posix_timer(event: &mut libc::sigevent) {
    // SAFETY: the structures are complete and outlive the calls.
    unsafe {
        let mut id: libc::timer_t = std::mem::zeroed();
        assert_eq!(
            libc::timer_create(libc::CLOCK_MONOTONIC, event, &raw mut id),
            0
        );
        let mut time: libc::itimerspec = std::mem::zeroed();
        time.it_value.tv_nsec = i64::from(LONG.subsec_nanos());
        let none = std::ptr::null_mut();
        assert_eq!(libc::timer_settime(id, 0, &raw const time, none), 0);
    }
}

case!(a_posix_timer_wakes_a_futex, |n| {
    set_on(Signal::SIGUSR2);
    // SAFETY: a structure of integers and pointers may be zero.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGUSR2;
    posix_timer(&mut event);
    futex_until_set(&SIGNALLED);
    2 * n
});

/// `struct sigevent` as glibc fills it for `SIGEV_THREAD` (man 3type sigevent);
/// the libc crate leaves these fields out.
#[repr(C)]
struct ThreadEvent {
    value: *mut libc::c_void,
    signo: libc::c_int,
    notify: libc::c_int,
    function: extern "C" fn(*mut libc::c_void),
    attributes: *mut libc::c_void,
    rest: [u64; 4],
}

const _: () = assert!(size_of::<ThreadEvent>() == size_of::<libc::sigevent>());

extern "C" fn open_gate_in_a_thread(_: *mut libc::c_void) {
    futex_set(&GATE);
}

case!(a_posix_timer_that_starts_a_thread_wakes_a_futex, |n| {
    let mut event = ThreadEvent {
        value: std::ptr::null_mut(),
        signo: 0,
        notify: libc::SIGEV_THREAD,
        function: open_gate_in_a_thread,
        attributes: std::ptr::null_mut(),
        rest: [0; 4],
    };
    // SAFETY: the same size and, on glibc, the same fields.
    posix_timer(unsafe { &mut *(&raw mut event).cast::<libc::sigevent>() });
    futex_until_set(&GATE);
    2 * n
});

static TICKS: AtomicU32 = AtomicU32::new(0);

extern "C" fn tick(_: libc::c_int) {
    if TICKS.fetch_add(1, Ordering::Relaxed) == 7 {
        futex_set(&GATE);
    }
}

case!(the_eighth_tick_wakes_a_futex, |n| {
    handle(Signal::SIGALRM, SigHandler::Handler(tick));
    timer(LONG / 8, LONG / 8);
    futex_until_set(&GATE);
    timer(Duration::ZERO, Duration::ZERO);
    2 * n
});

case!(alarm_ends_a_pause, |n| {
    set_on(Signal::SIGALRM);
    alarm::set(1);
    // If the signal came before the pause, the pause would never end: a real
    // mistake, but a second is a long time.
    pause();
    2 * n
});

case!(a_handler_wakes_another_thread, |n| {
    handle(Signal::SIGALRM, SigHandler::Handler(open_gate));
    let answer = std::thread::spawn(move || {
        futex_until_set(&GATE);
        2 * n
    });
    alarm::set(1);
    answer.join().unwrap()
});

fn block(signal: Signal) -> SigSet {
    let set = SigSet::from(signal);
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), None).unwrap();
    set
}

case!(sigwait_for_a_blocked_alarm, |n| {
    let set = block(Signal::SIGALRM);
    alarm::set(1);
    assert_eq!(set.wait(), Ok(Signal::SIGALRM));
    2 * n
});

case!(a_signal_descriptor_tells_of_an_alarm, |n| {
    let set = block(Signal::SIGALRM);
    // SAFETY: makes a new descriptor for a complete set.
    let fd = unsafe { OwnedFd::from_raw_fd(libc::signalfd(-1, set.as_ref(), 0)) };
    alarm::set(1);
    let mut information = [0u8; 128];
    assert_eq!(nix::unistd::read(&fd, &mut information), Ok(128));
    2 * n
});

fn timer_descriptor() -> TimerFd {
    let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::empty()).unwrap();
    let once = Expiration::OneShot(LONG.into());
    timer.set(once, TimerSetTimeFlags::empty()).unwrap();
    timer
}

case!(a_timer_descriptor_is_read, |n| {
    timer_descriptor().wait().unwrap();
    2 * n
});

case!(a_timer_descriptor_is_polled_without_timeout, |n| {
    let timer = timer_descriptor();
    let mut event = libc::pollfd {
        fd: std::os::fd::AsFd::as_fd(&timer).as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one structure that outlives the call.
    assert_eq!(unsafe { libc::poll(&raw mut event, 1, -1) }, 1);
    2 * n
});

/// The first question sets the timer, the second waits for it.
fn second_question_waits(n: u64, start: fn()) -> u64 {
    if n == 0 {
        set_on(Signal::SIGALRM);
        start();
    } else {
        futex_until_set(&SIGNALLED);
    }
    2 * n
}

#[proctor::test(subject = |n: u64| {
    second_question_waits(n, || timer(LONG, Duration::ZERO))
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_timer_of_the_question_before(mut subject: Subject) {
    assert_eq!(subject.ask(&0).value, 0);
    expect_twice(&mut subject);
}

#[proctor::test(subject = |n: u64| {
    second_question_waits(n, || {
        alarm::set(1);
    })
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn an_alarm_of_the_question_before(mut subject: Subject) {
    assert_eq!(subject.ask(&0).value, 0);
    expect_twice(&mut subject);
}
