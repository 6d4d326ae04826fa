//! What the tests share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::{BufRead, BufReader, PipeReader};
use std::path::Path;
use std::time::{Duration, Instant};

use processes::Pid;
use processes::proc::{self, Stat};

/// Long enough for any machine; a test that waits so long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(60);

pub(crate) fn me() -> Pid {
    std::process::id().cast_signed()
}

/// Writes a script that may be executed. Another process writes it: were it
/// open for writing here, a child that another test forks just then would keep
/// it open until its own exec, and executing the script would fail (ETXTBSY).
pub(crate) fn script(path: &Path, text: &str) {
    let source = path.with_extension("text");
    std::fs::write(&source, text).unwrap();
    let install = std::process::Command::new("install")
        .args(["-m", "755"])
        .args([&source, path])
        .status();
    assert!(install.unwrap().success());
}

/// The next line that a child writes, without its end.
pub(crate) fn line(output: &mut Option<PipeReader>) -> String {
    let mut line = String::new();
    // One byte at a time, so that nothing of the next line is taken.
    BufReader::with_capacity(1, output.as_mut().expect("piped"))
        .read_line(&mut line)
        .unwrap();
    line.trim_end().to_owned()
}

/// Looks again and again until the condition holds.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

/// Whether this very process has ended, even if its number is used again.
pub(crate) fn has_ended(earlier: &Stat) -> bool {
    proc::stat(earlier.pid).map_or(true, |now| {
        now.start_ticks != earlier.start_ticks || now.has_ended()
    })
}

/// Whether this is root, which some limits do not hold for.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
