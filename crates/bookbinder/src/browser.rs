//! Starts the reader's browser.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program gets to say that it cannot show a page. `xdg-open` ends at
/// once if there is no browser; a browser may run for as long as it is open.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows a page in the reader's browser. Returns whether that seems to have worked.
pub(crate) fn open(url: &str) -> bool {
    open_with("xdg-open", url)
}

fn open_with(program: &str, url: &str) -> bool {
    let started = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.is_ok_and(has_not_failed)
}

fn has_not_failed(mut child: Child) -> bool {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        match child.try_wait() {
            Ok(Some(ending)) => return ending.success(),
            Ok(None) => thread::sleep(Duration::from_millis(20)),
            Err(_) => return false,
        }
    }
    // Somebody has to wait for it, so that it does not remain as a zombie.
    thread::spawn(move || drop(child.wait()));
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_that_fails_at_once_is_no_browser() {
        assert!(open_with("true", "x"));
        assert!(!open_with("false", "x"));
        assert!(!open_with("no-such-program-as-this", "x"));
    }

    #[test]
    fn a_browser_that_keeps_running_is_not_waited_for() {
        let started = Instant::now();
        assert!(open_with("sleep", "3"));
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}
