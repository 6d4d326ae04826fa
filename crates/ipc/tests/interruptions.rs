//! Signals whose handler was installed without SA_RESTART: every system call
//! that waits returns EINTR. A channel must not show it.
//!
//! Each interruption is sent when the kernel says that the thread waits in a
//! system call, so that none of them misses.

use std::ffi::{c_int, c_long};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use processes::proc::{self, Pid, Syscall};

const STORM: u64 = 50;

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let action = SigAction::new(
            SigHandler::Handler(count),
            SaFlags::empty(),
            SigSet::empty(),
        );
        // SAFETY: the handler touches one atomic.
        unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
    });
}

/// A thread that can be interrupted, by its id.
#[derive(Clone, Copy)]
struct Victim(Pid);

fn this_thread() -> Victim {
    Victim(nix::unistd::gettid().as_raw())
}

fn me() -> Pid {
    std::process::id().cast_signed()
}

impl Victim {
    /// Interrupts it `STORM` times, each time while it waits in this system
    /// call.
    fn storm(self, call: c_long) {
        for _ in 0..STORM {
            let before = HANDLED.load(Ordering::Relaxed);
            while !self.waits_in(call) {
                std::thread::yield_now();
            }
            self.interrupt();
            while HANDLED.load(Ordering::Relaxed) == before {
                std::thread::yield_now();
            }
        }
    }

    fn waits_in(self, call: c_long) -> bool {
        let place = proc::syscall(me(), self.0);
        place.is_ok_and(|place| matches!(place, Syscall::Inside { number, .. } if number == call))
    }

    /// A thread that has ended is not there to be interrupted.
    fn interrupt(self) {
        // SAFETY: tgkill takes three numbers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_tgkill, me(), self.0, libc::SIGALRM) };
    }
}

#[test]
fn a_storm_of_signals_does_not_show() {
    install();
    receiving_goes_on();
    a_deadline_is_not_prolonged();
    sending_goes_on();
    a_message_with_descriptors_goes_on();
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_raises_no_sigpipe() {
    static RAISED: AtomicU64 = AtomicU64::new(0);
    extern "C" fn raised(_: c_int) {
        RAISED.fetch_add(1, Ordering::Relaxed);
    }
    let action = SigAction::new(
        SigHandler::Handler(raised),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler touches one atomic.
    unsafe { sigaction(Signal::SIGPIPE, &action) }.unwrap();
    let (mut one, other) = ipc::pair::<u8, u8>().unwrap();
    drop(other);
    assert!(matches!(one.send(&1), Err(ipc::SendError::Closed)));
    assert_eq!(RAISED.load(Ordering::Relaxed), 0);
}

fn receiving_goes_on() {
    let (mut one, mut other) = ipc::pair::<String, String>().unwrap();
    let (tell, told) = mpsc::channel();
    let receiver = std::thread::spawn(move || {
        tell.send(this_thread()).unwrap();
        let first = other.recv().unwrap().value;
        let second = other
            .recv_timeout(Duration::from_secs(3600))
            .unwrap()
            .unwrap()
            .value;
        (first, second)
    });
    let victim = told.recv().unwrap();
    victim.storm(libc::SYS_recvmsg);
    one.send(&"first".into()).unwrap();
    victim.storm(libc::SYS_ppoll);
    one.send(&"second".into()).unwrap();
    assert_eq!(receiver.join().unwrap(), ("first".into(), "second".into()));
}

fn a_deadline_is_not_prolonged() {
    let (_one, mut other) = ipc::pair::<String, String>().unwrap();
    let (tell, told) = mpsc::channel();
    let patience = Duration::from_millis(200);
    let receiver = std::thread::spawn(move || {
        let start = Instant::now();
        tell.send(this_thread()).unwrap();
        let received = other.recv_timeout(patience).unwrap();
        (received, start.elapsed())
    });
    let victim = told.recv().unwrap();
    // Without an end: only the deadline can end the wait.
    while !receiver.is_finished() {
        if victim.waits_in(libc::SYS_ppoll) {
            victim.interrupt();
        }
    }
    let (received, waited) = receiver.join().unwrap();
    assert!(received.is_none());
    assert!(waited >= patience, "gave up after {waited:?}");
}

fn sending_goes_on() {
    let (mut one, mut other) = ipc::pair::<Vec<u8>, Vec<u8>>().unwrap();
    let message = vec![7_u8; 4 << 20];
    let (tell, told) = mpsc::channel();
    let copy = message.clone();
    let sender = std::thread::spawn(move || {
        tell.send(this_thread()).unwrap();
        one.send(&copy).unwrap();
    });
    told.recv().unwrap().storm(libc::SYS_sendto);
    assert!(other.recv().unwrap().value == message);
    sender.join().unwrap();
}

/// The kernel has taken the descriptor and a part of the message when the signal
/// comes. The rest must follow, without the descriptor.
fn a_message_with_descriptors_goes_on() {
    let (here, mut there) = UnixStream::pair().unwrap();
    let message = vec![7_u8; 4 << 20];
    let (tell, told) = mpsc::channel();
    let copy = message.clone();
    let sender = std::thread::spawn(move || {
        tell.send(this_thread()).unwrap();
        ipc::send_descriptors(&here, &copy, &[here.as_fd()])
    });
    let victim = told.recv().unwrap();
    while !victim.waits_in(libc::SYS_sendmsg) {
        std::thread::yield_now();
    }
    victim.interrupt();
    let mut received = vec![0; message.len()];
    // Read only when the call has returned, or it would return more than a part.
    while !sender.is_finished() && !victim.waits_in(libc::SYS_sendto) {
        std::thread::yield_now();
    }
    let passed = ipc::receive_descriptors(&there, &mut received, 1).unwrap();
    assert_eq!(passed.descriptors.len(), 1);
    drop(passed.descriptors);
    _ = there.read_exact(&mut received[passed.length..]);
    sender.join().unwrap().unwrap();
    assert!(received == message);
}
