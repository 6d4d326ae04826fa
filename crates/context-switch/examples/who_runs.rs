//! Who ran when: three threads on one CPU write down the clock all the time.
//! Where a thread finds a gap between two readings, it was not running.
//!
//! Without an argument, the program prints the trace of the quietest of its
//! runs as JSON. With `counted`, it compares what the threads found with what
//! the kernel counted.

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use context_switch::{Counters, Pinned, Placement};

/// A thread that did not read the clock for this long was not running.
const GAP: u64 = 100;
/// A wait shorter than this is not drawn.
const SHORTEST: u64 = 10;
/// How long one run takes.
const RUN: u64 = 30_000;
/// B wakes C so often.
const WAKE_UP: u64 = 6_000;
/// C computes so long after each wake-up.
const ANSWER: u64 = 1_000;

/// A time in which a thread ran, in microseconds.
type Span = (u64, u64);

// ANCHOR: watch
/// One thread's notes.
struct Watch {
    zero: Instant,
    /// When it began to run this time.
    since: u64,
    /// When it read the clock last.
    last: u64,
    ran: Vec<Span>,
    /// What the kernel had counted when the notes began.
    before: Counters,
}

impl Watch {
    /// Reads the clock, and writes down a gap if there is one.
    fn look(&mut self) -> u64 {
        let now = self.zero.elapsed().as_micros() as u64;
        if now - self.last > GAP {
            self.ran.push((self.since, self.last));
            self.since = now;
        }
        self.last = now;
        now
    }
}
// ANCHOR_END: watch

impl Watch {
    fn begin(zero: Instant) -> io::Result<Watch> {
        let before = Counters::of_this_thread()?;
        let now = zero.elapsed().as_micros() as u64;
        // Room for all spans, so that no page fault looks like a gap.
        let mut ran = vec![(0, 0); 1000];
        ran.clear();
        Ok(Watch {
            zero,
            since: now,
            last: now,
            ran,
            before,
        })
    }

    /// Returns when the thread ran, and what the kernel counted in the
    /// meantime.
    fn end(mut self) -> io::Result<(Vec<Span>, Counters)> {
        self.ran.push((self.since, self.last));
        let counted = Counters::of_this_thread()?.since(&self.before);
        Ok((self.ran, counted))
    }
}

/// What happened in one run.
struct Run {
    /// For A, B and C: when it ran.
    ran: [Vec<Span>; 3],
    /// For each wake-up of C: since when C waited, and when B woke it.
    waits: Vec<Span>,
    /// What the kernel counted for each thread.
    counted: [Counters; 3],
}

fn run() -> Result<Run, Box<dyn Error>> {
    let _pinned = Pinned::to(Placement::OneCpu.cpus()?[0])?;
    let (zero, start) = (Instant::now(), Barrier::new(3));
    let (woken_at, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let (start, woken_at, over) = (&start, &woken_at, &over);
    // ANCHOR: threads
    thread::scope(|scope| {
        let c = scope.spawn(|| {
            start.wait();
            let (mut watch, mut waits) = (Watch::begin(zero)?, Vec::new());
            while !over.load(SeqCst) {
                let asleep = watch.look();
                while woken_at.load(SeqCst) == 0 {
                    thread::park();
                }
                waits.push((asleep, woken_at.swap(0, SeqCst)));
                let begun = watch.look();
                while watch.look() < begun + ANSWER {}
            }
            Ok::<_, io::Error>((watch.end()?, waits))
        });
        let a = scope.spawn(|| {
            start.wait();
            let mut watch = Watch::begin(zero)?;
            while watch.look() < RUN {}
            watch.end()
        });
        let wake_c = c.thread().clone();
        let b = scope.spawn(move || {
            start.wait();
            let mut watch = Watch::begin(zero)?;
            let mut next = watch.look() + WAKE_UP / 2;
            while watch.look() < RUN {
                if watch.last >= next {
                    next = watch.last + WAKE_UP;
                    woken_at.store(watch.last, SeqCst);
                    wake_c.unpark();
                }
            }
            over.store(true, SeqCst);
            woken_at.store(watch.last, SeqCst);
            wake_c.unpark();
            watch.end()
        });
        // ANCHOR_END: threads
        let (a, b, c) = (a.join(), b.join(), c.join());
        let panicked = |_| io::Error::other("a thread panicked");
        let (a, b, (c, waits)) = (
            a.map_err(panicked)??,
            b.map_err(panicked)??,
            c.map_err(panicked)??,
        );
        Ok(Run {
            ran: [a.0, b.0, c.0],
            waits,
            counted: [a.1, b.1, c.1],
        })
    })
}

impl Run {
    /// How little the rest of the machine disturbed the run: how often B woke
    /// C while C waited, and for how long one of the three ran.
    fn quiet(&self) -> (usize, u64) {
        let in_time = |(asleep, woken): &&Span| asleep < woken && *woken < RUN;
        let wake_ups = self.waits.iter().filter(in_time).count();
        let ran = self.ran.iter().flatten();
        let ran = ran.map(|&(from, to)| to.min(RUN).saturating_sub(from));
        (wake_ups, ran.sum())
    }
}

/// A span of the trace.
struct Drawn {
    from: u64,
    to: u64,
    label: &'static str,
    look: &'static str,
}

impl Drawn {
    fn new(from: u64, to: u64, label: &'static str, look: &'static str) -> Drawn {
        Drawn {
            from,
            to,
            label,
            look,
        }
    }
}

/// All lanes: the CPU, and the threads.
fn lanes(run: &Run) -> [(&'static str, Vec<Drawn>); 4] {
    [
        ("the CPU", lane_of_the_cpu(run)),
        ("thread A", lane_of_a_thread(&run.ran[0], &[])),
        ("thread B", lane_of_a_thread(&run.ran[1], &[])),
        ("thread C", lane_of_a_thread(&run.ran[2], &run.waits)),
    ]
}

fn lane_of_the_cpu(run: &Run) -> Vec<Drawn> {
    let mut all: Vec<(Span, &str)> = Vec::new();
    for (label, ran) in ["A runs", "B runs", "C runs"].iter().zip(&run.ran) {
        all.extend(ran.iter().map(|&span| (span, *label)));
    }
    all.sort_by_key(|(span, _)| span.0);
    let mut lane: Vec<Drawn> = Vec::new();
    for ((from, to), label) in all {
        let drawn_to = lane.last().map_or(from, |drawn| drawn.to);
        // A thread that runs for less than `GAP` inside of another one's span
        // was not seen by that one.
        let from = from.max(drawn_to);
        if from > drawn_to + GAP {
            lane.push(Drawn::new(drawn_to, from, "another program", "plain"));
        }
        if to > from {
            lane.push(Drawn::new(from, to, label, "runs"));
        }
    }
    lane
}

/// Between two spans in which it ran, a thread was ready, or it first waited.
fn lane_of_a_thread(ran: &[Span], waits: &[Span]) -> Vec<Drawn> {
    let mut lane: Vec<Drawn> = Vec::new();
    for &(from, to) in ran {
        if let Some(before) = lane.last().map(|drawn| drawn.to) {
            let wait = waits.iter().find(|wait| wait.0.abs_diff(before) < GAP);
            let woken = wait.map_or(before, |wait| wait.1.clamp(before, from));
            if woken > before + SHORTEST {
                lane.push(Drawn::new(before, woken, "waits for B", "waits"));
            }
            let ready = lane.last().map_or(woken, |drawn| drawn.to);
            if from > ready {
                lane.push(Drawn::new(ready, from, "ready", "ready"));
            }
        }
        // A thread that lost the CPU between two readings ran, too.
        lane.push(Drawn::new(from, to.max(from + 1), "runs", "runs"));
    }
    lane
}

/// The trace, cut off where it has 40 spans.
fn json(run: &Run) -> Result<String, std::fmt::Error> {
    let lanes = lanes(run);
    let spans = || lanes.iter().flat_map(|(_, spans)| spans);
    let first = spans().map(|drawn| drawn.from).min().unwrap_or(0);
    let mut ends: Vec<u64> = lanes[0].1.iter().map(|drawn| drawn.to).collect();
    ends.sort_unstable();
    let fits = |end: &&u64| spans().filter(|drawn| drawn.from < **end).count() <= 40;
    let end = ends
        .iter()
        .rev()
        .filter(|&&end| end <= RUN)
        .find(fits)
        .copied()
        .unwrap_or(RUN);
    let mut text = String::from("{\"kind\":\"lanes\",\"axis\":\"µs\",\"lanes\":[");
    for (place, (name, spans)) in lanes.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        write!(text, "{comma}\n{{\"name\":\"{name}\",\"spans\":[")?;
        for (place, drawn) in spans.iter().filter(|drawn| drawn.from < end).enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let (from, to) = (drawn.from - first, drawn.to.min(end) - first);
            let (label, look) = (drawn.label, drawn.look);
            write!(
                text,
                "{comma}{{\"from\":{from},\"to\":{to},\"label\":\"{label}\",\"look\":\"{look}\"}}"
            )?;
        }
        text += "]}";
    }
    text += "],\n\"arrows\":[";
    let mut comma = "";
    for &(_, woken) in run.waits.iter().filter(|(asleep, woken)| asleep < woken) {
        let begun = run.ran[2]
            .iter()
            .map(|span| span.0)
            .find(|&from| from >= woken);
        if let Some(begun) = begun.filter(|&begun| begun < end) {
            let (from, to) = (woken - first, begun - first);
            write!(
                text,
                "{comma}{{\"from\":{{\"lane\":2,\"at\":{from}}},\"to\":{{\"lane\":3,\"at\":{to}}},\"label\":\"wakes\"}}"
            )?;
            comma = ",";
        }
    }
    text += "]}";
    Ok(text)
}

fn main() -> Result<(), Box<dyn Error>> {
    let until = Instant::now() + Duration::from_secs(1);
    let mut quietest = run()?;
    while Instant::now() < until {
        let another = run()?;
        if another.quiet() > quietest.quiet() {
            quietest = another;
        }
    }
    if std::env::args().nth(1).as_deref() != Some("counted") {
        println!("{}", json(&quietest)?);
        return Ok(());
    }
    println!("thread   gaps it found   switches counted by the kernel   of the time, it ran");
    println!("                          voluntary        involuntary");
    for ((name, ran), counted) in ["A", "B", "C"]
        .iter()
        .zip(&quietest.ran)
        .zip(&quietest.counted)
    {
        let gaps = ran.len() - 1;
        let time: u64 = ran.iter().map(|(from, to)| to - from).sum();
        let share = time * 100 / RUN;
        println!(
            "{name:6} {gaps:15} {:20} {:18} {share:17} %",
            counted.voluntary, counted.involuntary
        );
    }
    Ok(())
}
