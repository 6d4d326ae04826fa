//! What the exploring examples have in common: an explorer, and how they print what it found.
#![allow(dead_code, reason = "no example uses everything here")]

use interleave::{Exploration, Explore};

/// Returns an explorer for which every step of these programs is a step of the code under test.
pub(crate) fn explorer() -> Explore {
    Explore::new().scenario_file("").schedules(20_000)
}

/// Prints one line about a program: whether some schedule fails.
pub(crate) fn verdict(what: &str, found: &Exploration) {
    println!("{what}");
    if let Some(reason) = &found.not_judged {
        println!("  · not judged: {reason}");
    } else if let Some(failure) = &found.failure {
        let message = failure.message.lines().next().unwrap_or_default();
        // A comma is a good place to break a line that is too long.
        let lines = message
            .replace(", and", ",\n    and")
            .replace(", thread", ",\n    thread");
        println!("  ✗ {lines}");
    } else {
        println!("  ✓ no failure in {}", found.coverage());
    }
}

/// Prints what the threads did in the run that failed, one column for each thread.
pub(crate) fn timeline(found: &Exploration) {
    if let Some(failure) = &found.failure {
        for line in failure.timeline.picture(98).lines() {
            println!("{}", line.trim_end());
        }
    }
}
