//! What several experiments need.

use context_switch::sampling::Interval;
use processes::proc::{Syscall, syscall};
use processes::{Child, Ending, Pid, fork};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::thread;

/// Half as much again: what is called a difference between two ways to do the
/// same. Anything smaller changes from machine to machine.
pub(super) const CLEARLY: f64 = 1.5;

/// Whether two ways certainly cost about the same.
pub(super) fn about_the_same(ratio: &Interval) -> bool {
    ratio.is_within(1.0 / CLEARLY, CLEARLY)
}

/// Asks a forked child, which says what `answer` returns.
pub(super) fn ask_a_child(answer: impl FnOnce() -> String) -> io::Result<String> {
    let (mut heard, mut said) = io::pipe()?;
    let mut child = fork(|| i32::from(said.write_all(answer().as_bytes()).is_err()))?;
    drop(said);
    let mut text = String::new();
    heard.read_to_string(&mut text)?;
    child.wait()?;
    Ok(text)
}

/// How a forked child ends. What it complains about is not heard.
pub(super) fn end_of_a_child(body: impl FnOnce()) -> io::Result<Ending> {
    let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
    let body = || {
        let silenced = nix::unistd::dup2_stderr(&nowhere).is_ok();
        body();
        i32::from(!silenced)
    };
    fork(body)?.wait()
}

/// A forked child that can be stopped at points of its life: it says that it
/// has arrived, and waits to be told to go on.
pub(super) struct Stepping {
    pub(super) child: Child,
    arrived: PipeReader,
    go: PipeWriter,
}

/// The child's side of it.
pub(super) struct Steps {
    arrived: PipeWriter,
    go: PipeReader,
}

impl Stepping {
    /// Dropped, the child is killed.
    pub(super) fn fork(body: impl FnOnce(&mut Steps)) -> io::Result<Stepping> {
        let (arrived, say_arrived) = io::pipe()?;
        let (wait_for_go, go) = io::pipe()?;
        let mut steps = Steps {
            arrived: say_arrived,
            go: wait_for_go,
        };
        let child = fork(|| {
            body(&mut steps);
            0
        })?;
        Ok(Stepping { child, arrived, go })
    }

    /// Waits until the child has arrived at its next point.
    pub(super) fn until_there(&mut self) -> io::Result<()> {
        self.arrived.read_exact(&mut [0])
    }

    /// Lets it go on.
    pub(super) fn go_on(&mut self) -> io::Result<()> {
        self.go.write_all(b"!")
    }
}

impl Steps {
    /// Says that it is here, and waits. A parent that is gone ends the child.
    pub(super) fn stop_here(&mut self) {
        let told = self.arrived.write_all(b"!").is_ok();
        if !told || self.go.read_exact(&mut [0]).is_err() {
            std::process::exit(1);
        }
    }
}

/// Waits until a thread of this process sleeps in a system call, and says
/// where: its stack pointer and its program counter.
pub(super) fn asleep_in(call: libc::c_long, tid: Pid) -> io::Result<(u64, u64)> {
    let me = std::process::id().cast_signed();
    loop {
        if let Syscall::Inside { number, sp, pc, .. } = syscall(me, tid)?
            && number == call
        {
            return Ok((sp, pc));
        }
        thread::yield_now();
    }
}
