//! The other side of [`run`](super::run): the process that judges.
//!
//! It writes to standard output what it does and what it found, one [`Word`]
//! per line. Its standard input ends when the loop does not want a verdict any
//! more, or is dead. It then ends all its descendants (cargo, compilers, test
//! programs, and what those started), cleans up and exits.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::process;
use std::thread;
use std::time::{Duration, Instant};

use judging::exercise::catalogue::Course;
use judging::judge::{How, Judgement, Source, judge};
use judging::run::remains;
use judging::trouble::Trouble;

use super::report::Word;

/// How long it may take to clean up unfinished work.
const PATIENCE: Duration = Duration::from_secs(2);

/// How much time passes between two reports on the way.
const BETWEEN: Duration = Duration::from_millis(300);

/// Judges an exercise for the loop. It runs only the tests in `only`, or all if
/// there are none. The first test that runs into its deadline ends the run.
///
/// # Errors
/// It never returns one. If there is no verdict, the reason goes to standard output.
pub fn judge_for_the_loop(course: &Course, name: &str, only: &[String]) -> Result<u8, Trouble> {
    // If this fails, daemons are out of reach, but everything else is not.
    let _ = processes::become_subreaper();
    thread::spawn(end_with_the_loop);
    let how = How {
        colour: true,
        tell: Some(|words| {
            if let Some(words) = worth_telling(words) {
                tell(&Word::Doing(words));
            }
        }),
        ..How::default()
    };
    let only: Vec<&str> = only.iter().map(String::as_str).collect();
    let last = Cell::new(Instant::now());
    let so_far = |judgement: &Judgement| {
        // The tests may be over in a moment. What is shown until then would only
        // flicker.
        let since = match judgement.records.len() {
            0 | 1 => judgement.ran,
            _ => last.get().elapsed(),
        };
        if since >= BETWEEN {
            last.set(Instant::now());
            tell(&Word::SoFar(Box::new(judgement.clone())));
        }
    };
    let how = How {
        only: &only,
        progress: Some(&so_far),
        stop_at_timeout: true,
        ..how
    };
    let judged = course
        .exercise(name)
        .and_then(|exercise| judge(course, exercise, &Source::Learner, &how));
    tell(&match judged {
        Ok(judgement) => Word::Judged(Box::new(judgement)),
        Err(trouble) => Word::Trouble(trouble.to_string()),
    });
    // End what a test left behind.
    proctor::end_descendants(Instant::now() + PATIENCE);
    Ok(0)
}

fn tell(word: &Word) {
    let mut line = serde_json::to_vec(word).unwrap_or_default();
    line.push(b'\n');
    // If the loop is gone, nobody needs this line.
    let _ = io::stdout().lock().write_all(&line);
}

/// Picks the messages of cargo about work that takes long.
fn worth_telling(line: &str) -> Option<String> {
    if line.starts_with("Blocking") {
        return Some("another cargo builds here, perhaps the book: waiting for it".to_owned());
    }
    const VERBS: [&str; 4] = ["Compiling", "Downloading", "Updating", "running"];
    VERBS
        .iter()
        .any(|verb| line.starts_with(verb))
        .then(|| match line.split_once(" (") {
            Some((line, _)) => line.to_lowercase(),
            None => line.to_lowercase(),
        })
}

/// Waits for the end of standard input, and then makes this process end soon
/// and leave nothing behind. The judge itself returns as soon as the programs
/// that it waits for are gone, and removes its temporary files.
///
/// Wardens come first, and by themselves: they remove what their subjects have
/// left in the system.
fn end_with_the_loop() {
    let mut byte = [0];
    loop {
        match io::stdin().lock().read(&mut byte) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(1..) => {}
            _ => break,
        }
    }
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        remains::end_all(deadline - PATIENCE / 2);
        proctor::end_descendants(deadline);
        // The judge may be about to start the next program.
        thread::sleep(Duration::from_millis(2));
    }
    process::exit(2);
}
