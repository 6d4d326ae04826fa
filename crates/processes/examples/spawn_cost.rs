//! What it costs to start a program from a small and from a large parent, by
//! fork and exec, by `std::process::Command`, and by [`processes::Spec`].
//!
//! `cargo run --release -p processes --example spawn_cost [MIB [ROUNDS]]`
//!
//! The three ways take turns, so that a slowdown of the machine affects all of
//! them.

use std::error::Error;
use std::ffi::CString;
use std::time::{Duration, Instant};

use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, execv, fork};
use processes::{Spec, proc};

const PROGRAM: &str = "/bin/true";

type Way = (&'static str, fn() -> Result<(), Box<dyn Error>>);

const WAYS: [Way; 3] = [
    ("fork and exec", by_fork),
    ("std::process::Command", by_std),
    ("processes::Spec", by_spec),
];

fn by_fork() -> Result<(), Box<dyn Error>> {
    let program = CString::new(PROGRAM)?;
    // SAFETY: this program has one thread, so the child may do anything. It
    // executes another program at once.
    match unsafe { fork() }? {
        ForkResult::Child => {
            _ = execv(&program, &[&program]);
            // SAFETY: ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(127) }
        }
        ForkResult::Parent { child } => waitpid(child, None)?,
    };
    Ok(())
}

fn by_std() -> Result<(), Box<dyn Error>> {
    std::process::Command::new(PROGRAM).status()?;
    Ok(())
}

fn by_spec() -> Result<(), Box<dyn Error>> {
    Spec::new(PROGRAM).spawn()?.wait()?;
    Ok(())
}

/// The median time of each way, in the order of `WAYS`.
fn medians(rounds: usize) -> Result<[Duration; 3], Box<dyn Error>> {
    let mut samples = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for ((_, way), samples) in WAYS.iter().zip(&mut samples) {
            let start = Instant::now();
            way()?;
            samples.push(start.elapsed());
        }
    }
    Ok(samples.map(|mut samples| {
        samples.sort_unstable();
        samples[samples.len() / 2]
    }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mebibytes: usize = arguments.next().map_or(Ok(512), |text| text.parse())?;
    let rounds: usize = arguments.next().map_or(Ok(50), |text| text.parse())?;
    let rounds = rounds.max(1);

    let me = std::process::id().cast_signed();
    let huge_pages = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    println!(
        "start and end of {PROGRAM}, median of {rounds}; transparent huge pages: {}",
        { huge_pages.as_deref().unwrap_or("unknown").trim() }
    );
    for megabytes in [0, mebibytes] {
        // Every page is written: a page that was never touched costs nothing.
        let block = vec![1_u8; megabytes << 20];
        let resident = proc::status(me)?.resident >> 20;
        println!("\nfrom a parent with {resident} MiB in memory:");
        let medians = medians(rounds)?;
        let ours = medians[2];
        for ((name, _), median) in WAYS.iter().zip(medians) {
            let ratio = median.as_secs_f64() / ours.as_secs_f64();
            println!(
                "{name:>24} {:>8.3} ms {ratio:>6.1} ×",
                median.as_secs_f64() * 1e3
            );
        }
        let mut child = Spec::new(PROGRAM).spawn()?;
        child.wait()?;
        let peak = child.usage().unwrap_or_default().peak_resident >> 20;
        println!("    (the kernel says that {PROGRAM} used up to {peak} MiB)");
        drop(std::hint::black_box(block));
    }
    Ok(())
}
