//! The causes of verdicts, in words for a learner.

use processes::Pid;
use records::Outcome;

use crate::hang::States;
use crate::outcome::Failing;
use crate::part::Settings;
use crate::subject::trouble::Trouble;
use crate::text;
use crate::wire::Ending;

/// A constructor ended the program.
pub(crate) const BEFORE_MAIN: &str = "the program ended before it reached the test: your library holds code that runs before main (a constructor)";

/// A constructor never returns.
pub(crate) const HANGS_BEFORE_MAIN: &str = "the program did not reach the test: code that runs before main (a constructor) does not return";

/// A forked child returned from the learner's code.
pub(crate) fn ran_on(pid: Pid) -> Failing {
    Failing::new(
        Outcome::Fail,
        format!(
            "a child ran on into the caller's code: process {pid}, which your code forked, left \
             your function as if it were the parent, by `return` or by a panic\nA forked child must end inside your function, by exec or _exit."
        ),
    )
}

/// The subject ended before it answered.
pub(crate) fn ended(ending: Ending, trouble: Option<Trouble>, settings: &Settings) -> Failing {
    match ending {
        Ending::Killed { signal }
            if is_fault(signal) && trouble == Some(Trouble::StackOverflow) =>
        {
            Failing::new(
                Outcome::Crash,
                "a thread overflowed its stack, and that ends the process",
            )
        }
        Ending::Killed {
            signal: libc::SIGABRT,
        } if let Some(Trouble::NoMemory { bytes }) = trouble => out_of_memory(bytes, settings),
        Ending::Exited(status) => Failing::new(
            Outcome::Exit,
            format!("your code ended the process (status {status}) instead of returning an answer"),
        ),
        Ending::Killed { signal } if signal == libc::SIGXCPU => Failing::new(
            Outcome::Limit,
            format!(
                "your code used more than the {} s of CPU time that this test allows for one question",
                settings.cpu_seconds()
            ),
        ),
        Ending::Killed { signal } if signal == libc::SIGXFSZ => Failing::new(
            Outcome::Limit,
            "your code wrote a file larger than the 256 MiB that this test allows",
        ),
        Ending::Killed { signal } => Failing::new(
            Outcome::Crash,
            format!("the process was killed by {}", text::signal(signal)),
        ),
    }
}

/// Whether a program that overflowed its stack may end by this signal: by
/// Rust's abort, or by the fault itself.
fn is_fault(signal: i32) -> bool {
    [libc::SIGABRT, libc::SIGSEGV, libc::SIGBUS].contains(&signal)
}

fn out_of_memory(bytes: u64, settings: &Settings) -> Failing {
    let wanted = match bytes >> 20 {
        0 => format!("{bytes} bytes"),
        mebibytes => format!("{mebibytes} MiB"),
    };
    Failing::new(
        Outcome::Limit,
        format!(
            "your code tried to allocate more than the {} MiB of memory that this test allows: an allocation of {wanted} failed",
            settings.memory
        ),
    )
}

/// The subject ended after it had answered.
pub(crate) fn ended_afterwards(
    ending: Ending,
    trouble: Option<Trouble>,
    settings: &Settings,
) -> Failing {
    let failing = ended(ending, trouble, settings);
    let cause = match ending {
        Ending::Exited(status) => {
            format!("your code ended the process (status {status}) after it had answered")
        }
        Ending::Killed { .. } => format!("after your code had answered, {}", failing.cause),
    };
    Failing { cause, ..failing }
}

/// The answer is longer than a message to the judge may be.
pub(crate) fn too_long(length: u64, limit: u64) -> Failing {
    Failing::new(
        Outcome::Limit,
        format!(
            "the answer is {} MiB long, and the judge accepts at most {} MiB",
            length >> 20,
            limit >> 20
        ),
    )
}

/// The judge could see the subject's descriptors before, and cannot see them
/// any more.
pub(crate) fn hid_itself() -> Failing {
    Failing::new(
        Outcome::Fail,
        "your code hid its process from the judge: the judge can no longer see which file descriptors it has open",
    )
}

/// More answers arrived than the judge had asked questions.
pub(crate) fn answered_twice() -> Failing {
    Failing::new(Outcome::Fail, "your code answered one question twice")
}

/// The deadline passed, and nothing more could be proved.
pub(crate) fn deadline(settings: &Settings, states: States) -> Failing {
    let looks_endless = states.used.as_secs_f64() * 2.0 > settings.deadline;
    let guess = match looks_endless {
        true => ": this looks like an endless loop, or like a computation that takes far too long",
        false => "",
    };
    Failing {
        at: states.at.filter(|_| looks_endless),
        ..Failing::new(
            Outcome::Timeout,
            format!(
                "your code did not answer within {:.1} s{guess}\n{}",
                settings.deadline, states.words
            ),
        )
    }
}

pub(crate) fn unasked() -> Failing {
    Failing::new(
        Outcome::NotJudged,
        "an answer arrived that the judge had not asked for",
    )
}

pub(crate) fn wrote_to_the_line() -> Failing {
    Failing::new(
        Outcome::Fail,
        "your code wrote to a file descriptor that it did not open: the socket that carries answers to the judge",
    )
}

/// A report that the warden did not write.
pub(crate) fn forged_a_report() -> Failing {
    Failing::new(
        Outcome::Fail,
        "your code wrote to a file descriptor that it did not open: the socket on which its warden reports to the judge",
    )
}

/// A reply that the serving loop did not send.
pub(crate) fn forged_an_answer() -> Failing {
    Failing::new(
        Outcome::Fail,
        "your code wrote an answer to the judge's socket itself instead of returning it",
    )
}

pub(crate) fn closed_the_line() -> Failing {
    Failing::new(
        Outcome::Fail,
        "your code closed a file descriptor that it did not open: the socket that carries answers to the judge",
    )
}

/// The warden is gone, or no longer answers.
pub(crate) fn killed_the_warden(signal: Option<i32>) -> Failing {
    let cause = match signal {
        Some(signal) => format!(
            "your code killed its parent process, the warden that watches over it ({})",
            text::signal(signal)
        ),
        None => "your code stopped its parent process, the warden that watches over it".to_owned(),
    };
    Failing::new(Outcome::Crash, cause)
}

/// The warden refused to let the subject start more processes or threads.
pub(crate) fn too_many(settings: &Settings, failing: Failing) -> Failing {
    Failing {
        outcome: Outcome::Limit,
        cause: format!(
            "your code started more processes and threads than this test allows ({} at the same time)\n\
             the consequence: {}",
            settings.processes,
            text::shortened(&failing.cause, 300)
        ),
        ..failing
    }
}
