//! Right: code that does odd things to its process, its output or itself, and
//! then answers.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, raise, sigprocmask};
use proctor::Subject;

use crate::driver::{Expect, check, passes};
use crate::kit::{LONG, child, expect_twice, handle, pause_for_ever, reap, sleep_long};

const TABLE: &[Expect] = &[
    passes("prints_a_test_report_and_escape_sequences"),
    passes("prints_a_mebibyte"),
    passes("prints_without_a_line_end"),
    passes("prints_bytes_that_are_no_text"),
    passes("a_child_prints_what_its_parent_left_in_the_buffer"),
    passes("catches_a_panic"),
    passes("joins_a_thread_that_panicked"),
    passes("goes_on_with_a_poisoned_lock"),
    passes("sets_its_own_panic_hook"),
    passes("a_thread_of_no_interest_panics"),
    passes("forty_threads"),
    passes("recursion_that_fits_the_stack"),
    passes("ignores_sigterm"),
    passes("blocks_all_signals"),
    passes("changes_its_directory"),
    passes("sets_variables"),
    passes("closes_standard_input"),
    passes("closes_standard_output_and_error"),
    passes("renames_itself_to_look_like_a_line_of_stat"),
    passes("hides_from_its_own_user"),
    passes("lowers_its_limit_of_descriptors"),
    passes("raises_a_signal_that_it_handles"),
    passes("leaves_a_thread_that_sleeps"),
    passes("leaves_a_thread_that_waits_for_ever"),
    passes("leaves_threads_that_hold_each_others_locks"),
    passes("an_answer_of_a_mebibyte"),
    passes("a_thousand_questions"),
    passes("keeps_its_state_between_questions"),
    passes("fresh_starts_another_process"),
    passes("two_subjects_at_once"),
    passes("a_panic_that_the_judge_expects"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 3);
}

case!(prints_a_test_report_and_escape_sequences, |n| {
    println!("\x1b[2J\x1b[31mtest result: FAILED. 0 passed; 1 failed\x1b[0m");
    eprintln!("\x1b]8;;http://example.org\x1b\\test x ... ok\r\ntest result: ok.");
    println!("{{ \"type\": \"suite\", \"event\": \"failed\" }}");
    2 * n
});

case!(prints_a_mebibyte, |n| {
    for _ in 0..1 << 14 {
        println!("{}", "x".repeat(63));
    }
    2 * n
});

#[proctor::test(subject = |n: u64| -> u64 {
    print!("half a line");
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn prints_without_a_line_end(mut subject: Subject) {
    let answer = subject.ask(&7);
    assert_eq!(
        (answer.value, answer.output.stdout.as_str()),
        (14, "half a line")
    );
}

#[proctor::test(subject = |n: u64| -> u64 {
    std::io::stdout().write_all(b"\xff\xfe\0\x80\n").unwrap();
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn prints_bytes_that_are_no_text(mut subject: Subject) {
    let answer = subject.ask(&7);
    assert_eq!(answer.value, 14);
    assert!(answer.output.stdout.contains('\u{fffd}'));
}

#[proctor::test(subject = |n: u64| -> u64 {
    print!("once ");
    reap(child(|| std::io::stdout().flush().unwrap()));
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_child_prints_what_its_parent_left_in_the_buffer(mut subject: Subject) {
    let answer = subject.ask(&7);
    assert_eq!(answer.value, 14);
    assert_eq!(
        answer.output.stdout, "once once ",
        "both flush their copy of the buffer"
    );
}

case!(catches_a_panic, |n| {
    catch_unwind(|| panic!("caught")).unwrap_err();
    2 * n
});

case!(joins_a_thread_that_panicked, |n| {
    thread::spawn(|| panic!("joined")).join().unwrap_err();
    2 * n
});

case!(goes_on_with_a_poisoned_lock, |n| {
    let lock = Mutex::new(n);
    thread::scope(|scope| {
        let poisoner = scope.spawn(|| {
            let _held = lock.lock().unwrap();
            panic!("poisons the lock");
        });
        poisoner.join().unwrap_err();
    });
    2 * lock.lock().unwrap_err().into_inner().to_owned()
});

case!(sets_its_own_panic_hook, |n| {
    std::panic::set_hook(Box::new(|_| println!("a hook of its own")));
    catch_unwind(|| panic!("caught")).unwrap_err();
    2 * n
});

// Plain Rust goes on without that thread, and so does the judge: the message of
// the panic is in the output.
case!(a_thread_of_no_interest_panics, |n| {
    let (sender, receiver) = mpsc::channel::<()>();
    drop(thread::spawn(move || {
        let _sender = sender;
        panic!("nobody joins");
    }));
    receiver.recv().unwrap_err();
    2 * n
});

case!(forty_threads, |n| {
    let threads: Vec<_> = (0..40)
        .map(|_| {
            thread::spawn(|| {
                sleep_long();
                1
            })
        })
        .collect();
    let all: u64 = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!(all, 40);
    2 * n
});

case!(recursion_that_fits_the_stack, |n| {
    #[inline(never)]
    fn depth(n: u32) -> u32 {
        let room = std::hint::black_box([n; 64]);
        if n == 0 {
            0
        } else {
            depth(n - 1) + room[7] / n
        }
    }
    assert_eq!(depth(1500), 1500);
    2 * n
});

case!(ignores_sigterm, |n| {
    handle(Signal::SIGTERM, SigHandler::SigIgn);
    raise(Signal::SIGTERM).unwrap();
    2 * n
});

case!(blocks_all_signals, |n| {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).unwrap();
    2 * n
});

case!(changes_its_directory, |n| {
    std::env::set_current_dir("/").unwrap();
    2 * n
});

case!(sets_variables, |n| {
    // SAFETY: the subject has one thread.
    unsafe {
        std::env::set_var("RUST_BACKTRACE", "full");
        for (name, _) in std::env::vars_os() {
            std::env::remove_var(name);
        }
    }
    2 * n
});

fn close(descriptors: std::ops::RangeInclusive<u32>) {
    // SAFETY: acts on descriptors that nothing in the case uses afterwards.
    let done = unsafe { libc::close_range(*descriptors.start(), *descriptors.end(), 0) };
    assert_eq!(done, 0);
}

case!(closes_standard_input, |n| {
    assert_eq!(std::io::stdin().read(&mut [0]).unwrap(), 0, "it is empty");
    close(0..=0);
    2 * n
});

case!(closes_standard_output_and_error, |n| {
    close(1..=2);
    println!("into nothing");
    2 * n
});

case!(renames_itself_to_look_like_a_line_of_stat, |n| {
    prctl::set_name(c"1) Z 1 (a\n) R").unwrap();
    sleep_long();
    2 * n
});

// What /proc then hides from an ordinary user proves nothing.
case!(hides_from_its_own_user, |n| {
    prctl::set_dumpable(false).unwrap();
    let (_sender, receiver) = mpsc::channel::<()>();
    receiver.recv_timeout(LONG).unwrap_err();
    2 * n
});

case!(lowers_its_limit_of_descriptors, |n| {
    setrlimit(Resource::RLIMIT_NOFILE, 8, 8).unwrap();
    let (reader, _writer) = nix::unistd::pipe().unwrap();
    assert!(reader.as_raw_fd() >= 3);
    2 * n
});

case!(raises_a_signal_that_it_handles, |n| {
    crate::kit::set_on(Signal::SIGSEGV);
    raise(Signal::SIGSEGV).unwrap();
    assert_eq!(crate::kit::SIGNALLED.load(Ordering::Relaxed), 1);
    2 * n
});

case!(leaves_a_thread_that_sleeps, |n| {
    thread::spawn(|| thread::sleep(std::time::Duration::from_secs(3600)));
    2 * n
});

case!(leaves_a_thread_that_waits_for_ever, |n| {
    thread::spawn(|| pause_for_ever());
    thread::spawn(thread::park);
    2 * n
});

case!(leaves_threads_that_hold_each_others_locks, |n| {
    crate::deadlocks::two_locks_taken_in_opposite_order();
    2 * n
});

#[proctor::test(subject = |n: u64| (0..n).map(|i| i as u8).collect::<Vec<u8>>())]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn an_answer_of_a_mebibyte(mut subject: Subject) {
    let answer = subject.ask(&(1 << 20)).value;
    assert!(
        answer.len() == 1 << 20 && answer.iter().zip(0..).all(|(a, i): (_, u64)| *a == i as u8)
    );
}

#[proctor::test(subject = |n: u64| 2 * n)]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_thousand_questions(mut subject: Subject) {
    for _ in 0..1000 {
        expect_twice(&mut subject);
    }
}

static TOTAL: AtomicU64 = AtomicU64::new(0);

fn total(n: u64) -> u64 {
    TOTAL.fetch_add(n, Ordering::Relaxed) + n
}

#[proctor::test(subject = |n: u64| total(n))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn keeps_its_state_between_questions(mut subject: Subject) {
    assert_eq!(subject.ask(&3).value, 3);
    assert_eq!(subject.ask(&4).value, 7);
}

#[proctor::test(subject = |n: u64| total(n))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn fresh_starts_another_process(mut subject: Subject) {
    let first = subject.ask(&3);
    subject.fresh();
    let second = subject.ask(&4);
    assert_eq!((first.value, second.value), (3, 4));
    assert_ne!(first.evidence.pid, second.evidence.pid);
}

#[proctor::test(one = |n: u64| total(n), other = |n: u64| total(n))]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn two_subjects_at_once(mut one: Subject, mut other: Subject) {
    assert_eq!(one.ask(&3).value, 3);
    assert_eq!(other.ask(&4).value, 4);
    assert_eq!(one.ask(&5).value, 8);
}

#[proctor::test(subject = |n: u64| -> u64 {
    assert_ne!(n, 0, "zero is refused");
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_panic_that_the_judge_expects(mut subject: Subject) {
    let failing = subject.try_ask(&0).unwrap_err();
    assert_eq!(failing.outcome, proctor::Outcome::Panic);
    assert!(
        failing.cause.contains("zero is refused"),
        "{}",
        failing.cause
    );
    expect_twice(&mut subject);
}
