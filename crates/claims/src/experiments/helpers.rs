//! Helpers that several experiments use.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::thread;
use std::time::Instant;

use context_switch::sampling::{Interval, Samples};
use context_switch::{Pinned, Placement};
use processes::proc::{Syscall, syscall};
use processes::{Child, Ending, Pid, fork};

use crate::Unmeasured;

/// The ratio above which two ways to do the same thing count as different: one takes
/// more than 1.5 times as long as the other. Smaller differences change from machine
/// to machine.
pub(super) const CLEARLY: f64 = 1.5;

/// Returns whether two ways certainly cost about the same: the whole interval of
/// their ratio lies between 1 / [`CLEARLY`] and [`CLEARLY`].
pub(super) fn about_the_same(ratio: &Interval) -> bool {
    ratio.is_within(1.0 / CLEARLY, CLEARLY)
}

/// What a round trip over a pipe costs without its two switches: one thread writes
/// two bytes into its own pipe and reads them, one after the other. Returns
/// nanoseconds, the mean of `trips` of them.
pub(super) fn pipe_without_switches(trips: u32) -> Result<f64, Unmeasured> {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let (mut reader, mut writer) = io::pipe()?;
    let mut byte = [0];
    let started = Instant::now();
    for _ in 0..2 * trips {
        writer.write_all(b"!")?;
        reader.read_exact(&mut byte)?;
    }
    Ok(started.elapsed().as_nanos() as f64 / f64::from(trips))
}

/// The time of one switch: what is left of a round trip without the pipe, divided by
/// its two switches. Both were measured in the same rounds.
pub(super) fn switch(round_trip: &Samples, pipe: &Samples) -> Result<Samples, Unmeasured> {
    let pairs = round_trip.values().iter().zip(pipe.values());
    let switches = pairs.map(|(trip, pipe)| (trip - pipe) / 2.0);
    Ok(Samples::new(switches.collect())?)
}

/// Calls `answer` in a forked child, and returns the text that it returns there.
pub(super) fn ask_a_child(answer: impl FnOnce() -> String) -> io::Result<String> {
    let (mut heard, mut said) = io::pipe()?;
    let mut child = fork(|| i32::from(said.write_all(answer().as_bytes()).is_err()))?;
    drop(said);
    let mut text = String::new();
    heard.read_to_string(&mut text)?;
    child.wait()?;
    Ok(text)
}

/// Runs `body` in a forked child, and returns how the child ended. What the child
/// writes to standard error is thrown away.
pub(super) fn end_of_a_child(body: impl FnOnce()) -> io::Result<Ending> {
    let nowhere = std::fs::File::options().write(true).open("/dev/null")?;
    let body = || {
        let silenced = nix::unistd::dup2_stderr(&nowhere).is_ok();
        body();
        i32::from(!silenced)
    };
    fork(body)?.wait()
}

/// A forked child that stops at certain points. At each point it tells the parent
/// that it has arrived, and waits until the parent lets it go on.
pub(super) struct Stepping {
    pub(super) child: Child,
    arrived: PipeReader,
    go: PipeWriter,
}

/// The child's side of a [`Stepping`].
pub(super) struct Steps {
    arrived: PipeWriter,
    go: PipeReader,
}

impl Stepping {
    /// Forks the child. Dropping the result kills it.
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

    /// Lets the child go on.
    pub(super) fn go_on(&mut self) -> io::Result<()> {
        self.go.write_all(b"!")
    }
}

impl Steps {
    /// Tells the parent that the child has arrived, and waits until it may go on. If
    /// the parent is gone, the child ends.
    pub(super) fn stop_here(&mut self) {
        let told = self.arrived.write_all(b"!").is_ok();
        if !told || self.go.read_exact(&mut [0]).is_err() {
            std::process::exit(1);
        }
    }
}

/// Waits until a thread of this process sleeps in this system call, and returns
/// the thread's stack pointer and program counter.
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
