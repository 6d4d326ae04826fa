//! `/proc/PID/status`: a process in named lines, with its signals, its context
//! switches and its memory.

use std::io;

use super::{Pid, malformed, read};

/// The part of `/proc/PID/status` that this library uses.
///
/// Signal sets are bit masks: signal `n` is bit `n - 1`, see
/// [`Status::has`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The real user id.
    pub uid: u32,
    /// How many threads the process has.
    pub threads: u32,
    /// Context switches because the thread had to wait. Even the file of a
    /// process counts only its first thread here; sum this over
    /// [`tasks`](super::tasks) to count all threads.
    pub voluntary: u64,
    /// Context switches because the kernel gave the CPU to another thread
    /// (`sched_yield` counts here, too).
    pub involuntary: u64,
    /// Signals with a handler.
    pub signals_caught: u64,
    /// Signals that are ignored.
    pub signals_ignored: u64,
    /// Signals that this thread blocks.
    pub signals_blocked: u64,
    /// Signals that were sent to this thread or to the process and are not yet
    /// delivered.
    pub signals_pending: u64,
    /// The process that traces it (ptrace), or 0.
    pub tracer: Pid,
    /// Bytes in memory now; 0 for zombies and kernel threads.
    pub resident: u64,
    /// The most bytes it ever had in memory; 0 for zombies.
    pub peak_resident: u64,
    /// Bytes of address space now; 0 for zombies.
    pub virtual_size: u64,
    /// The most address space it ever had, in bytes; 0 for zombies.
    pub peak_virtual: u64,
}

impl Status {
    /// Whether a set of signals contains this signal.
    ///
    /// ```
    /// use processes::proc::{self, Status};
    /// let status = proc::status(std::process::id() as i32)?;
    /// // Rust's runtime ignores SIGPIPE (13) before `main`.
    /// assert!(Status::has(status.signals_ignored, 13));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn has(set: u64, signal: i32) -> bool {
        (1..=64).contains(&signal) && set >> (signal - 1) & 1 == 1
    }
}

/// Reads `/proc/PID/status`, for a whole process. Values that belong to a
/// thread (context switches, blocked signals) are those of the first thread.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn status(pid: Pid) -> io::Result<Status> {
    read_status(&format!("/proc/{pid}/status"))
}

/// Reads `/proc/PID/task/TID/status`, for one thread of a process.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn task_status(pid: Pid, tid: Pid) -> io::Result<Status> {
    read_status(&format!("/proc/{pid}/task/{tid}/status"))
}

fn read_status(path: &str) -> io::Result<Status> {
    let text = read(path)?;
    parse(&text).ok_or_else(|| malformed(path, &text))
}

/// Parses lines of `Key:\tvalue`. The first line holds the name, which is free
/// text. The kernel escapes newlines in the name, so it cannot imitate another
/// line.
fn parse(text: &[u8]) -> Option<Status> {
    let text = String::from_utf8_lossy(text);
    let line = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))
            .map(str::trim)
    };
    let first = |key: &str| line(key)?.split_ascii_whitespace().next();
    let set = |key: &str| u64::from_str_radix(line(key)?, 16).ok();
    let bytes = |key: &str| match first(key) {
        Some(kib) => kib.parse::<u64>().ok()?.checked_mul(1024),
        // No line at all: a zombie or a kernel thread has no memory.
        None => Some(0),
    };
    Some(Status {
        uid: first("Uid")?.parse().ok()?,
        threads: first("Threads")?.parse().ok()?,
        voluntary: first("voluntary_ctxt_switches")?.parse().ok()?,
        involuntary: first("nonvoluntary_ctxt_switches")?.parse().ok()?,
        signals_caught: set("SigCgt")?,
        signals_ignored: set("SigIgn")?,
        signals_blocked: set("SigBlk")?,
        signals_pending: set("SigPnd")? | set("ShdPnd")?,
        tracer: first("TracerPid")?.parse().ok()?,
        resident: bytes("VmRSS")?,
        peak_resident: bytes("VmHWM")?,
        virtual_size: bytes("VmSize")?,
        peak_virtual: bytes("VmPeak")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Name:\tcat\nUmask:\t0022\nState:\tS (sleeping)\nPid:\t9\nPPid:\t1\n\
        TracerPid:\t77\nUid:\t1000\t0\t0\t0\nVmPeak:\t    3060 kB\nVmSize:\t    3000 kB\n\
        VmHWM:\t    1748 kB\nVmRSS:\t    1700 kB\nThreads:\t3\nSigQ:\t0/96365\n\
        SigPnd:\t0000000000000001\nShdPnd:\t0000000000000200\nSigBlk:\t0000000000002000\n\
        SigIgn:\t0000000000001000\nSigCgt:\t8000000000000000\n\
        voluntary_ctxt_switches:\t12\nnonvoluntary_ctxt_switches:\t34\n";

    #[test]
    fn every_line_lands_in_its_place() {
        let status = parse(TEXT.as_bytes()).unwrap();
        let expected = Status {
            uid: 1000,
            threads: 3,
            voluntary: 12,
            involuntary: 34,
            signals_caught: 1 << 63,
            signals_ignored: 1 << 12,
            signals_blocked: 1 << 13,
            signals_pending: 1 | 1 << 9,
            tracer: 77,
            resident: 1700 * 1024,
            peak_resident: 1748 * 1024,
            virtual_size: 3000 * 1024,
            peak_virtual: 3060 * 1024,
        };
        assert_eq!(status, expected);
        assert!(Status::has(status.signals_caught, 64));
        assert!(!Status::has(status.signals_caught, 0));
    }

    #[test]
    fn a_zombie_has_no_memory_lines_and_that_is_no_error() {
        let text: String = TEXT
            .lines()
            .filter(|line| !line.starts_with("Vm"))
            .map(|l| l.to_owned() + "\n")
            .collect();
        let status = parse(text.as_bytes()).unwrap();
        assert_eq!(
            (status.resident, status.peak_resident, status.virtual_size),
            (0, 0, 0)
        );
    }

    #[test]
    fn a_text_without_its_switches_is_refused() {
        assert!(parse(b"Name:\tcat\n").is_none());
        assert!(parse(b"").is_none());
    }
}
