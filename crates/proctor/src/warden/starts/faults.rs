//! System calls that fail because a test says so.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// A kind of system call that a test can make fail. Every step that may fail in
/// real life is worth a test in which it fails. A kind covers all the system
/// calls that code may use for that step.
///
/// A test lists the kinds that it needs in its attribute, because the filter
/// that stops the calls is made when the subject starts. Before a question, it
/// then says which calls fail, and how.
///
/// ```ignore
/// #[proctor::test(faults = [Pipe], subject = |(): ()| my::channel().is_err())]
/// fn a_pipe_that_cannot_be_made_is_an_error(mut subject: Subject) {
///     // The second one.
///     subject.fail(Failure::of(Fault::Pipe, Errno::EMFILE).after(1));
///     let answer = subject.ask(&());
///     assert_eq!(answer.evidence.faults, 1, "it makes two pipes");
///     assert!(answer.value);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// The start of a process: fork, vfork, clone, clone3.
    Process,
    /// The start of a thread: clone, clone3.
    Thread,
    /// pipe, pipe2, socketpair.
    Pipe,
    /// wait4, waitid; `waitpid` and `wait` call one of these. As in the kernel,
    /// EINTR is only for calls that block: calls with WNOHANG do not fail with
    /// it.
    Wait,
    /// sched_setaffinity.
    Affinity,
    /// write and writev on descriptor 1, standard output.
    Print,
    /// sched_yield, nanosleep, clock_nanosleep: the calls by which a thread
    /// gives up the CPU for a while. [`Evidence::faults`](crate::Evidence::faults)
    /// then says how often code paused.
    Pause,
}

/// Which processes' calls fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whose {
    /// The subject's process, and those that it started.
    Everybodys,
    /// The subject's process only.
    TheSubjects,
    /// The processes that it started only.
    TheChildrens,
}

/// Which calls fail, and with which error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    fault: Fault,
    errno: i32,
    skipped: u32,
    times: u32,
    whose: Whose,
}

impl Failure {
    /// The next call of this kind fails with this error, whichever process
    /// makes it. With [`Errno::UnknownErrno`], which is 0, the call succeeds
    /// and does nothing.
    pub fn of(fault: Fault, errno: Errno) -> Self {
        Failure {
            fault,
            errno: errno as i32,
            skipped: 0,
            times: 1,
            whose: Whose::Everybodys,
        }
    }

    /// The first `others` calls succeed, and only then a call fails.
    #[must_use]
    pub fn after(self, others: u32) -> Self {
        Failure {
            skipped: others,
            ..self
        }
    }

    /// This number of calls fails, one after the other.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Failure { times, ..self }
    }

    /// Only these processes' calls count.
    #[must_use]
    pub fn whose(self, whose: Whose) -> Self {
        Failure { whose, ..self }
    }
}

/// The failures that a judge has ordered and that have not happened yet.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Failure>);

impl Faults {
    pub(super) fn order(&mut self, failure: Failure) {
        self.0.push(failure);
    }

    /// Nothing fails any more.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }

    /// The error of this call, if it is to fail. A call that does not block is
    /// not interrupted.
    pub(super) fn due(
        &mut self,
        fault: Fault,
        blocks: bool,
        is_the_subject: impl Fn() -> bool,
    ) -> Option<Errno> {
        let counts = |failure: &Failure| {
            failure.fault == fault
                && (blocks || failure.errno != Errno::EINTR as i32)
                && match failure.whose {
                    Whose::Everybodys => true,
                    Whose::TheSubjects => is_the_subject(),
                    Whose::TheChildrens => !is_the_subject(),
                }
        };
        let place = self.0.iter().position(counts)?;
        let failure = &mut self.0[place];
        if let Some(left) = failure.skipped.checked_sub(1) {
            failure.skipped = left;
            return None;
        }
        let errno = Errno::from_raw(failure.errno);
        failure.times = failure.times.saturating_sub(1);
        if failure.times == 0 {
            self.0.remove(place);
        }
        Some(errno)
    }
}
