//! Compares the experiments with other tools that measure the same: perf for the
//! pipe, and Python for the lessons that are written in Python. If a tool is
//! missing, the test says that it is skipped.
//!
//! The comparison with perf needs an idle machine, so it runs only when asked for:
//!
//! ```text
//! cargo test -p claims --test oracles -- --ignored --nocapture
//! ```

use std::process::Command;

use context_switch::sampling::{Interval, Samples, SamplesError, interleave, ratio};
use context_switch::{Between, Over, PingPong, Pinned, Placement};

/// Runs a program and returns what it prints. If the program cannot be run or fails,
/// prints the reason and returns `None`.
fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            Some(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            println!(
                "skipped: {program} failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            None
        }
        Err(error) => {
            println!("skipped: {program} cannot be started: {error}");
            None
        }
    }
}

/// Returns the time of a round trip over a pipe in nanoseconds, as `perf bench sched
/// pipe` measures it.
fn perf_pipe(kind: &[&str]) -> Option<f64> {
    let arguments = [
        &["bench", "-f", "simple", "sched", "pipe", "-l", "5000"],
        kind,
    ]
    .concat();
    let seconds: f64 = ask("perf", &arguments)?.trim().parse().ok()?;
    Some(seconds * 1e9 / 5000.0)
}

#[test]
#[ignore = "it compares speeds, and needs an idle machine"]
fn perf_measures_the_same_round_trips_and_the_same_ratio_of_processes_to_threads() {
    // perf inherits this CPU, so both of its sides run on it.
    let first = Placement::OneCpu.cpus().unwrap()[0];
    let _pinned = Pinned::to(first).unwrap();
    if perf_pipe(&[]).is_none() || perf_pipe(&["--threaded"]).is_none() {
        println!("skipped: `perf bench sched pipe` does not work here");
        return;
    }
    let ours = |between| {
        move || {
            let game = PingPong::new(between, Over::Pipe, Placement::OneCpu);
            game.run(5000)
                .map(|trips| trips.nanos())
                .map_err(|_| SamplesError::None)
        }
    };
    let perfs = |kind: &'static [&str]| move || perf_pipe(kind).ok_or(SamplesError::None);
    let (mut processes, mut threads) = (ours(Between::Processes), ours(Between::Threads));
    let (mut perf_processes, mut perf_threads) = (perfs(&[]), perfs(&["--threaded"]));
    let samples: Vec<Samples> = interleave(
        9,
        &mut [
            &mut processes,
            &mut threads,
            &mut perf_processes,
            &mut perf_threads,
        ],
    )
    .unwrap();
    let compare = |left: usize, right: usize| ratio(&samples[left], &samples[right]).unwrap();
    // Only if the whole interval lies beyond the factor, the difference is not noise.
    let agrees =
        |ratio: &Interval, factor: f64| !ratio.is_above(factor) && !ratio.is_below(1.0 / factor);
    for (ours, perfs) in [(0, 2), (1, 3)] {
        let ratio = compare(ours, perfs);
        println!("ours / perf: {ratio:?}");
        assert!(agrees(&ratio, 2.0), "ours / perf: {ratio:?}, {samples:?}");
    }
    let (ours, perfs) = (compare(0, 1), compare(2, 3));
    println!("processes / threads: {ours:?}, perf: {perfs:?}");
    assert!(
        agrees(&ours, 1.5) && agrees(&perfs, 1.5),
        "{ours:?} {perfs:?}"
    );
}

#[test]
fn python_agrees_that_the_unlocked_counter_is_right_by_luck() {
    const LESSON: &str = "
import sys, threading
def run():
    total = [0]
    def add():
        for _ in range(100000):
            total[0] += 1
    threads = [threading.Thread(target=add) for _ in range(2)]
    [t.start() for t in threads]; [t.join() for t in threads]
    return total[0] == 200000
locked = getattr(sys, '_is_gil_enabled', lambda: True)()
known = locked and sys.implementation.name == 'cpython' and sys.version_info >= (3, 10)
print(sum(run() for _ in range(20)) if known else 'unknown')
";
    let Some(said) = ask("python3", &["-c", LESSON]) else {
        return;
    };
    match said.trim().parse::<u32>() {
        Ok(right) => assert!(
            right > 0,
            "the lesson says that the sum is almost never right; \
             in Python it was right in {right} of 20 runs"
        ),
        Err(_) => println!(
            "skipped: this needs CPython 3.10 or newer with its global lock; Python said: {said}"
        ),
    }
}

#[test]
fn python_sleeps_five_times_at_once_as_well() {
    const LESSON: &str = "
import multiprocessing, time
if __name__ == '__main__':
    with multiprocessing.get_context('fork').Pool(5) as pool:
        pool.map(time.sleep, [0] * 5, chunksize=1)
        start = time.monotonic()
        pool.map(time.sleep, [2] * 5, chunksize=1)
        print((time.monotonic() - start) / 2)
";
    let Some(said) = ask("python3", &["-W", "ignore", "-c", LESSON]) else {
        return;
    };
    let sleeps: f64 = said.trim().parse().unwrap();
    println!("five sleeps together took {sleeps:.2} times as long as one sleep");
    assert!(
        sleeps < 5.0,
        "five sleeps one after the other take 5 times as long as one sleep; \
         these took {sleeps} times as long"
    );
}
