//! Who switches, and why: a small `pidstat -wt`, out of `/proc` alone.
//!
//! With the number of a process, it watches that process. Without one, it
//! watches three threads of its own.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use context_switch::{Counters, Pinned, Placement};
use processes::Pid;
use processes::proc::{task_stat, tasks};

// ANCHOR: reading
/// What `/proc` says about a thread.
struct Reading {
    name: String,
    counters: Counters,
    /// Nanoseconds on a CPU.
    ran: u64,
    /// Nanoseconds ready, without a CPU.
    waited: u64,
}

fn read(pid: Pid, tid: Pid) -> io::Result<Reading> {
    let schedstat = fs::read_to_string(format!("/proc/{pid}/task/{tid}/schedstat"))?;
    let mut numbers = schedstat.split(' ').map_while(|word| word.parse().ok());
    Ok(Reading {
        name: task_stat(pid, tid)?.comm,
        counters: Counters::of(pid, tid)?,
        ran: numbers.next().unwrap_or(0),
        waited: numbers.next().unwrap_or(0),
    })
}

/// The number of context switches of the whole machine since it started.
fn of_the_machine() -> io::Result<u64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat.lines().find_map(|line| line.strip_prefix("ctxt "));
    line.and_then(|number| number.parse().ok())
        .ok_or_else(|| io::Error::other("/proc/stat has no line ctxt"))
}
// ANCHOR_END: reading

/// Watches a process, and prints a line for each thread that was there all the
/// time.
fn watch(pid: Pid, time: Duration) -> Result<(), Box<dyn Error>> {
    let read_all = || -> io::Result<Vec<(Pid, Reading)>> {
        let tids = tasks(pid)?;
        Ok(tids
            .into_iter()
            .filter_map(|tid| Some((tid, read(pid, tid).ok()?)))
            .collect())
    };
    let (machine, before, started) = (of_the_machine()?, read_all()?, Instant::now());
    thread::sleep(time);
    let (elapsed, after) = (started.elapsed(), read_all()?);
    let machine = of_the_machine()? - machine;
    let per_second = |count: u64| count as f64 / elapsed.as_secs_f64();
    println!("                      runs   ready, no CPU   waits   voluntary/s   involuntary/s");
    for (tid, now) in after {
        let Some((_, then)) = before.iter().find(|(other, _)| *other == tid) else {
            continue;
        };
        let counted = now.counters.since(&then.counters);
        let percent = |nanos: u64| nanos as f64 / elapsed.as_nanos() as f64 * 100.0;
        let (runs, ready) = (
            percent(now.ran - then.ran),
            percent(now.waited - then.waited),
        );
        let waits = (100.0 - runs - ready).max(0.0);
        println!(
            "{:17} {runs:6.0} % {ready:13.0} % {waits:5.0} % {:13.0} {:15.0}",
            now.name,
            per_second(counted.voluntary),
            per_second(counted.involuntary)
        );
    }
    println!(
        "the whole machine: {:.0} switches a second",
        per_second(machine)
    );
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    const TIME: Duration = Duration::from_millis(500);
    if let Some(pid) = std::env::args().nth(1) {
        return watch(pid.parse()?, TIME);
    }
    let stop = AtomicBool::new(false);
    let compute = || {
        while !stop.load(Relaxed) {
            std::hint::spin_loop();
        }
    };
    let sleep = || {
        while !stop.load(Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
    };
    thread::scope(|scope| {
        let (send, _keep) = channel::<()>();
        let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
        let wait = move || _ = _keep.recv();
        {
            // The four threads inherit the pin, and this one then drops it.
            let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
            spawn("computes").spawn_scoped(scope, compute)?;
            spawn("computes too").spawn_scoped(scope, compute)?;
            spawn("sleeps often").spawn_scoped(scope, sleep)?;
            spawn("waits for ever").spawn_scoped(scope, wait)?;
        }
        // By then, all four have begun.
        thread::sleep(Duration::from_millis(50));
        let watched = watch(std::process::id().cast_signed(), TIME);
        stop.store(true, Relaxed);
        drop(send);
        watched
    })
}
