//! Right: programs that a naive diagnosis of hangs misjudges, or that a naive
//! observer disturbs. Each of them comes from the man pages.

use std::io::Write as _;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{pipe2, read};
use proctor::Outcome::Limit;
use proctor::Subject;

use crate::driver::{Expect, check, ends, passes};
use crate::kit::{LONG, child, leave, reap};

const TABLE: &[Expect] = &[
    ends(
        &[Limit],
        "the judge accepts at most",
        "an_answer_of_65_mebibytes",
    ),
    passes("the_first_thread_ends_and_another_goes_on"),
    passes("a_child_is_ended_by_its_own_limit_of_cpu_time"),
    passes("a_descriptor_is_replaced_while_it_is_read"),
    passes("a_thread_has_a_table_of_descriptors_of_its_own"),
    passes("large_writes_are_whole"),
    passes("large_reads_are_whole"),
    passes("a_message_that_is_waited_for_whole"),
    passes("many_questions_that_use_the_cpu"),
    passes("the_judge_is_stopped_for_a_while").stopped_for(3_000),
    passes("an_old_limit_of_descriptors_is_enough"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 3);
}

// A debug build needs seconds to serialize so many numbers.
#[proctor::test(deadline = 120.0, subject = |length: u64| -> Vec<u8> { vec![7; length as usize] })]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn an_answer_of_65_mebibytes(mut subject: Subject) {
    subject.ask(&(65 << 20));
}

case!(the_first_thread_ends_and_another_goes_on, |n| {
    reap(child(|| {
        thread::spawn(|| {
            thread::sleep(LONG);
            leave(0);
        });
        // SAFETY: ends this thread alone (exit, not exit_group); what it owns
        // is never used again.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }));
    2 * n
});

case!(
    a_child_is_ended_by_its_own_limit_of_cpu_time,
    deadline = 60.0,
    |n| {
        let spinner = child(|| {
            setrlimit(Resource::RLIMIT_CPU, 1, 1).unwrap();
            loop {
                std::hint::spin_loop();
            }
        });
        assert!(matches!(
            waitpid(spinner, None).unwrap(),
            WaitStatus::Signaled(..)
        ));
        2 * n
    }
);

/// A timer that is read as a descriptor, and fires once.
fn timer_descriptor(delay: Duration) -> OwnedFd {
    // SAFETY: makes a descriptor.
    let timer = unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC) };
    assert!(timer >= 0);
    let time = libc::itimerspec {
        it_interval: libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: libc::timespec {
            tv_sec: delay.as_secs().cast_signed(),
            tv_nsec: delay.subsec_nanos().into(),
        },
    };
    // SAFETY: reads one structure.
    let set = unsafe { libc::timerfd_settime(timer, 0, &raw const time, std::ptr::null_mut()) };
    assert_eq!(set, 0);
    // SAFETY: made above, and nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(timer) }
}

case!(a_descriptor_is_replaced_while_it_is_read, |n| {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let timer = timer_descriptor(LONG);
    let number = timer.as_raw_fd();
    let waiter = thread::spawn(move || {
        let mut ticks = [0; 8];
        read(&timer, &mut ticks).unwrap();
    });
    thread::sleep(Duration::from_millis(50));
    // The call in progress goes on with the timer; the number is a pipe now.
    // SAFETY: the number stays a descriptor of the waiter's.
    assert_eq!(unsafe { libc::dup2(reader.as_raw_fd(), number) }, number);
    waiter.join().unwrap();
    drop(writer);
    2 * n
});

case!(a_thread_has_a_table_of_descriptors_of_its_own, |n| {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let number = reader.as_raw_fd();
    let waiter = thread::spawn(move || {
        // SAFETY: this thread's descriptors are its own from here on.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_FILES) }, 0);
        let timer = timer_descriptor(LONG);
        // SAFETY: in this thread's table the number is nobody else's.
        unsafe { libc::dup2(timer.as_raw_fd(), number) };
        let mut ticks = [0_u8; 8];
        // SAFETY: reads into a buffer of that length.
        let count = unsafe { libc::read(number, ticks.as_mut_ptr().cast(), 8) };
        assert_eq!(count, 8);
    });
    waiter.join().unwrap();
    drop((reader, writer));
    2 * n
});

/// Longer than the judge waits before it looks whether a thread spins.
const WATCHED: Duration = Duration::from_millis(2_500);

case!(large_writes_are_whole, deadline = 60.0, |n| {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let drain = thread::spawn(move || {
        let mut buffer = vec![0; 32 << 10];
        while read(&reader, &mut buffer).unwrap() > 0 {}
    });
    let bytes = vec![1; 1 << 20];
    let until = Instant::now() + WATCHED;
    while Instant::now() < until {
        assert_eq!(nix::unistd::write(&writer, &bytes), Ok(bytes.len()));
    }
    drop(writer);
    drain.join().unwrap();
    2 * n
});

case!(large_reads_are_whole, deadline = 60.0, |n| {
    let mut file = tempfile::tempfile().unwrap();
    let bytes = vec![1; 8 << 20];
    file.write_all(&bytes).unwrap();
    let mut buffer = vec![0; bytes.len()];
    let until = Instant::now() + WATCHED;
    while Instant::now() < until {
        let count = nix::sys::uio::pread(&file, &mut buffer, 0);
        assert_eq!(count, Ok(bytes.len()));
    }
    2 * n
});

case!(a_message_that_is_waited_for_whole, deadline = 60.0, |n| {
    use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, socketpair};
    let (ours, theirs) = socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .unwrap();
    let until = Instant::now() + WATCHED;
    let sender = thread::spawn(move || {
        let part = vec![1; 1 << 10];
        while Instant::now() < until {
            for _ in 0..64 {
                assert_eq!(nix::unistd::write(&theirs, &part), Ok(part.len()));
            }
        }
    });
    let mut message = vec![0; 64 << 10];
    loop {
        match recv(ours.as_raw_fd(), &mut message, MsgFlags::MSG_WAITALL).unwrap() {
            0 => break,
            count => assert_eq!(count, message.len()),
        }
    }
    sender.join().unwrap();
    2 * n
});

/// Each uses more CPU time than half of what one question may.
#[proctor::test(deadline = 1.0, subject = |n: u64| -> u64 {
    let start = Instant::now();
    let work = || while start.elapsed() < Duration::from_millis(700) { std::hint::spin_loop(); };
    thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
        work();
    });
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn many_questions_that_use_the_cpu(mut subject: Subject) {
    for _ in 0..5 {
        // On a busy machine one of them may be too late, which is not the point here.
        match subject.try_ask(&4) {
            Ok(answer) => assert_eq!(answer.value, 8),
            Err(failing) => assert_eq!(failing.outcome, proctor::Outcome::Timeout, "{failing}"),
        }
    }
}

case!(the_judge_is_stopped_for_a_while, deadline = 2.0, |n| {
    thread::sleep(LONG);
    2 * n
});

case!(
    an_old_limit_of_descriptors_is_enough,
    descriptors = 64,
    |n| {
        let (soft, _) = nix::sys::resource::getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!(soft, 64);
        2 * n
    }
);
