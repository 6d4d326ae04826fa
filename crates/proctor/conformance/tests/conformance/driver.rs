//! Runs the cases of a table and names every one that gets another verdict.
//!
//! ```text
//! const TABLE: &[Expect] = &[
//!     passes("a_timed_wait_outlasts_the_detection"),
//!     ends(&[Deadlock], "waits", "two_locks_in_opposite_order").within(500),
//! ];
//! ```

use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use processes::{Child, Ending, Spec, Stdio};
use proctor::{Outcome, Record, Records, RecordsError};

/// The environment variable that carries a case's mark to every process that
/// the case starts.
pub(crate) const MARK: &str = "CONFORMANCE_CASE";
/// Longer than any verdict takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(150);
/// How long the processes of a killed judge may take to vanish.
const VANISHING: Duration = Duration::from_secs(5);

/// One line of a table: a case and the verdict that it must get.
pub(crate) struct Expect {
    case: &'static str,
    verdict: Verdict,
    within: Option<u64>,
    env: Option<(&'static str, &'static str)>,
    stopped: Option<u64>,
}

enum Verdict {
    Pass,
    /// One of these outcomes, with this in the cause.
    Failing(&'static [Outcome], &'static str),
    /// No record: the test's own process was ended. Never a success.
    JudgeDown,
    /// The same, but its exit status may say success: only records count.
    NoRecord,
}

/// Right, however odd it looks.
pub(crate) const fn passes(case: &'static str) -> Expect {
    expect(case, Verdict::Pass)
}

/// Wrong: one of `outcomes`, and `fragment` (in lower case) is in the cause.
pub(crate) const fn ends(
    outcomes: &'static [Outcome],
    fragment: &'static str,
    case: &'static str,
) -> Expect {
    expect(case, Verdict::Failing(outcomes, fragment))
}

/// The code ends its own judge: the run fails and nothing is recorded.
pub(crate) const fn takes_the_judge_down(case: &'static str) -> Expect {
    expect(case, Verdict::JudgeDown)
}

/// The code ends the test program before any test: nothing is recorded.
pub(crate) const fn records_nothing(case: &'static str) -> Expect {
    expect(case, Verdict::NoRecord)
}

const fn expect(case: &'static str, verdict: Verdict) -> Expect {
    Expect {
        case,
        verdict,
        within: None,
        env: None,
        stopped: None,
    }
}

impl Expect {
    /// The verdict comes within this many milliseconds of the test's start.
    pub(crate) const fn within(mut self, millis: u64) -> Self {
        self.within = Some(millis);
        self
    }

    /// Sets `CONFORMANCE_CONSTRUCTOR` for this case.
    pub(crate) const fn with_constructor(mut self, value: &'static str) -> Self {
        self.env = Some(("CONFORMANCE_CONSTRUCTOR", value));
        self
    }

    /// Stops the judge for this many milliseconds while it waits, as Ctrl-Z
    /// does.
    pub(crate) const fn stopped_for(mut self, millis: u64) -> Self {
        self.stopped = Some(millis);
        self
    }

    /// Judges this case without the fence around the subject: the verdict must
    /// also be right on kernels that have no fence.
    pub(crate) const fn unfenced(mut self) -> Self {
        self.env = Some(("PROCTOR_UNFENCED", "1"));
        self
    }
}

/// Runs all cases of the table of `module`, `at_a_time` of them at the same
/// time, and panics with the list of all deviations.
pub(crate) fn check(module: &str, table: &[Expect], at_a_time: usize) {
    let theme = module.split_once("::").map_or(module, |(_, theme)| theme);
    assert_table_is_complete(theme, table);
    let word = std::env::var("CASE").unwrap_or_default();
    let repeat = number("REPEAT").unwrap_or(1);
    let strict = std::env::var_os("STRICT").is_some();
    let wanted: Vec<_> = table
        .iter()
        .filter(|expect| format!("{theme}::{}", expect.case).contains(&word))
        .collect();
    let next = AtomicUsize::new(0);
    let report = Mutex::new((String::new(), 0));
    std::thread::scope(|scope| {
        for _ in 0..if strict { 1 } else { at_a_time } {
            scope.spawn(|| {
                while let Some(expect) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (lines, deviations) = repeat_case(theme, expect, repeat, strict);
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    report.0.push_str(&lines);
                    report.1 += deviations;
                }
            });
        }
    });
    let (lines, deviations) = report.into_inner().unwrap();
    let (right, wrong): (Vec<_>, Vec<_>) = lines.lines().partition(|line| line.starts_with("ok"));
    println!("\n{}", right.join("\n"));
    assert!(
        deviations == 0,
        "{deviations} wrong verdicts on {theme}:\n{}",
        wrong.join("\n")
    );
}

fn number(variable: &str) -> Option<usize> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Checks that the table names every case. A case that no table names would
/// never run.
fn assert_table_is_complete(theme: &str, table: &[Expect]) {
    let program = std::env::current_exe().unwrap();
    let listing = Command::new(program)
        .args([
            "--list",
            "--ignored",
            "--format=terse",
            &format!("{theme}::"),
        ])
        .output()
        .unwrap();
    let mut cases: Vec<_> = String::from_utf8_lossy(&listing.stdout)
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter_map(|name| name.strip_prefix(theme)?.strip_prefix("::"))
        .map(str::to_owned)
        .collect();
    let mut named: Vec<_> = table.iter().map(|expect| expect.case).collect();
    cases.sort_unstable();
    named.sort_unstable();
    assert_eq!(named, cases, "the table of {theme} and its cases differ");
}

/// The lines of one case's report, and how many runs deviated.
fn repeat_case(theme: &str, expect: &Expect, repeat: usize, strict: bool) -> (String, usize) {
    let name = format!("{theme}::{}", expect.case);
    let (mut lines, mut deviations, mut times) = (String::new(), 0, Vec::new());
    for round in 1..=repeat {
        let run = run(&name, expect);
        times.extend(run.record.iter().flatten().map(|record| record.millis));
        let mut wrong = run.deviations(expect);
        if let (true, Some(limit), Some(millis)) = (strict, expect.within, times.last())
            && *millis > limit
        {
            wrong.push(format!("took {millis} ms, at most {limit} are promised"));
        }
        if !wrong.is_empty() {
            deviations += 1;
            let _ = writeln!(
                lines,
                "WRONG {name} (run {round} of {repeat}): {}",
                wrong.join("; ")
            );
        }
    }
    if deviations == 0 {
        times.sort_unstable();
        let (least, most) = (times.first().unwrap_or(&0), times.last().unwrap_or(&0));
        let _ = writeln!(lines, "ok {name}: {repeat} runs, {least} to {most} ms");
    }
    (lines, deviations)
}

/// One run of one case, and what was left of it.
struct Run {
    status: Option<Ending>,
    record: Result<Option<Record>, RecordsError>,
    output: String,
    left: Vec<String>,
}

fn run(name: &str, expect: &Expect) -> Run {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let number = RUNS.fetch_add(1, Ordering::Relaxed);
    let mark = format!("{}-{number}-{name}", std::process::id());
    let folder = tempfile::tempdir().unwrap();
    let said = folder.path().join("said");
    let (records, judges) = Records::pair().unwrap();
    let mut spec = Spec::new(std::env::current_exe().unwrap())
        .args([
            name,
            "--exact",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(proctor::RECORDS, "3")
        .pass(judges, 3)
        .env(MARK, &mark)
        .env_remove("CONFORMANCE_CONSTRUCTOR")
        .stdin(Stdio::Null)
        .stdout(Stdio::Fd(File::create(&said).unwrap().into()))
        .stderr(Stdio::Fd(
            File::options().append(true).open(&said).unwrap().into(),
        ))
        // A case that attacks its process group must not reach this program.
        .new_session(true);
    if let Some((variable, value)) = expect.env {
        spec = spec.env(variable, value);
    }
    let judge = spec.spawn().unwrap();
    if let Some(millis) = expect.stopped {
        std::thread::sleep(Duration::from_millis(300));
        judge.signal(processes::Signal::SIGSTOP).unwrap();
        std::thread::sleep(Duration::from_millis(millis));
        judge.signal(processes::Signal::SIGCONT).unwrap();
    }
    let (status, record) = follow(judge, records);
    let judge_lives = !matches!(status, Some(Ending::Exited(_)));
    let left = remains(
        &mark,
        if judge_lives {
            VANISHING
        } else {
            Duration::ZERO
        },
    );
    Run {
        status,
        record,
        output: String::from_utf8_lossy(&fs::read(&said).unwrap()).into_owned(),
        left,
    }
}

/// How the judge ended, and the record that it sent; no ending if it had to be
/// killed because it did not end.
fn follow(
    mut judge: Child,
    mut records: Records,
) -> (Option<Ending>, Result<Option<Record>, RecordsError>) {
    let until = Instant::now() + PATIENCE;
    let (mut record, mut listening) = (Ok(None), true);
    loop {
        let ended = judge.wait_timeout(Duration::ZERO).unwrap();
        // A record that was sent before the end can still be read after it.
        while listening {
            match records.next(judge.pid(), Duration::from_millis(10)) {
                Ok(Some(new)) => record = Ok(Some(new)),
                Ok(None) => break,
                Err(RecordsError::Closed) => listening = false,
                Err(error) => (record, listening) = (Err(error), false),
            }
        }
        if ended.is_some() {
            return (ended, record);
        }
        if Instant::now() > until {
            let _ = judge.kill_tree();
            return (None, record);
        }
        if !listening {
            let _ = judge.wait_timeout(Duration::from_millis(10)).unwrap();
        }
    }
}

/// The processes with this mark that are still there when `patience` is over.
/// Kills them, so that a leak of one case does not slow down the others.
fn remains(mark: &str, patience: Duration) -> Vec<String> {
    let until = Instant::now() + patience;
    let mut left = marked(mark);
    while !left.is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
        left = marked(mark);
    }
    let described = left
        .iter()
        .map(|pid| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            format!("{pid} ({})", comm.trim())
        })
        .collect();
    // Processes that are left may start others, so this repeats until it finds
    // none.
    for _ in 0..1000 {
        for pid in marked(mark) {
            let pid = nix::unistd::Pid::from_raw(pid);
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
        if marked(mark).is_empty() {
            break;
        }
    }
    described
}

/// Processes whose environment or arguments carry the mark. Those that have
/// ended have neither.
fn marked(mark: &str) -> Vec<i32> {
    let carries = |path: String| {
        fs::read(path)
            .is_ok_and(|text| text.windows(mark.len()).any(|part| part == mark.as_bytes()))
    };
    processes::proc::all()
        .unwrap()
        .into_iter()
        .filter(|pid| {
            carries(format!("/proc/{pid}/environ")) || carries(format!("/proc/{pid}/cmdline"))
        })
        .collect()
}

impl Run {
    fn deviations(&self, expect: &Expect) -> Vec<String> {
        let mut wrong = Vec::new();
        match self.status {
            None => wrong.push(format!(
                "the judge itself hung for {} s",
                PATIENCE.as_secs()
            )),
            Some(status) => self.compare(expect, status, &mut wrong),
        }
        if !self.left.is_empty() {
            wrong.push(format!(
                "still running afterwards: {}",
                self.left.join(", ")
            ));
        }
        if self.output.contains('\u{1b}') {
            wrong.push("escape sequences of the code reached the terminal".to_owned());
        }
        wrong
    }

    fn compare(&self, expect: &Expect, status: Ending, wrong: &mut Vec<String>) {
        let record = match &self.record {
            Ok(record) => record.as_ref(),
            Err(error) => return wrong.push(format!("the record cannot be read: {error:?}")),
        };
        let found = record.map_or_else(
            || format!("no record, {status}, and it said {:?}", tail(&self.output)),
            |record| {
                format!(
                    "{}: {:?}, {} ms",
                    record.outcome,
                    head(&record.cause),
                    record.millis
                )
            },
        );
        let (holds, demand) = match &expect.verdict {
            Verdict::Pass => (
                record.is_some_and(|record| record.outcome == Outcome::Pass)
                    && status == Ending::Exited(0),
                "a pass".to_owned(),
            ),
            Verdict::Failing(outcomes, fragment) => (
                record.is_some_and(|record| {
                    outcomes.contains(&record.outcome)
                        && record.cause.to_lowercase().contains(fragment)
                }) && status != Ending::Exited(0),
                format!("{} with {fragment:?}", names(outcomes)),
            ),
            Verdict::JudgeDown => (
                record.is_none() && status != Ending::Exited(0),
                "a failed run without a record".to_owned(),
            ),
            Verdict::NoRecord => (record.is_none(), "no record".to_owned()),
        };
        if !holds {
            wrong.push(format!("expected {demand}, got {found} ({status})"));
        }
    }
}

fn names(outcomes: &[Outcome]) -> String {
    let names: Vec<_> = outcomes.iter().map(|outcome| outcome.name()).collect();
    names.join(" or ")
}

fn head(text: &str) -> String {
    text.chars().take(300).collect()
}

fn tail(text: &str) -> String {
    let from = text.chars().count().saturating_sub(300);
    text.chars().skip(from).collect()
}
