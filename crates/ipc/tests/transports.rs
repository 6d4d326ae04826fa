//! One typed channel, and what must be true of it over every transport.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ipc::{Duplex, RecvError, SendError, Transport, channel, fork_with};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use processes::proc::{self, Syscall};

const LONG: Duration = Duration::from_secs(60);

/// The processes of this file are forked while other tests run, and so hold
/// copies of their channels: one test at a time.
fn alone() -> std::sync::MutexGuard<'static, ()> {
    static ONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ONE.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[test]
fn messages_arrive_in_order_and_then_the_end() {
    let _alone = alone();
    for transport in Transport::ALL {
        let (mut here, mut there) = channel::<Vec<u32>, ()>(transport).unwrap();
        let sender = thread::spawn(move || {
            for number in 0..2000 {
                here.send(&vec![number; number as usize % 50]).unwrap();
            }
        });
        for number in 0..2000 {
            assert_eq!(there.recv().unwrap(), vec![number; number as usize % 50]);
        }
        sender.join().unwrap();
        let end = there.recv();
        assert!(
            matches!(end, Err(RecvError::Closed)),
            "{transport:?}: {end:?}"
        );
        let end = there.recv_timeout(Duration::ZERO);
        assert!(
            matches!(end, Err(RecvError::Closed)),
            "{transport:?}: {end:?}"
        );
    }
}

#[test]
fn a_forked_process_answers() {
    let _alone = alone();
    for transport in Transport::ALL {
        let (mut line, mut child) = fork_with(transport, |mut line| {
            while let Ok((left, right)) = line.recv() {
                line.send(&format!("{left}+{right}")).unwrap();
            }
        })
        .unwrap();
        for number in 0..100_u8 {
            line.send(&(number, -1_i64)).unwrap();
            let answer: String = line.recv().unwrap();
            assert_eq!(answer, format!("{number}+-1"), "{transport:?}");
        }
        drop(line);
        let ended = child.wait_timeout(LONG).unwrap();
        assert!(
            ended.is_some_and(processes::Ending::success),
            "{transport:?}: {ended:?}"
        );
    }
}

#[test]
fn messages_much_larger_than_the_transport_arrive() {
    let _alone = alone();
    for transport in Transport::ALL {
        let (mut here, mut there) = channel::<Vec<u8>, Vec<u8>>(transport).unwrap();
        let echo = thread::spawn(move || {
            let message = there.recv().unwrap();
            there.send(&message).unwrap();
        });
        let message: Vec<u8> = (0..1_000_000_u32).map(|at| (at ^ at >> 8) as u8).collect();
        here.send(&message).unwrap();
        assert!(here.recv().unwrap() == message, "{transport:?}");
        echo.join().unwrap();
    }
}

#[test]
fn sending_to_nobody_is_closed() {
    let _alone = alone();
    for transport in Transport::ALL {
        let (mut here, there) = channel::<u8, u8>(transport).unwrap();
        drop(there);
        assert!(
            matches!(here.send(&1), Err(SendError::Closed)),
            "{transport:?}"
        );
        assert!(
            matches!(here.recv(), Err(RecvError::Closed)),
            "{transport:?}"
        );
    }
}

#[test]
fn what_was_sent_before_the_end_is_received() {
    let _alone = alone();
    for transport in Transport::ALL {
        let (mut here, mut there) = channel::<u8, u8>(transport).unwrap();
        here.send(&7).unwrap();
        drop(here);
        assert_eq!(there.recv().unwrap(), 7, "{transport:?}");
        assert!(
            matches!(there.recv(), Err(RecvError::Closed)),
            "{transport:?}"
        );
    }
}

#[test]
fn patience_ends_on_both_sides_and_nothing_is_lost() {
    let _alone = alone();
    for transport in Transport::ALL {
        let (mut here, mut there) = channel::<Vec<u8>, u8>(transport).unwrap();
        assert!(
            there
                .recv_timeout(Duration::from_millis(5))
                .unwrap()
                .is_none()
        );
        // More than any transport holds.
        let message = vec![3; 1_000_000];
        let sent = here
            .send_timeout(&message, Duration::from_millis(5))
            .unwrap();
        assert!(!sent, "{transport:?}");
        // A part of it is there, and stays there.
        assert!(
            there
                .recv_timeout(Duration::from_millis(5))
                .unwrap()
                .is_none()
        );
        let sender = thread::spawn(move || {
            assert!(here.flush_timeout(LONG).unwrap());
            here.send(&vec![4]).unwrap();
        });
        assert!(
            there.recv_timeout(LONG).unwrap() == Some(message),
            "{transport:?}"
        );
        assert_eq!(there.recv().unwrap(), [4], "{transport:?}");
        sender.join().unwrap();
    }
}

#[test]
fn the_death_of_the_other_process_is_the_end() {
    let _alone = alone();
    for transport in Transport::ALL {
        let (mut line, mut child) = fork_with::<u8, u8>(transport, |mut line| {
            line.send(&1).unwrap();
            loop {
                thread::park();
            }
        })
        .unwrap();
        assert_eq!(line.recv().unwrap(), 1);
        let waiter = thread::spawn(move || line.recv());
        child.signal(Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        let end = waiter.join().unwrap();
        assert!(
            matches!(end, Err(RecvError::Closed)),
            "{transport:?}: {end:?}"
        );
    }
}

/// A process that is killed drops nothing. At the latest, the sender finds out
/// when the transport is full.
#[test]
fn sending_to_a_killed_process_is_closed_in_the_end() {
    let _alone = alone();
    for transport in Transport::ALL {
        let (mut line, mut child) = fork_with::<[u8; 32], u8>(transport, |_line| {
            loop {
                thread::park();
            }
        })
        .unwrap();
        child.signal(Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        let refused = (0..100_000).find_map(|_| line.send(&[1; 32]).err());
        assert!(
            matches!(refused, Some(SendError::Closed)),
            "{transport:?}: {refused:?}"
        );
    }
}

/// In a deadlock this would never return; a full transport waits for its reader.
#[test]
fn a_slow_reader_slows_the_writer_down() {
    let _alone = alone();
    for transport in Transport::ALL {
        let (mut here, mut there) = channel::<[u8; 32], u8>(transport).unwrap();
        let mut sent = 0_u64;
        while here.send_timeout(&[9; 32], Duration::ZERO).unwrap() {
            sent += 1;
            assert!(sent < 100_000, "{transport:?} holds megabytes");
        }
        for _ in 0..sent {
            there.recv().unwrap();
        }
        assert!(here.flush_timeout(LONG).unwrap());
        there.recv().unwrap();
        assert!(there.recv_timeout(Duration::ZERO).unwrap().is_none());
    }
}

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

fn waits(tid: i32) -> bool {
    let me = std::process::id().cast_signed();
    let sleeping = [
        libc::SYS_ppoll,
        libc::SYS_futex,
        libc::SYS_recvmsg,
        libc::SYS_sendto,
    ];
    let place = proc::syscall(me, tid);
    place.is_ok_and(
        |place| matches!(place, Syscall::Inside { number, .. } if sleeping.contains(&number)),
    )
}

fn interrupt(tid: i32) {
    let me = std::process::id().cast_signed();
    for _ in 0..20 {
        let before = HANDLED.load(Ordering::Relaxed);
        while !waits(tid) {
            thread::yield_now();
        }
        // SAFETY: tgkill takes three numbers.
        unsafe { libc::syscall(libc::SYS_tgkill, me, tid, libc::SIGALRM) };
        while HANDLED.load(Ordering::Relaxed) == before {
            thread::yield_now();
        }
    }
}

#[test]
fn signals_do_not_show() {
    let _alone = alone();
    // Without SA_RESTART.
    let action = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler touches one atomic.
    unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
    for transport in Transport::ALL {
        let (mut here, mut there): (Duplex<Vec<u8>, u8>, _) = channel(transport).unwrap();
        let (tell, told) = mpsc::channel();
        let large = vec![5; 1_000_000];
        let worker = thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw()).unwrap();
            let first = here.recv().unwrap();
            tell.send(0).unwrap();
            here.send(&vec![5; 1_000_000]).unwrap();
            first
        });
        let tid = told.recv().unwrap();
        interrupt(tid); // while it receives
        there.send(&1).unwrap();
        told.recv().unwrap();
        interrupt(tid); // while it sends
        assert!(there.recv().unwrap() == large);
        assert_eq!(worker.join().unwrap(), 1, "{transport:?}");
    }
}
