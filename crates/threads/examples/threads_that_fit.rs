//! How many threads fit into 64 MiB of address space, for four sizes of stack.
//!
//! For each size the program starts itself again as a child, because a limit belongs to a process.
//! With `--trace` it prints the numbers as a picture for the book.

use std::process::Command;
use std::sync::mpsc;
use std::{env, fs, io, thread};

use nix::sys::resource::{Resource, setrlimit};

/// In KiB.
const SIZES: [usize; 4] = [8192, 4096, 2048, 1024];

// ANCHOR: count
/// Starts threads until the system refuses one, and prints after each how many there are. They
/// sleep until the process ends.
fn start_threads(kib: usize) {
    let (says, starts) = mpsc::channel();
    let start = || {
        let says = says.clone();
        let body = move || says.send(()).map(|()| thread::park());
        thread::Builder::new().stack_size(kib << 10).spawn(body)
    };
    let starts_one = || start().is_ok() && starts.recv().is_ok();
    for count in (1..).take_while(|_: &usize| starts_one()) {
        println!("{count}");
    }
}
// ANCHOR_END: count

/// Lets this process have 64 MiB of address space more than it has now (`RLIMIT_AS`).
fn allow_64_mib_more() -> io::Result<()> {
    // proc_pid_status(5): the size of the address space in KiB.
    let status = fs::read_to_string("/proc/self/status")?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let size = size.and_then(|size| size.split_whitespace().next()?.parse().ok());
    let limit = (size.unwrap_or(0_u64) << 10) + (64 << 20);
    Ok(setrlimit(Resource::RLIMIT_AS, limit, limit)?)
}

fn main() -> io::Result<()> {
    let argument = env::args().nth(1);
    if let Some(kib) = argument.as_ref().and_then(|kib| kib.parse().ok()) {
        allow_64_mib_more()?;
        start_threads(kib);
        return Ok(());
    }
    let mut bars = Vec::new();
    for kib in SIZES {
        let child = Command::new(env::current_exe()?)
            .arg(kib.to_string())
            .output()?;
        // A thread also needs a second, small stack for signal handlers. If only that is refused,
        // Rust aborts the process. The numbers that it has printed are right all the same.
        let printed = String::from_utf8_lossy(&child.stdout);
        bars.push((kib, printed.lines().last().unwrap_or("0").to_owned()));
    }
    if argument.is_some() {
        let bars = bars.iter().map(|(kib, count)| {
            format!(r#"{{"name":"{kib} KiB stacks","value":{count},"look":"stack"}}"#)
        });
        let bars = bars.collect::<Vec<_>>().join(",");
        println!(r#"{{"kind":"bars","unit":"threads","bars":[{bars}]}}"#);
    } else {
        for (kib, count) in bars {
            println!("stacks of {kib:>4} KiB: {count:>3} threads");
        }
    }
    Ok(())
}
