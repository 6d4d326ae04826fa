//! Starts the reader's browser.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program gets to say that it cannot show a page. `xdg-open` ends at
/// once if there is no browser; a browser may run for as long as it is open.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows a page in the reader's browser. Returns whether that seems to have worked.
pub(crate) fn open(url: &str) -> bool {
    open_with("xdg-open", url, PATIENCE)
}

fn open_with(program: &str, url: &str, patience: Duration) -> bool {
    let started = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    started.is_ok_and(|child| has_not_failed(child, patience))
}

fn has_not_failed(mut child: Child, patience: Duration) -> bool {
    let until = Instant::now() + patience;
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
        let open = |program| open_with(program, "x", Duration::from_secs(60));
        assert!(open("true"));
        assert!(!open("false"));
        assert!(!open("no-such-program-as-this"));
    }

    #[test]
    fn a_browser_that_keeps_running_is_not_waited_for() {
        let started = Instant::now();
        assert!(open_with("sleep", "60", Duration::from_millis(10)));
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}
