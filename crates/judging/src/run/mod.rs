//! Runs a judging program and collects the records that it sends.
//!
//! What the program prints does not count as a verdict. An expected test of
//! which no record came has the outcome `exit`, or `timeout` if the program did
//! not end in time. A pass counts only if the program then ran to its end and
//! exited.

pub mod remains;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use processes::proc::{self, State};
use processes::{Child, Ending, Pid, Spec, Stdio};
use proctor::{GUARDED, Outcome, PACKAGE, RECORDS, Record, Records, RecordsError, SUBJECT};

use crate::trouble::Trouble;

/// One run of a judging program.
#[derive(Debug)]
pub struct Run<'a> {
    /// The program that judges.
    pub judge: &'a Path,
    /// The program that holds the code to judge.
    pub subject: &'a Path,
    /// The folder in which they run. The code may write there, and timelines
    /// quote sources that lie there.
    pub folder: &'a Path,
    /// The package of the code, as it was compiled.
    pub package: &'a Path,
    /// The course, and what was built of it. Within these folders, the code may
    /// write only to `folder`.
    pub guarded: &'a [PathBuf],
    /// The tests that must give a verdict.
    pub expected: &'a [String],
    /// Run only these tests, or all if the list is empty.
    pub only: &'a [&'a str],
    /// Environment variables for the judging program.
    pub environment: &'a [(&'a str, String)],
}

/// Wall-clock time for a whole run. The judge has deadlines of its own; this
/// one is for a judge that does not keep them.
fn limit(tests: usize) -> Duration {
    Duration::from_secs(60 + 30 * tests as u64)
}

/// How long a judge may be stopped. Only the code that it judges stops it:
/// Ctrl-Z in the terminal does not reach the judge's session.
const STOPPED: Duration = Duration::from_secs(2);

/// The descriptor at which the judge finds the socket for its records.
const SOCKET: i32 = 3;

/// Runs the judging program, and returns one record for each expected test, in
/// their order.
///
/// # Errors
/// The program cannot be started or observed.
pub fn run(run: &Run) -> Result<Vec<Record>, Trouble> {
    listen(run, &mut |_| true)
}

/// The same, and hands over every record as it comes. When `heard` returns
/// false, the judge is ended, and only the tests that have a record by then are
/// in the result.
///
/// # Errors
/// As for [`run`].
pub fn listen(run: &Run, heard: &mut dyn FnMut(&Record) -> bool) -> Result<Vec<Record>, Trouble> {
    // The judged code must not take this process's end of the records' socket.
    let _ = nix::sys::prctl::set_dumpable(false);
    let cannot = |error: &dyn std::fmt::Display| Trouble::Run {
        program: run.judge.to_owned(),
        error: error.to_string(),
    };
    let (records, judges) = Records::pair().map_err(|error| cannot(&error))?;
    let said = tempfile::tempfile().map_err(Trouble::writing(&std::env::temp_dir()))?;
    let spec = spec(run, judges, &said).map_err(|error| cannot(&error))?;
    let judge = remains::start(spec).map_err(|error| cannot(&error))?;
    let mut followed =
        follow(judge, records, limit(run.expected.len()), heard).map_err(|e| cannot(&e))?;
    let expected: Vec<&String> = run
        .expected
        .iter()
        .filter(|test| run.only.is_empty() || run.only.contains(&test.as_str()))
        .collect();
    let words = last_words(said);
    let mut found = Vec::new();
    for test in expected {
        let record = followed
            .records
            .iter()
            .position(|record| record.test == *test)
            .map(|place| followed.records.swap_remove(place));
        match record {
            Some(record) => found.push(record),
            None if followed.end == End::Enough => {}
            None => found.push(missing(test, &followed.end, &words)),
        }
    }
    if followed.end == End::Enough {
        return Ok(found);
    }
    let all_passed = found.iter().all(|record| record.outcome == Outcome::Pass);
    let due = Ending::Exited(if all_passed { 0 } else { FAILED });
    if followed.end != End::Ended(due) {
        for record in &mut found {
            if record.outcome == Outcome::Pass {
                record.outcome = Outcome::Exit;
                record.cause = format!(
                    "this test passed, but afterwards the judging program did not end as it should: {}",
                    followed.end
                );
            }
        }
    }
    Ok(found)
}

/// libtest's exit code when a test failed.
const FAILED: i32 = 101;

/// The judge gets a session of its own, so that what it leaves behind can be
/// found and ended. It dies with this process, and then its wardens end
/// everything below them.
fn spec(run: &Run, judges: std::os::fd::OwnedFd, said: &File) -> std::io::Result<Spec> {
    let guarded = std::env::join_paths(run.guarded).unwrap_or_default();
    let mut spec = Spec::new(run.judge)
        .current_dir(run.folder)
        .arg("--nocapture")
        .env(RECORDS, SOCKET.to_string())
        .env(SUBJECT, run.subject)
        .env("CARGO_MANIFEST_DIR", run.folder)
        .env(PACKAGE, run.package)
        .env(GUARDED, guarded)
        .pass(judges, SOCKET)
        .stdin(Stdio::Null)
        .stdout(Stdio::Null)
        .stderr(Stdio::Fd(said.try_clone()?.into()))
        .new_session(true)
        .die_with_parent(Signal::SIGKILL);
    let temporary = std::env::temp_dir();
    if run
        .guarded
        .iter()
        .any(|folder| folder.starts_with(&temporary))
    {
        // The code may not write there, because the course lies there.
        spec = spec.env("TMPDIR", run.folder);
    }
    if !run.only.is_empty() {
        spec = spec.args(run.only).arg("--exact");
    }
    for (name, value) in run.environment {
        spec = spec.env(name, value);
    }
    Ok(spec)
}

/// What a judge sent, and how it ended.
struct Followed {
    end: End,
    records: Vec<Record>,
}

/// How a judge ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Ended(Ending),
    /// It was stopped, and killed for that.
    Stopped,
    TimedOut(Duration),
    /// Somebody else wrote to its socket, and it was killed for that.
    Forged,
    /// The listener wanted no more.
    Enough,
    /// It sent something that is not a record, and it was killed for that.
    Garbled(String),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Ended(Ending::Exited(code)) => write!(f, "it exited with status {code}"),
            End::Ended(ending) => write!(
                f,
                "it {ending} (your code sent it a signal, or the machine ran out of memory)"
            ),
            End::Enough => f.write_str("it was ended early"),
            End::Stopped => f.write_str("your code stopped it with a signal"),
            End::TimedOut(limit) => write!(f, "it did not end within {} s", limit.as_secs()),
            End::Garbled(why) => write!(f, "it sent something that is not a record ({why})"),
            End::Forged => f.write_str("another process wrote to the socket for its records"),
        }
    }
}

/// Listens to a judge, and to nobody else, until it has ended.
fn follow(
    mut judge: Child,
    mut records: Records,
    limit: Duration,
    heard: &mut dyn FnMut(&Record) -> bool,
) -> std::io::Result<Followed> {
    let pid = judge.pid();
    let until = Instant::now() + limit;
    let mut found = Vec::new();
    let mut told = 0;
    let mut listening = true;
    let mut watch = Watch::default();
    let verdict = loop {
        let mut fds = vec![PollFd::new(judge.pidfd(), PollFlags::POLLIN)];
        if listening {
            fds.push(PollFd::new(records.as_fd(), PollFlags::POLLIN));
        }
        // After a signal or an error, the loop only looks again.
        let _ = poll(&mut fds, PollTimeout::from(100u8));
        let ended = fds[0].any() == Some(true);
        if listening {
            match take(&mut records, pid, &mut found) {
                Ok(()) => {}
                Err(RecordsError::Closed) => listening = false,
                Err(RecordsError::Foreign(_)) => break Some(End::Forged),
                Err(RecordsError::Malformed(why)) => break Some(End::Garbled(why)),
            }
        }
        let is_enough = !found[told..].iter().all(&mut *heard);
        told = found.len();
        // If the judge has ended, there is nothing left to end early.
        if is_enough && !ended {
            break Some(End::Enough);
        }
        if ended {
            break None;
        }
        if Instant::now() >= until {
            break Some(End::TimedOut(limit));
        }
        if watch.is_stopped_for_long(pid) {
            break Some(End::Stopped);
        }
    };
    // End what the judge left in its session before the judge is reaped: until
    // then, no other process can get its ID.
    let ending = remains::end(&mut judge, verdict.is_some())?;
    Ok(Followed {
        end: verdict.unwrap_or(End::Ended(ending)),
        records: found,
    })
}

/// Takes all records that have come.
fn take(records: &mut Records, judge: Pid, found: &mut Vec<Record>) -> Result<(), RecordsError> {
    while let Some(record) = records.next(judge, Duration::ZERO)? {
        found.push(record);
    }
    Ok(())
}

/// Since when a judge has been stopped.
#[derive(Default)]
struct Watch {
    since: Option<Instant>,
}

impl Watch {
    fn is_stopped_for_long(&mut self, pid: Pid) -> bool {
        let stopped =
            proc::stat(pid).is_ok_and(|stat| matches!(stat.state, State::Stopped | State::Traced));
        if !stopped {
            self.since = None;
            return false;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() > STOPPED
    }
}

/// The last line that the judge wrote to standard error.
fn last_words(mut said: File) -> String {
    const ENOUGH: i64 = 64 << 10;
    let mut bytes = Vec::new();
    let end = said.seek(SeekFrom::End(0)).unwrap_or(0).cast_signed();
    let _ = said.seek(SeekFrom::End(-end.min(ENOUGH)));
    let _ = said.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes);
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .map(|line| format!(" (the last line that it printed: {})", line.trim()))
        .unwrap_or_default()
}

fn missing(test: &str, end: &End, words: &str) -> Record {
    let outcome = match end {
        End::TimedOut(_) => Outcome::Timeout,
        _ => Outcome::Exit,
    };
    let cause = format!("the judging program gave no verdict on this test: {end}{words}");
    record(test, outcome, cause)
}

/// Makes a record that no judge wrote.
pub fn record(test: &str, outcome: Outcome, cause: String) -> Record {
    Record {
        test: test.to_owned(),
        outcome,
        cause,
        at: None,
        schedule: None,
        timeline: None,
        covered: Vec::new(),
        millis: 0,
        seed: 0,
        exchanges: Vec::new(),
    }
}
