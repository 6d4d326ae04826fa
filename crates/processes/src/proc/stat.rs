//! `/proc/PID/stat`: one line of numbers about a process or a thread.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use super::{Pid, malformed, read};

/// What a process or thread is doing, as the scheduler sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// On a CPU or waiting for one (`R`).
    Running,
    /// Waiting; a signal would interrupt it (`S`).
    Sleeping,
    /// Waiting for a device or, in `vfork`, for the child. Signals do not
    /// interrupt it (`D`).
    DiskSleep,
    /// Stopped by a signal such as SIGSTOP (`T`).
    Stopped,
    /// Stopped by the process that traces it (`t`).
    Traced,
    /// Ended and not yet waited for (`Z`).
    Zombie,
    /// Being removed; hardly ever seen (`X`).
    Dead,
    /// A kernel thread with nothing to do (`I`).
    Idle,
    /// A letter that this library does not know.
    Other(char),
}

impl State {
    fn from_letter(letter: u8) -> State {
        match letter {
            b'R' => State::Running,
            b'S' => State::Sleeping,
            b'D' => State::DiskSleep,
            b'T' => State::Stopped,
            b't' => State::Traced,
            b'Z' => State::Zombie,
            b'X' | b'x' => State::Dead,
            b'I' => State::Idle,
            other => State::Other(char::from(other)),
        }
    }

    /// Whether the thread has ended: a zombie still has its number and its
    /// status, but runs no code. For a *process* use [`Stat::has_ended`]: the
    /// state of a process is that of its first thread, and other threads may
    /// still run.
    #[must_use]
    pub fn has_ended(self) -> bool {
        matches!(self, State::Zombie | State::Dead)
    }
}

/// A thread that is ending (the kernel's sched.h).
const PF_EXITING: u32 = 0x4;

/// One line of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The number of the process or of the thread.
    pub pid: Pid,
    /// The name, at most 15 bytes. The process itself chooses it, so it may
    /// contain spaces, parentheses and newlines, and it proves nothing.
    pub comm: String,
    /// What it is doing.
    pub state: State,
    /// The parent process, 0 if it has none in this pid namespace.
    pub parent: Pid,
    /// The process group.
    pub group: Pid,
    /// The session.
    pub session: Pid,
    /// Page faults served without a disk, since the start.
    pub minor_faults: u64,
    /// Page faults that needed a disk, since the start.
    pub major_faults: u64,
    /// CPU time in user code, in steps of a clock tick (usually 10 ms).
    pub user: Duration,
    /// CPU time in the kernel, in steps of a clock tick.
    pub system: Duration,
    /// How many threads the process has.
    pub threads: u32,
    /// When it started, in clock ticks after boot. Together with `pid` this
    /// identifies one process for ever; `pid` alone is reused.
    pub start_ticks: u64,
    /// The CPU it ran on last.
    pub processor: i32,
    /// The kernel's flags for it (`PF_…` in the kernel's sched.h).
    pub flags: u32,
}

impl Stat {
    /// Total CPU time, in steps of a clock tick.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }

    /// Whether the process has ended, with all its threads. A process in which
    /// only the first thread has ended (`pthread_exit` in `main`) shows as a
    /// zombie, but it is alive.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state.has_ended() && self.threads <= 1
    }

    /// Whether the thread that this line is about (for a process: its first
    /// thread) is ending, so that it runs no code of the program any more.
    #[must_use]
    pub fn thread_is_ending(&self) -> bool {
        self.flags & PF_EXITING != 0
    }

    /// Whether the process is ending: it has called exit, or it has acted on a
    /// fatal signal, and only the kernel's cleanup is left.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.thread_is_ending() && self.threads <= 1
    }

    /// When it started, as a time after boot.
    #[must_use]
    pub fn started(&self) -> Duration {
        from_ticks(self.start_ticks)
    }
}

/// Reads `/proc/PID/stat`, for a whole process. Times and faults are sums over
/// its threads; the state is that of its first thread.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn stat(pid: Pid) -> io::Result<Stat> {
    read_stat(&format!("/proc/{pid}/stat"))
}

/// Reads `/proc/PID/task/TID/stat`, for one thread of a process.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn task_stat(pid: Pid, tid: Pid) -> io::Result<Stat> {
    read_stat(&format!("/proc/{pid}/task/{tid}/stat"))
}

/// Clock ticks in a second: the unit of times in `/proc` (100 on almost every
/// Linux; man 3 sysconf, `_SC_CLK_TCK`).
#[must_use]
pub fn clock_ticks() -> u64 {
    static TICKS: OnceLock<u64> = OnceLock::new();
    *TICKS.get_or_init(|| {
        // SAFETY: sysconf takes a number and touches no memory of ours.
        let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
        u64::try_from(ticks)
            .ok()
            .filter(|&ticks| ticks > 0)
            .unwrap_or(100)
    })
}

fn from_ticks(ticks: u64) -> Duration {
    let per_second = clock_ticks();
    let nanos = u128::from(ticks % per_second) * 1_000_000_000 / u128::from(per_second);
    // The nanoseconds of less than a second always fit.
    Duration::new(ticks / per_second, u32::try_from(nanos).unwrap_or(0))
}

fn read_stat(path: &str) -> io::Result<Stat> {
    let line = read(path)?;
    parse(&line).ok_or_else(|| malformed(path, &line))
}

/// Parses `12 (name) S 1 …`. The name may itself contain `) R 1`. Only the
/// *last* closing parenthesis ends it, because no later field is free text.
fn parse(line: &[u8]) -> Option<Stat> {
    let open = line.iter().position(|&byte| byte == b'(')?;
    let close = line.iter().rposition(|&byte| byte == b')')?;
    let name = line.get(open + 1..close)?;
    let pid = std::str::from_utf8(&line[..open])
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let rest = std::str::from_utf8(&line[close + 1..]).ok()?;
    // Index 0 is the state, which has the number (3) in the manual.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let signed = |index: usize| fields.get(index)?.parse::<i32>().ok();
    let count = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        comm: String::from_utf8_lossy(name).into_owned(),
        state: State::from_letter(*fields.first()?.as_bytes().first()?),
        flags: fields.get(6)?.parse().ok()?,
        parent: signed(1)?,
        group: signed(2)?,
        session: signed(3)?,
        minor_faults: count(7)?,
        major_faults: count(9)?,
        user: from_ticks(count(11)?),
        system: from_ticks(count(12)?),
        threads: fields.get(17)?.parse().ok()?,
        start_ticks: count(19)?,
        processor: signed(36)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBERS: &str = "7 8 9 0 -1 4194304 2844 6548 15 1 250 103 1 20 20 0 4 0 105080 \
         16961536 3354 18446744073709551615 1 2 3 0 0 0 0 16781312 2 0 0 0 17 1 0 0 0 0 0 4 5 6";

    fn line(name: &str, state: &str) -> Vec<u8> {
        format!("4300 ({name}) {state} {NUMBERS}\n").into_bytes()
    }

    #[test]
    fn every_field_lands_in_its_place() {
        let stat = parse(&line("python3", "S")).unwrap();
        assert_eq!(
            (stat.pid, stat.parent, stat.group, stat.session),
            (4300, 7, 8, 9)
        );
        assert_eq!(
            (stat.comm.as_str(), stat.state),
            ("python3", State::Sleeping)
        );
        assert_eq!((stat.minor_faults, stat.major_faults), (2844, 15));
        assert_eq!(
            (stat.threads, stat.start_ticks, stat.processor),
            (4, 105_080, 1)
        );
        assert_eq!(stat.user, from_ticks(250));
        assert_eq!(stat.cpu(), from_ticks(353));
    }

    #[test]
    fn a_name_with_parentheses_and_spaces_cannot_forge_a_state() {
        for name in [") R 1", "a) R (b", "((", "))", "", " ", "a\nb) R 1 1"] {
            let stat = parse(&line(name, "Z")).unwrap();
            assert_eq!((stat.comm.as_str(), stat.state), (name, State::Zombie));
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_shown_as_well_as_it_can_be() {
        let mut bytes = line("x", "R");
        let at = bytes.iter().position(|&byte| byte == b'x').unwrap();
        bytes[at] = 0xff;
        assert_eq!(parse(&bytes).unwrap().comm, "\u{fffd}");
    }

    #[test]
    fn a_short_or_empty_line_is_refused_and_never_panics() {
        let whole = line("x", "R");
        assert!(parse(b"").is_none());
        assert!(parse(b")(").is_none());
        for length in 0..whole.len() - 20 {
            assert!(
                parse(&whole[..length]).is_none(),
                "{length} bytes were enough"
            );
        }
    }

    #[test]
    fn ticks_become_time_without_losing_the_fraction() {
        assert_eq!(from_ticks(clock_ticks()), Duration::from_secs(1));
        assert_eq!(from_ticks(clock_ticks() / 2), Duration::from_millis(500));
        assert_eq!(from_ticks(u64::MAX).as_secs(), u64::MAX / clock_ticks());
    }

    #[test]
    fn every_letter_has_a_state() {
        let known = [
            (b'R', State::Running),
            (b'D', State::DiskSleep),
            (b'T', State::Stopped),
            (b't', State::Traced),
            (b'X', State::Dead),
            (b'I', State::Idle),
            (b'P', State::Other('P')),
        ];
        for (letter, state) in known {
            assert_eq!(State::from_letter(letter), state);
        }
        assert!(State::Zombie.has_ended() && !State::Stopped.has_ended());
    }
}
