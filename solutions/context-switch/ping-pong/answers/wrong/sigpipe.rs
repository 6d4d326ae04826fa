// contract broken: C16: leaves SIGPIPE ignored
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::num::NonZeroU32;
use std::time::Duration;
#[allow(unused_imports)]
use nix::{errno::Errno, libc, sched::{sched_getaffinity, sched_setaffinity, CpuSet}, sys::wait::{waitpid, WaitPidFlag, WaitStatus}, unistd::{fork, ForkResult, Pid}};

pub fn cost_of_a_switch<G>(rounds: NonZeroU32, set_up: impl FnOnce() -> io::Result<G>, mut now: impl FnMut() -> Duration) -> io::Result<Duration>
where G: FnMut() -> io::Result<()> {
    let mut trip = set_up()?;
    trip()?;
    let a = now();
    for _ in 0..rounds.get() { trip()?; }
    let b = now();
    let r = Ok(div(b - a, rounds));
    r
}
fn div(t: Duration, rounds: NonZeroU32) -> Duration {
    Duration::from_nanos((t.as_nanos() / (2 * rounds.get() as u128)) as u64)
}

struct End { r: PipeReader, w: PipeWriter }
impl End {
    fn round_trip(&mut self) -> io::Result<()> {
        self.w.write_all(b"o")?;
        let mut b = [0u8];
        self.r.read_exact(&mut b)
    }
    fn serve(mut self) {
        let mut b = [0u8];
        loop {
            match self.r.read(&mut b) {
                Ok(1) => { if self.w.write_all(&b).is_err() { return; } }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    }
}
fn table() -> io::Result<(End, End)> {
    let (r1, w1) = io::pipe()?;
    let (r2, w2) = io::pipe()?;
    Ok((End { r: r2, w: w1 }, End { r: r1, w: w2 }))
}

struct Pin(CpuSet);
impl Pin {
    fn to(cpu: usize) -> io::Result<Pin> {
        let old = sched_getaffinity(Pid::from_raw(0))?;
        let mut set = CpuSet::new();
        set.set(cpu)?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
        Ok(Pin(old))
    }
}
impl Drop for Pin { fn drop(&mut self) { let _ = sched_setaffinity(Pid::from_raw(0), &self.0); } }

pub fn between_threads(cpu: usize, rounds: NonZeroU32, now: impl FnMut() -> Duration) -> io::Result<Duration> {
    let _pin = Pin::to(cpu)?;
    std::thread::scope(|s| {
        let set_up = || {
            let (mut here, there) = table()?;
            std::thread::Builder::new().spawn_scoped(s, move || there.serve())?;
            Ok(move || here.round_trip())
        };
        cost_of_a_switch(rounds, set_up, now)
    })
}

struct Child(Option<Pid>);
impl Child {
    fn wait(&mut self) -> io::Result<()> {
        let Some(pid) = self.0.take() else { return Ok(()) };
        loop {
            match waitpid(pid, None) {
                Err(Errno::EINTR) => {}
                Err(e) => return Err(e.into()),
                Ok(_) => return Ok(()),
            }
        }
    }
}
impl Drop for Child { fn drop(&mut self) { let _ = self.wait(); } }
pub fn between_processes(cpu: usize, rounds: NonZeroU32, now: impl FnMut() -> Duration) -> io::Result<Duration> {
    let _pin = Pin::to(cpu)?;
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN); }
    let mut child = Child(None);
    let c = &mut child;
    let set_up = move || {
        let (mut here, there) = table()?;
        match unsafe { fork()? } {
            ForkResult::Child => { drop(here); there.serve(); unsafe { libc::_exit(0) } }
            ForkResult::Parent { child } => { c.0 = Some(child); drop(there); }
        }
        Ok(move || here.round_trip())
    };
    let result = cost_of_a_switch(rounds, set_up, now);
    drop(child);
    result
}
