//! Wrong: code that meddles with the judge's line, or whose types lie.

use std::os::fd::{BorrowedFd, RawFd};

use proctor::Outcome::{Fail, Timeout};
use proctor::Subject;
use serde::Serialize;

use crate::driver::{Expect, check, ends, passes};
use crate::kit::{child, expect_twice, pause_for_ever, reap};

const TABLE: &[Expect] = &[
    ends(&[Fail], "closed", "closes_every_descriptor"),
    ends(&[Fail], "closed", "closes_every_descriptor_in_a_child_too"),
    ends(
        &[Fail],
        "closed",
        "puts_something_else_in_place_of_every_descriptor",
    ),
    ends(&[Fail], "wrote", "writes_garbage_to_every_descriptor"),
    ends(&[Fail], "wrote", "writes_garbage_and_waits"),
    ends(&[Fail, Timeout], "wrote", "writes_half_a_frame_and_answers"),
    ends(&[Fail, Timeout], "", "reads_from_every_descriptor"),
    ends(&[Fail], "itself", "answers_one_question_twice"),
    ends(&[Fail], "ran on", "a_child_answers_for_its_parent"),
    ends(&[Fail], "twice", "an_answer_that_equals_everything"),
    ends(&[Fail], "twice", "with_a_glob::a_type_named_u64"),
    passes("a_forged_report_of_the_warden_is_noticed"),
    passes("judge_and_warden_keep_their_environment_to_themselves"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 3);
}

/// The descriptors that the code did not open.
fn strange_descriptors() -> Vec<RawFd> {
    (3..4096)
        // SAFETY: a question to the kernel, answered with EBADF for what is not open.
        .filter(|fd| unsafe { libc::fcntl(*fd, libc::F_GETFD) } >= 0)
        .collect()
}

fn write_everywhere(bytes: &[u8]) {
    for fd in strange_descriptors() {
        // SAFETY: it was open a moment ago and nobody closes it meanwhile.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        let _ = nix::unistd::write(fd, bytes);
    }
}

fn close_everything() {
    for fd in strange_descriptors() {
        // SAFETY: none: the descriptor belongs to other code. This is the
        // mistake.
        unsafe { libc::close(fd) };
    }
}

case!(closes_every_descriptor, |n| {
    close_everything();
    2 * n
});

case!(closes_every_descriptor_in_a_child_too, |n| {
    reap(child(close_everything));
    close_everything();
    2 * n
});

case!(puts_something_else_in_place_of_every_descriptor, |n| {
    for fd in strange_descriptors() {
        // SAFETY: none: the descriptor belongs to other code. This is the
        // mistake.
        unsafe { libc::dup2(1, fd) };
    }
    2 * n
});

case!(writes_garbage_to_every_descriptor, |n| {
    write_everywhere(&[0xff; 64]);
    2 * n
});

case!(writes_garbage_and_waits, |n| {
    write_everywhere(&[0xff; 64]);
    if n < u64::MAX {
        pause_for_ever();
    }
    2 * n
});

case!(writes_half_a_frame_and_answers, deadline = 2.0, |n| {
    // A header that promises more bytes than all answers of this case have.
    write_everywhere(&1_000_000u32.to_le_bytes());
    2 * n
});

case!(reads_from_every_descriptor, deadline = 2.0, |n| {
    for fd in strange_descriptors() {
        // SAFETY: it was open a moment ago and nobody closes it meanwhile.
        let fd = unsafe { BorrowedFd::borrow_raw(fd) };
        nix::unistd::read(fd, &mut [0; 3]).unwrap();
    }
    2 * n
});

/// A reply as the subject would send it, with the judge's private types guessed.
fn forge(id: u64, value: u64) {
    #[derive(Serialize)]
    #[allow(dead_code)]
    enum Body {
        Ready { signature: u64 },
        Waiting,
        Unknown,
        Answer(Vec<u8>),
    }
    #[derive(Serialize, Default)]
    struct Usage {
        counts: [u64; 3],
        cpu: std::time::Duration,
        heap: [u64; 4],
    }
    let body = Body::Answer(postcard::to_stdvec(&value).unwrap());
    let seal = 0u64;
    let reply = postcard::to_stdvec(&(id, body, Usage::default(), seal)).unwrap();
    let mut frame = u32::try_from(reply.len()).unwrap().to_le_bytes().to_vec();
    frame.extend(reply);
    write_everywhere(&frame);
}

#[proctor::test(subject = |n: u64| -> u64 {
    forge(n, 2 * n);
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn answers_one_question_twice(mut subject: Subject) {
    for n in 0..3 {
        assert_eq!(subject.ask(&n).value, 2 * n);
    }
}

#[proctor::test(subject = |n: u64| -> u64 {
    child(|| forge(0, 2 * n));
    pause_for_ever()
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_child_answers_for_its_parent(mut subject: Subject) {
    expect_twice(&mut subject);
}

/// What a learner's crate could export.
mod exercise {
    /// Equal to everything.
    #[derive(Debug)]
    pub(super) struct Answer(pub(super) ::core::primitive::u64);

    impl PartialEq<::core::primitive::u64> for Answer {
        fn eq(&self, _: &::core::primitive::u64) -> bool {
            true
        }
    }

    /// A glob import brings this name into scope.
    #[allow(non_camel_case_types)]
    pub(super) type u64 = Answer;

    pub(super) fn twice(n: ::core::primitive::u64) -> u64 {
        Answer(n)
    }
}

// In the learner's process its type would equal the right answer.
#[proctor::test(subject = |n: u64| -> u64 {
    let answer = exercise::twice(n);
    assert!(answer == 2 * n, "it says so itself");
    answer.0
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn an_answer_that_equals_everything(mut subject: Subject) {
    expect_twice(&mut subject);
}

/// A test that imports everything from the exercise, and so its `u64`: what
/// crosses to the judge is still plain data, because a type that only looks
/// like a number does not compile as an answer.
mod with_a_glob {
    use proctor::Subject;

    use super::exercise::*;

    #[proctor::test(subject = |n: ::core::primitive::u64| {
        let answer: u64 = twice(n);
        assert!(answer == 2 * n, "it says so itself");
        answer.0
    })]
    #[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
    fn a_type_named_u64(mut subject: Subject) {
        crate::kit::expect_twice(&mut subject);
    }
}

/// Takes every socket of the warden and writes a report of the warden's to it:
/// "nothing is left". The number of sockets that it could take.
fn report_as_the_warden() -> u32 {
    let warden = nix::unistd::getppid().as_raw();
    let mut taken = 0;
    // SAFETY: pidfd_open and pidfd_getfd take integers and return a new
    // descriptor or -1.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, warden, 0) };
    for fd in 0..16 {
        // SAFETY: as above.
        let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd, fd, 0) };
        let Ok(copy @ 0..) = RawFd::try_from(copy) else {
            continue;
        };
        // SAFETY: the kernel has just made it for us, and nobody closes it.
        let copy = unsafe { BorrowedFd::borrow_raw(copy) };
        taken += u32::from(nix::unistd::write(copy, &[2, 0, 0, 0, 3, 0]) == Ok(6));
    }
    taken
}

#[proctor::test(subject = |(): ()| report_as_the_warden())]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn a_forged_report_of_the_warden_is_noticed(mut subject: Subject) {
    match subject.try_ask(&()) {
        // Root may take another process's descriptors.
        Err(failing) => assert!(
            failing.cause.contains("its warden reports to the judge"),
            "{failing}"
        ),
        Ok(answer) => assert_eq!(answer.value, 0),
    }
}

#[proctor::test(subject = |(): ()| {
    let warden = nix::unistd::getppid();
    std::fs::read(format!("/proc/{warden}/environ")).is_ok_and(|text| !text.is_empty())
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn judge_and_warden_keep_their_environment_to_themselves(mut subject: Subject) {
    let is_read = subject.ask(&()).value;
    assert!(!is_read || nix::unistd::geteuid().is_root());
}
