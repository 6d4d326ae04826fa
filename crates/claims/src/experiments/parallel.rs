//! Several jobs at the same time.

use std::hint::black_box;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use context_switch::sampling::{Interval, Samples, interleave};
use context_switch::{Between, Over, PingPong, Pinned, Placement};
use processes::fork;

use super::claim;
use super::helpers::{CLEARLY, about_the_same};
use crate::verdict::{does_not_hold, holds, skipped, too_noisy};
use crate::{Claim, Judged, Record, Unmeasured};

const SOURCE: &str = include_str!("parallel.rs");

pub(super) const CLAIMS: [Claim; 3] = [
    claim!(18 Wrong [Squares]
        "Only processes can use several CPUs at the same time; threads of one process cannot."
        threads_use_two_cpus_as_well),
    claim!(76 True [Squares]
        "Five jobs that each sleep for one second, in threads or processes, take about one second."
        sleeping_takes_no_cpu),
    claim!(82 Wrong [Squares]
        "Processes are better for jobs that compute, and threads are better for jobs that wait."
        computing_and_waiting_in_both),
];

/// Computes for a few milliseconds. Each step needs the result of the step before.
fn compute() {
    let mut word = 1_u64;
    for _ in 0..4_000_000 {
        word = black_box(word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// Runs two jobs, one after the other. Returns the time in nanoseconds.
fn in_turn(job: fn()) -> Result<f64, Unmeasured> {
    let started = Instant::now();
    job();
    job();
    Ok(nanos(started))
}

/// Runs a job in each of two threads, each on its own CPU. Returns the time in
/// nanoseconds.
fn in_threads(job: fn(), cpus: [usize; 2]) -> Result<f64, Unmeasured> {
    let started = Instant::now();
    let run = |cpu: usize| {
        thread::spawn(move || {
            let pinned = Pinned::to(cpu);
            job();
            pinned.map(drop)
        })
    };
    for thread in cpus.map(run) {
        thread
            .join()
            .map_err(|_| io::Error::other("a job panicked"))??;
    }
    Ok(nanos(started))
}

/// Runs a job in each of two forked processes, each on its own CPU. Returns the time
/// in nanoseconds.
fn in_processes(job: fn(), cpus: [usize; 2]) -> Result<f64, Unmeasured> {
    let started = Instant::now();
    let run = |cpu: usize| {
        fork(|| {
            let pinned = Pinned::to(cpu);
            job();
            i32::from(pinned.is_err())
        })
    };
    let [first, second] = cpus.map(run);
    for mut child in [first?, second?] {
        if !child.wait()?.success() {
            return Err(io::Error::other("the process of a job failed").into());
        }
    }
    Ok(nanos(started))
}

fn nanos(started: Instant) -> f64 {
    started.elapsed().as_nanos() as f64
}

/// Measures two jobs one after the other, in threads and in processes, in the same
/// rounds.
fn three_ways(job: fn(), rounds: usize) -> Result<[Samples; 3], Unmeasured> {
    let cpus = Placement::TwoCpus.cpus()?;
    let mut turn = || in_turn(job);
    let mut threads = || in_threads(job, cpus);
    let mut processes = || in_processes(job, cpus);
    let samples = interleave(rounds, &mut [&mut turn, &mut threads, &mut processes])?;
    <[Samples; 3]>::try_from(samples)
        .map_err(|_| Unmeasured::Noisy("One of the three ways was not measured.".to_owned()))
}

/// The verdict if even two processes were hardly faster than one job after the other.
fn no_second_cpu(speedup: &Interval) -> Judged {
    too_noisy(format!(
        "Two processes did two jobs only {:.2} times as fast as one job after the other, so this \
         program did not get two CPUs at the same time. Other programs use them, or a control group \
         limits this program (man 7 cgroups).",
        speedup.middle
    ))
}

/// Two threads pass a word back and forth, and each one spins while it waits. If
/// they took turns on one CPU, every trip would need a context switch. Then the same
/// computation runs in two threads and in two processes.
fn threads_use_two_cpus_as_well(record: &mut Record) -> Judged {
    let trips = PingPong::new(Between::Threads, Over::Spin, Placement::TwoCpus).run(1000)?;
    let switches = trips.here.switches() + trips.there.switches();
    record.fact(
        "round trips of a word between two threads",
        trips.round_trips,
    );
    record.fact(
        "context switches that the kernel counted meanwhile",
        switches,
    );
    let [turn, threads, processes] = three_ways(compute, 25)?;
    record.times(&[
        ("one after the other", &turn),
        ("two threads", &threads),
        ("two processes", &processes),
    ]);
    let faster = record.ratio(
        ("one after the other", &turn),
        ("in two processes", &processes),
    )?;
    let speedup = record.ratio(("one after the other", &turn), ("in two threads", &threads))?;
    let slower = record.ratio(("two threads", &threads), ("two processes", &processes))?;
    if switches * 10 > u64::from(trips.round_trips) {
        too_noisy("Other programs used the second CPU.")
    } else if !faster.is_above(CLEARLY) {
        no_second_cpu(&faster)
    } else if speedup.is_above(CLEARLY) && slower.is_below(CLEARLY) {
        does_not_hold(format!(
            "Two threads of one process ran at the same time on two CPUs: they did two jobs {:.2} \
             times as fast as one after the other, and took {:.2} times as long as two processes.",
            speedup.middle, slower.middle
        ))
    } else if slower.is_above(CLEARLY) {
        holds("Two threads took more than 1.5 times as long as two processes.")
    } else {
        too_noisy("The times vary too much to compare. Try again when the machine is less busy.")
    }
}

/// Measures jobs that compute and jobs that wait, each in threads and in processes.
fn computing_and_waiting_in_both(record: &mut Record) -> Judged {
    let [computing_in_turn, computing_threads, computing_processes] = three_ways(compute, 21)?;
    let wait = || thread::sleep(Duration::from_millis(4));
    let [_, waiting_threads, waiting_processes] = three_ways(wait, 21)?;
    record.times(&[
        ("threads that compute", &computing_threads),
        ("processes that compute", &computing_processes),
        ("threads that wait", &waiting_threads),
        ("processes that wait", &waiting_processes),
    ]);
    let compute = record.ratio(
        ("computing in threads", &computing_threads),
        ("in processes", &computing_processes),
    )?;
    let wait = record.ratio(
        ("waiting in threads", &waiting_threads),
        ("in processes", &waiting_processes),
    )?;
    let faster = record.ratio(
        ("computing one after the other", &computing_in_turn),
        ("in processes", &computing_processes),
    )?;
    if !faster.is_above(CLEARLY) {
        no_second_cpu(&faster)
    } else if about_the_same(&compute) && about_the_same(&wait) {
        does_not_hold(format!(
            "It made no clear difference. Two threads took {:.2} times as long as two processes to \
             compute, and {:.2} times as long to wait. The rule comes from CPython, where a lock \
             lets only one thread compute at a time.",
            compute.middle, wait.middle
        ))
    } else if compute.is_above(CLEARLY) && wait.is_below(1.0 / CLEARLY) {
        holds(
            "To compute, threads took more than 1.5 times as long as processes, and to wait, \
             processes took more than 1.5 times as long as threads.",
        )
    } else {
        too_noisy("The times vary too much to compare. Try again when the machine is less busy.")
    }
}

/// Five jobs each sleep for a fifth of a second. One after the other they would take
/// one second.
fn sleeping_takes_no_cpu(record: &mut Record) -> Judged {
    const SLEEP: Duration = Duration::from_millis(200);
    let started = Instant::now();
    let sleepers: Vec<_> = (0..5)
        .map(|_| thread::spawn(|| thread::sleep(SLEEP)))
        .collect();
    for sleeper in sleepers {
        sleeper
            .join()
            .map_err(|_| io::Error::other("a thread panicked"))?;
    }
    let threads = started.elapsed();
    let started = Instant::now();
    let mut sleepers = Vec::new();
    for _ in 0..5 {
        sleepers.push(fork(|| {
            thread::sleep(SLEEP);
            0
        })?);
    }
    for mut sleeper in sleepers {
        sleeper.wait()?;
    }
    let processes = started.elapsed();
    let times = |took: Duration| took.as_secs_f64() / SLEEP.as_secs_f64();
    let say = |took| format!("{:.2} times as long as one sleep of {SLEEP:?}", times(took));
    record.fact("five threads that sleep took", say(threads));
    record.fact("five processes that sleep took", say(processes));
    let longest = times(threads).max(times(processes));
    match longest {
        ..2.0 => holds(format!(
            "All five slept at the same time: together they took at most {longest:.2} times as \
             long as one sleep. A thread or process that sleeps needs no CPU."
        )),
        4.0.. => does_not_hold("The jobs slept one after the other."),
        _ if Placement::OneCpu.cpus().is_err() => {
            skipped("There is no CPU on which this program may run.")
        }
        _ => too_noisy(
            "The kernel woke up the sleeping jobs late. Try again when the machine is less busy.",
        ),
    }
}
