//! One run of the judge, in a process of its own that can be ended.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use judging::exercise::catalogue::Course;
use processes::{Child, Spec, Stdio};

use super::report::Word;
use super::state::Event;

/// The hidden command that the process is started with.
pub const COMMAND: &str = "judge-for-the-loop";

/// The largest number of bytes that a run may print. The judge limits its
/// records, so anything longer is not a report.
const LONGEST: u64 = 256 << 20;

/// How long the process may take to end everything below it and itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// A run. Dropping this value ends it.
#[derive(Debug)]
pub struct Run {
    child: Child,
    started: Instant,
}

impl Run {
    /// Starts a run of these tests, or of all if there are none. What it prints
    /// arrives as events with this number.
    ///
    /// # Errors
    /// A sentence that says why the process cannot be started.
    pub fn start(
        course: &Course,
        exercise: &str,
        only: &[String],
        number: u64,
        events: &Sender<Event>,
    ) -> Result<Run, String> {
        course
            .is_still_there()
            .map_err(|trouble| trouble.to_string())?;
        // This very program, even if a newer one was built meanwhile.
        let spec = Spec::new("/proc/self/exe")
            .args([COMMAND, exercise])
            .args(only)
            .current_dir(&course.root)
            .stdin(Stdio::Piped)
            .stdout(Stdio::Piped)
            .stderr(Stdio::Null)
            .new_session(true);
        let mut child = spec
            .spawn()
            .map_err(|error| format!("the judge cannot be started: {error}"))?;
        if let Some(stdout) = child.stdout.take() {
            let events = events.clone();
            thread::spawn(move || listen(stdout, number, &events));
        }
        Ok(Run {
            child,
            started: Instant::now(),
        })
    }

    /// How long it has been running.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for Run {
    /// Closing its standard input tells the process to end. If it does not end
    /// in time, it is killed with all that it started.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if !matches!(self.child.wait_timeout(PATIENCE), Ok(Some(_))) {
            let _ = self.child.kill_tree();
            let _ = self.child.wait();
        }
    }
}

fn listen(stdout: impl Read, number: u64, events: &Sender<Event>) {
    let mut found = None;
    let mut lines = BufReader::new(stdout.take(LONGEST));
    let mut line = Vec::new();
    while found.is_none() && matches!(lines.read_until(b'\n', &mut line), Ok(1..)) {
        match serde_json::from_slice(&line) {
            Ok(Word::Doing(words)) => _ = events.send(Event::Doing(number, words)),
            Ok(Word::SoFar(report)) => _ = events.send(Event::SoFar(number, report)),
            Ok(Word::Judged(report)) => found = Some(Ok(report)),
            Ok(Word::Trouble(trouble)) => found = Some(Err(trouble)),
            // The line was cut off in the middle, so it says nothing.
            Err(_) => {}
        }
        line.clear();
    }
    let found = found.unwrap_or_else(|| {
        Err("the judge ended before it gave a verdict: press enter to run it again".to_owned())
    });
    // The loop may have ended.
    let _ = events.send(Event::Judged(number, found));
}
