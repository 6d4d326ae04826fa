//! A service that becomes slower with more threads, although it has no lock.
//!
//! The service has a thread for each connection. Always the same number of
//! requests comes, over one connection or over many, and everything runs on
//! one CPU. Each thread keeps 32 KiB of its own, which a request reads.

use std::error::Error;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::thread;
use std::time::Instant;

use context_switch::sampling::{Interval, Samples, interleave, ratio};
use context_switch::{Counters, Pages, Pinned, Placement};

/// How many requests are on their way at the same time.
const AT_ONCE: usize = 64;
/// How many times so many requests are sent.
const TIMES: usize = 20;

// ANCHOR: serve
/// One thread of the service: for each request, it reads its own memory.
fn serve(mut requests: PipeReader, mut answers: PipeWriter, open: &AtomicUsize) -> io::Result<u64> {
    let memory = Pages::private_bytes(32 << 10)?;
    memory.touch();
    let before = Counters::of_this_thread()?;
    while requests.read(&mut [0])? == 1 {
        let sum: u32 = (0..memory.lines())
            .map(|line| memory.line(line).load(Relaxed))
            .sum();
        std::hint::black_box(sum);
        // Only the last of the requests wakes the client.
        if open.fetch_sub(1, SeqCst) == 1 {
            answers.write_all(b"!")?;
        }
    }
    Ok(Counters::of_this_thread()?.since(&before).switches())
}
// ANCHOR_END: serve

/// Returns nanoseconds and switches, both for one request.
fn service(connections: usize) -> Result<(f64, f64), Box<dyn Error>> {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let open = AtomicUsize::new(0);
    let (mut answers, to_client) = io::pipe()?;
    thread::scope(|scope| {
        let (mut sides, mut threads) = (Vec::new(), Vec::new());
        for _ in 0..connections {
            let (requests, side) = io::pipe()?;
            let (to_client, open) = (to_client.try_clone()?, &open);
            sides.push(side);
            threads.push(scope.spawn(move || serve(requests, to_client, open)));
        }
        let mut client = || -> io::Result<()> {
            open.store(AT_ONCE, SeqCst);
            let requests = vec![0; AT_ONCE / connections];
            sides
                .iter_mut()
                .try_for_each(|side| side.write_all(&requests))?;
            answers.read_exact(&mut [0])
        };
        // The threads start, and touch their memory.
        client()?;
        let before = Counters::of_this_thread()?;
        let started = Instant::now();
        (0..TIMES).try_for_each(|_| client())?;
        let elapsed = started.elapsed();
        let mut switches = Counters::of_this_thread()?.since(&before).switches();
        drop(sides);
        for thread in threads {
            switches += thread
                .join()
                .map_err(|_| io::Error::other("a thread panicked"))??;
        }
        let requests = (AT_ONCE * TIMES) as f64;
        Ok((
            elapsed.as_nanos() as f64 / requests,
            switches as f64 / requests,
        ))
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let sizes = [1, 4, 16, 64];
    let mut switches = vec![Vec::new(); sizes.len()];
    let mut sides: Vec<_> = sizes
        .iter()
        .zip(&mut switches)
        .map(|(&connections, switches)| {
            move || {
                let (nanos, counted) = service(connections)?;
                switches.push(counted);
                Ok::<_, Box<dyn Error>>(nanos)
            }
        })
        .collect();
    let samples = {
        let mut all: Vec<context_switch::sampling::Side<'_, Box<dyn Error>>> = Vec::new();
        for side in &mut sides {
            all.push(side);
        }
        interleave(21, &mut all)?
    };
    drop(sides);
    println!("threads   switches for a request   time for a request, against one thread");
    for ((connections, samples_here), switches) in sizes.iter().zip(&samples).zip(switches) {
        let Interval { middle, low, high } = ratio(samples_here, &samples[0])?;
        let counted = Samples::new(switches)?.median();
        println!("{connections:7} {counted:24.2}   {middle:.2} times ({low:.2} to {high:.2})");
    }
    Ok(())
}
