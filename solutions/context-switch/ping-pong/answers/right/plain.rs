//! Two pipes, and the other end in a thread or a child, without any trick. Others differ from it.
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

pub fn cost_of_a_switch<G>(
    rounds: NonZeroU32,
    set_up: impl FnOnce() -> io::Result<G>,
    mut now: impl FnMut() -> Duration,
) -> io::Result<Duration>
where
    G: FnMut() -> io::Result<()>,
{
    let mut round_trip = set_up()?;
    round_trip()?;
    let start = now();
    for _ in 0..rounds.get() {
        round_trip()?;
    }
    let end = now();
    Ok((end - start) / rounds.get() / 2)
}

struct End {
    from: PipeReader,
    to: PipeWriter,
}

impl End {
    fn pair() -> io::Result<(End, End)> {
        let (there_from, here_to) = io::pipe()?;
        let (here_from, there_to) = io::pipe()?;
        Ok((End { from: here_from, to: here_to }, End { from: there_from, to: there_to }))
    }

    fn round_trip(&mut self) -> io::Result<()> {
        self.to.write_all(b"o")?;
        self.from.read_exact(&mut [0])
    }

    fn serve(mut self) {
        let mut ball = [0];
        while let Ok(1) = self.from.read(&mut ball) {
            if self.to.write_all(&ball).is_err() {
                return;
            }
        }
    }
}

struct Pinned {
    before: CpuSet,
}

impl Pinned {
    fn to(cpu: usize) -> io::Result<Self> {
        let before = sched_getaffinity(Pid::from_raw(0))?;
        let mut only = CpuSet::new();
        only.set(cpu)?;
        sched_setaffinity(Pid::from_raw(0), &only)?;
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = sched_setaffinity(Pid::from_raw(0), &self.before);
    }
}

pub fn between_threads(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    let _pinned = Pinned::to(cpu)?;
    thread::scope(|scope| {
        cost_of_a_switch(
            rounds,
            || {
                let (mut here, there) = End::pair()?;
                thread::Builder::new().spawn_scoped(scope, move || there.serve())?;
                Ok(move || here.round_trip())
            },
            now,
        )
    })
}

struct Child(Pid);

impl Drop for Child {
    fn drop(&mut self) {
        while waitpid(self.0, None) == Err(nix::errno::Errno::EINTR) {}
    }
}

pub fn between_processes(
    cpu: usize,
    rounds: NonZeroU32,
    now: impl FnMut() -> Duration,
) -> io::Result<Duration> {
    let _pinned = Pinned::to(cpu)?;
    // SAFETY: no handler runs.
    let mut child = None;
    cost_of_a_switch(
        rounds,
        || {
            let (mut here, there) = End::pair()?;
            // SAFETY: the child only reads, writes and ends.
            match unsafe { fork() }? {
                ForkResult::Child => {
                    drop(here);
                    there.serve();
                    unsafe { libc::_exit(0) }
                }
                ForkResult::Parent { child: pid } => {
                    child = Some(Child(pid));
                    drop(there);
                    Ok(move || here.round_trip())
                }
            }
        },
        now,
    )
}
