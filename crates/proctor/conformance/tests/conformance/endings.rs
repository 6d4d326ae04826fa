//! Wrong: code that ends its process instead of answering, that a signal kills, or that answers
//! wrongly.

use std::hint::black_box;
use std::process::{abort, exit};
use std::thread;

use nix::sys::signal::{Signal, raise};
use proctor::Outcome::{Crash, Exit, Fail, Limit, Panic};
use proctor::Subject;

use crate::driver::{Expect, check, ends};
use crate::kit::{child, expect_twice, futex_until_set, leave, reap};

const TABLE: &[Expect] = &[
    ends(&[Exit], "status 0", "exits_with_0"),
    ends(&[Exit], "status 0", "exits_with_0_in_a_panic_hook"),
    ends(&[Exit], "status 0", "exits_with_0_in_another_thread"),
    ends(&[Exit], "status 0", "exits_with_0_in_an_exit_handler"),
    ends(&[Exit], "status 0", "exits_with_0_at_once"),
    ends(&[Exit], "status 0", "exits_with_0_in_the_second_question"),
    ends(&[Exit], "status 3", "exits_with_3"),
    ends(&[Exit], "status 0", "becomes_another_program"),
    ends(&[Exit], "", "ends_its_only_thread"),
    ends(&[Crash], "abort", "aborts"),
    ends(&[Crash], "abort", "panics_while_it_panics"),
    ends(&[Crash], "sigsegv", "reads_where_it_may_not"),
    ends(
        &[Crash],
        "sigill",
        "runs_an_instruction_that_does_not_exist",
    ),
    ends(&[Crash], "sigkill", "kills_itself"),
    ends(
        &[Crash],
        "sigkill",
        "kills_itself_while_it_holds_much_memory",
    ),
    ends(&[Exit], "status 0", "exits_while_it_holds_much_memory"),
    ends(&[Crash], "sigterm", "ends_by_a_signal_in_another_thread"),
    ends(&[Crash], "stack", "overflows_the_stack"),
    ends(&[Crash], "stack", "overflows_the_stack_of_a_thread"),
    ends(&[Panic], "not yet implemented", "is_to_be_done"),
    ends(&[Panic], "panic", "panics_with_a_payload_that_is_no_text"),
    ends(&[Panic], "boom", "panics_in_a_scoped_thread"),
    ends(&[Panic], "left", "panics_after_a_right_answer"),
    ends(&[Panic], "", "panics_without_a_word_from_its_hook"),
    ends(&[Panic], "exited", "a_child_that_failed_is_noticed"),
    ends(&[Fail], "twice", "answers_wrongly"),
    ends(&[Fail], "twice", "answers_wrongly_and_prints_a_good_report"),
    ends(&[Fail], "twice", "answers_wrongly_with_an_exit_handler_set"),
    ends(&[Limit], "memory", "asks_for_100_gib"),
    ends(&[Limit], "memory", "fills_memory_without_end"),
    ends(&[Limit], "file", "writes_a_file_without_end"),
    ends(
        &[Limit],
        "an allocation of 600 mib failed",
        "reserves_more_than_it_may",
    ),
    ends(
        &[Crash],
        "(it aborted itself)",
        "aborts_with_the_words_of_a_failed_allocation",
    ),
    ends(
        &[Crash],
        "(it aborted itself)",
        "aborts_with_the_words_of_a_full_stack",
    ),
    ends(
        &[Crash],
        "(it aborted itself)",
        "aborts_long_after_an_allocation_was_refused",
    ),
    ends(
        &[Crash],
        "(it aborted itself)",
        "aborts_after_a_child_was_refused_memory",
    ),
    ends(
        &[Crash],
        "sigsegv",
        "sends_itself_the_signal_of_a_full_stack",
    ),
    ends(
        &[Crash],
        "overflowed",
        "overflows_the_stack_though_standard_error_is_closed",
    ),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 2);
}

case!(exits_with_0, |n| {
    if n < u64::MAX {
        exit(0);
    }
    2 * n
});

case!(exits_with_0_in_a_panic_hook, |n| {
    std::panic::set_hook(Box::new(|_| exit(0)));
    assert_eq!(n, n + 1);
    2 * n
});

case!(exits_with_0_in_another_thread, |n| {
    thread::spawn(|| exit(0));
    futex_until_set(&std::sync::atomic::AtomicU32::new(0));
    2 * n
});

extern "C" fn pretend() {
    leave(0);
}

case!(exits_with_0_in_an_exit_handler, |n| {
    // SAFETY: the handler only ends the process.
    unsafe { libc::atexit(pretend) };
    if n < u64::MAX {
        exit(1);
    }
    2 * n
});

case!(exits_with_0_at_once, |n| {
    if n < u64::MAX {
        leave(0);
    }
    2 * n
});

#[proctor::test(subject = |n: u64| if n == 0 { exit(0) } else { 2 * n })]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn exits_with_0_in_the_second_question(mut subject: Subject) {
    expect_twice(&mut subject);
    subject.ask(&0);
}

case!(exits_with_3, |n| {
    if n < u64::MAX {
        exit(3);
    }
    2 * n
});

case!(becomes_another_program, |n| {
    let error = std::os::unix::process::CommandExt::exec(&mut std::process::Command::new("true"));
    assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    2 * n
});

case!(ends_its_only_thread, |n| {
    if n < u64::MAX {
        // SAFETY: ends the calling thread; no other refers to its stack.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
    2 * n
});

case!(aborts, |n| {
    if n < u64::MAX {
        abort();
    }
    2 * n
});

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        panic!("the second panic");
    }
}

case!(panics_while_it_panics, |n| {
    let _bad = PanicsOnDrop;
    assert_eq!(n, n + 1, "the first panic");
    2 * n
});

case!(reads_where_it_may_not, |n| {
    // SAFETY: none; this is the mistake.
    n + unsafe { std::ptr::read_volatile(black_box(16 as *const u64)) }
});

case!(runs_an_instruction_that_does_not_exist, |n| {
    raise(Signal::SIGILL).unwrap();
    2 * n
});

case!(kills_itself, |n| {
    raise(Signal::SIGKILL).unwrap();
    2 * n
});

// The kernel needs a while to take it back: the line closes before the end is reported.
case!(
    kills_itself_while_it_holds_much_memory,
    deadline = 60.0,
    |n| {
        let memory = black_box(vec![1u8; 256 << 20]);
        raise(Signal::SIGKILL).unwrap();
        2 * n + u64::from(memory[5])
    }
);

case!(exits_while_it_holds_much_memory, deadline = 60.0, |n| {
    let memory = black_box(vec![1u8; 256 << 20]);
    if n < u64::MAX {
        leave(0);
    }
    2 * n + u64::from(memory[5])
});

case!(ends_by_a_signal_in_another_thread, |n| {
    thread::spawn(|| nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGTERM));
    futex_until_set(&std::sync::atomic::AtomicU32::new(0));
    2 * n
});

#[inline(never)]
fn without_end(n: u64) -> u64 {
    let room = black_box([n; 64]);
    if n == u64::MAX {
        0
    } else {
        without_end(n + 1) + room[9]
    }
}

case!(overflows_the_stack, |n| { without_end(n) });

case!(overflows_the_stack_of_a_thread, |n| {
    thread::spawn(move || without_end(n)).join().unwrap()
});

case!(overflows_the_stack_though_standard_error_is_closed, |n| {
    // SAFETY: nothing in this process needs the descriptor.
    unsafe { libc::close(2) };
    without_end(n)
});

case!(aborts_with_the_words_of_a_full_stack, |n| {
    eprintln!("\nthread 'main' has overflowed its stack\nfatal runtime error: stack overflow");
    if n < u64::MAX {
        std::process::abort()
    }
    2 * n
});

case!(sends_itself_the_signal_of_a_full_stack, |n| {
    // SAFETY: no memory is touched; without a fault the runtime's handler lets it through.
    unsafe { libc::raise(libc::SIGSEGV) };
    // SAFETY: as above.
    unsafe { libc::raise(libc::SIGSEGV) };
    2 * n
});

case!(aborts_with_the_words_of_a_failed_allocation, |n| {
    eprintln!("memory allocation of 1099511627776 bytes failed");
    if n < u64::MAX {
        std::process::abort()
    }
    2 * n
});

case!(
    aborts_long_after_an_allocation_was_refused,
    memory = 512,
    |n| {
        let refused = Vec::<u8>::new().try_reserve(1 << 30);
        assert!(black_box(refused).is_err());
        drop(black_box(vec![1u8; 100]));
        if n < u64::MAX {
            std::process::abort()
        }
        2 * n
    }
);

case!(aborts_after_a_child_was_refused_memory, memory = 512, |n| {
    reap(child(|| {
        let refused = Vec::<u8>::new().try_reserve(1 << 30);
        leave(i32::from(black_box(refused).is_ok()));
    }));
    if n < u64::MAX {
        std::process::abort()
    }
    2 * n
});

case!(reserves_more_than_it_may, memory = 512, |n| {
    let memory = Vec::<u8>::with_capacity(black_box(600 << 20));
    2 * n + black_box(memory).len() as u64
});

case!(is_to_be_done, |n| {
    if n < u64::MAX { todo!() } else { n }
});

case!(panics_with_a_payload_that_is_no_text, |n| {
    if n < u64::MAX {
        std::panic::panic_any(n);
    }
    2 * n
});

case!(panics_in_a_scoped_thread, |n| {
    thread::spawn(|| panic!("boom"))
        .join()
        .unwrap_or_else(|payload| {
            let text = payload.downcast::<&str>().unwrap();
            panic!("the thread said {text}")
        });
    2 * n
});

#[proctor::test(subject = |n: u64| -> u64 {
    assert_ne!(n, 0);
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn panics_after_a_right_answer(mut subject: Subject) {
    expect_twice(&mut subject);
    subject.ask(&0);
}

case!(panics_without_a_word_from_its_hook, |n| {
    std::panic::set_hook(Box::new(|_| ()));
    assert_eq!(n, n + 1);
    2 * n
});

case!(a_child_that_failed_is_noticed, |n| {
    reap(child(|| leave(3)));
    2 * n
});

case!(answers_wrongly, |n| { 2 * n + 1 });

case!(answers_wrongly_and_prints_a_good_report, |n| {
    println!("running 1 test\ntest endings::answers_wrongly ... ok\n");
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
    eprintln!("\x1b[32mtest result: ok\x1b[0m");
    2 * n + 1
});

case!(answers_wrongly_with_an_exit_handler_set, |n| {
    // SAFETY: the handler only ends the process.
    unsafe { libc::atexit(pretend) };
    2 * n + 1
});

case!(asks_for_100_gib, |n| {
    let mut memory = vec![1u8; 100 << 30];
    memory[usize::try_from(n & 0xfff).unwrap()] = 2;
    2 * n + u64::from(black_box(memory)[0])
});

case!(
    fills_memory_without_end,
    memory = 96,
    deadline = 60.0,
    |n| {
        let mut all = Vec::new();
        while black_box(true) {
            all.push(black_box(vec![1u8; 1 << 20]));
        }
        n + u64::from(all[0][0])
    }
);

case!(writes_a_file_without_end, |n| {
    use std::io::Write;
    use std::os::fd::FromRawFd;
    // SAFETY: makes a new descriptor, of a file in memory that nothing names.
    let file = unsafe { libc::memfd_create(c"case".as_ptr(), 0) };
    // SAFETY: made just now.
    let mut file = unsafe { std::fs::File::from_raw_fd(file) };
    while black_box(true) {
        file.write_all(&[0; 1 << 20]).unwrap();
    }
    2 * n
});
