//! Compares the course's libraries with the libraries that professionals use. Both
//! are measured in the same run, and the results are ratios with intervals.
//!
//! `cargo bench -p peers` measures everything. `cargo bench -p peers --bench sync --
//! mutex` measures the comparisons in `benches/sync.rs` whose names contain `mutex`.
//!
//! # Placement
//! The speed of a short operation depends on where its code and its data lie: in which
//! cache lines, and how they meet in the caches and in the branch predictor (Mytkowicz
//! and others, "Producing Wrong Data Without Doing Anything Obviously Wrong!", ASPLOS
//! 2009). The interval of one process does not show this, because nothing moves while
//! it measures. So each bench runs in several processes, in which the kernel places the
//! stack, the heap and the libraries anew, and prints the ratio of each process. If these
//! ratios differ more than the intervals are wide, something that no interval shows
//! makes a difference, and placement is the first suspect.
//!
//! The linker places the code within a page, so it is the same in all processes. To see
//! what it does, move it:
//!
//! ```text
//! RUSTFLAGS="-C llvm-args=-align-all-nofallthru-blocks=5" cargo bench -p peers
//! ```

use std::fs;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use context_switch::sampling::{Comparison, Report};

/// The name of a comparison, and a function that sets it up when its turn comes.
pub type Bench = (&'static str, fn() -> Comparison<'static>);

/// In so many processes each bench is measured.
const PROCESSES: usize = 5;

/// What a measuring process is told: the name of its bench.
const MEASURE: &str = "PEERS_MEASURE";

/// A measuring process prints this word before its ratios.
const RATIOS: &str = "ratios:";

/// Runs the benches whose names contain one of the program's arguments, or all
/// benches if there are no arguments, and prints the results. Each bench takes about
/// `time`, in several processes (see the [crate](self)).
pub fn run(benches: &[Bench], time: Duration) {
    let time = time / PROCESSES as u32;
    if let Ok(wanted) = std::env::var(MEASURE) {
        let bench = benches.iter().find(|(name, _)| *name == wanted);
        let (_, comparison) = bench.expect("the parent knows the benches");
        let report = comparison().time(time).run();
        println!("{report}\n{RATIOS}{}", ratios(&report));
        return;
    }
    println!("{}\n", machine());
    for (name, _) in chosen(benches) {
        println!("{name}");
        let measured: Vec<String> = (0..PROCESSES).map(|_| measure(name)).collect();
        let (reports, ratios): (Vec<&str>, Vec<&str>) = measured
            .iter()
            .map(|text| text.trim_end().split_once(RATIOS).unwrap_or((text, "")))
            .unzip();
        println!(
            "{}in each of {PROCESSES} processes:{}\n",
            reports[0],
            ratios.join(";")
        );
    }
}

/// Like [`run`], for operations that take so long that placement makes no difference: all in this
/// process.
pub fn run_here(benches: &[Bench], time: Duration) {
    println!("{}\n", machine());
    for (name, comparison) in chosen(benches) {
        println!("{name}\n{}\n", comparison().time(time).run());
    }
}

fn chosen(benches: &[Bench]) -> impl Iterator<Item = &Bench> {
    // Cargo passes options of its own, such as `--bench`.
    let parts: Vec<String> = std::env::args()
        .skip(1)
        .filter(|text| !text.starts_with('-'))
        .collect();
    benches
        .iter()
        .filter(move |(name, _)| parts.is_empty() || parts.iter().any(|part| name.contains(part)))
}

/// Runs one bench in a new process, and returns what it prints.
fn measure(name: &str) -> String {
    let program = std::env::current_exe().expect("a program knows its file");
    let output = Command::new(program)
        .env(MEASURE, name)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .expect("a program can start itself");
    assert!(
        ExitStatus::success(&output.status),
        "the process that measures `{name}` ended with {}",
        output.status
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many times as fast the first alternative is as each other one.
fn ratios(report: &Report) -> String {
    (1..report.measured().len())
        .filter_map(|place| report.speed_against(place))
        .map(|speed| format!(" {:.2}", speed.middle))
        .collect()
}

/// The processor, and how many CPUs this process may use.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|rest| rest.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, model)| model.trim());
    let is_virtual = text.lines().any(|line| {
        line.starts_with("flags") && line.split_whitespace().any(|flag| flag == "hypervisor")
    });
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let machine = match is_virtual {
        true => ", in a virtual machine",
        false => "",
    };
    format!("{model}, {cpus} CPUs{machine}")
}
