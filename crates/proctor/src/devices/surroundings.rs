//! What a function must leave as it found it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use processes::proc::{self, Target};
use serde::{Deserialize, Serialize};

use crate::threads;

/// The state that the calling thread and its process share with whatever they
/// call: signal mask, signal dispositions with their handlers, timers, CPUs,
/// priorities, timer slack, limits, descriptors, threads, children, process group, session,
/// user, environment, working folder, umask.
///
/// A test takes it before and after a call, inside a subject; the difference
/// names everything that the call has changed and not put back.
///
/// ```
/// let before = proctor::Surroundings::now();
/// std::mem::forget(std::io::pipe().unwrap());
/// let changed = before.changes();
/// assert_eq!(changed.len(), 2);
/// assert!(changed[0].contains("descriptor"), "{changed:?}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings(BTreeMap<String, String>);

/// The lines of `/proc/thread-self/status` that a call must not change.
const OF_THE_THREAD: [(&str, &str); 10] = [
    ("Name", "the name of the thread"),
    ("Uid", "the list of user ids"),
    ("Gid", "the list of group ids"),
    ("SigBlk", "the mask of blocked signals"),
    ("SigIgn", "the set of ignored signals"),
    ("SigCgt", "the set of signals with a handler"),
    ("SigPnd", "the set of signals pending for the thread"),
    ("ShdPnd", "the set of signals pending for the process"),
    (
        "Cpus_allowed_list",
        "the list of CPUs on which the thread may run",
    ),
    ("Umask", "the umask"),
];

impl Surroundings {
    /// The state now, for the calling thread.
    pub fn now() -> Self {
        let mut all = BTreeMap::new();
        let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
        for (key, name) in OF_THE_THREAD {
            let value = status.lines().find_map(|line| {
                let value = line.strip_prefix(key)?.strip_prefix(':')?;
                Some(value.trim().to_owned())
            });
            let value = value.map(|value| match key {
                "SigCgt" => without_those_of_libc(&value),
                _ => value,
            });
            all.insert(name.to_owned(), value.unwrap_or_default());
        }
        let me = std::process::id().cast_signed();
        for open in proc::descriptors(me).unwrap_or_default() {
            let what = match open.target {
                Target::File(path) => path.display().to_string(),
                Target::Pipe(inode) => format!("pipe {inode}"),
                Target::Socket(inode) => format!("socket {inode}"),
                Target::Anonymous(what) => what,
            };
            all.insert(
                format!("file descriptor {}", open.fd),
                format!("{what} (flags {:#o})", open.flags),
            );
        }
        all.insert(
            "the number of threads".to_owned(),
            threads::living(me).to_string(),
        );
        for child in proc::children(me).unwrap_or_default() {
            all.insert(format!("child {child}"), "there".to_owned());
        }
        for (name, value) in std::env::vars_os() {
            all.insert(
                format!("environment variable {}", name.display()),
                value.display().to_string(),
            );
        }
        let folder = std::env::current_dir().map(PathBuf::into_os_string);
        let folder = folder.unwrap_or_else(|_| OsString::new());
        all.insert(
            "the working folder".to_owned(),
            folder.display().to_string(),
        );
        let limits = fs::read_to_string("/proc/thread-self/limits").unwrap_or_default();
        // The judge changes the limit of CPU time.
        for line in limits
            .lines()
            .skip(1)
            .filter(|line| !line.contains("cpu time"))
        {
            let (name, values) = line.split_at(line.len().min(26));
            let values: Vec<_> = values.split_whitespace().collect();
            let name = format!("the limit `{}`", name.trim());
            all.insert(name, values.join(" "));
        }
        // SAFETY: these read numbers of the calling thread.
        let (policy, priority, slack) = unsafe {
            (
                libc::sched_getscheduler(0),
                libc::getpriority(libc::PRIO_PROCESS, 0),
                libc::prctl(libc::PR_GET_TIMERSLACK),
            )
        };
        all.extend(handlers());
        all.extend(of_the_process());
        all.insert("the scheduling policy".to_owned(), policy.to_string());
        all.insert("the nice value".to_owned(), priority.to_string());
        all.insert("the timer slack".to_owned(), slack.to_string());
        Surroundings(all)
    }

    /// What is different now, one sentence fragment for each change; nothing
    /// if all is as it was.
    pub fn changes(&self) -> Vec<String> {
        self.changes_to(&Surroundings::now())
    }

    /// What is different in another state.
    pub fn changes_to(&self, after: &Surroundings) -> Vec<String> {
        let mut changes = Vec::new();
        for (name, was) in &self.0 {
            match after.0.get(name) {
                Some(is) if is == was => {}
                Some(is) => changes.push(format!("{name} was {was} and is now {is}")),
                None => changes.push(format!("{name} is gone (it was {was})")),
            }
        }
        for (name, is) in &after.0 {
            if !self.0.contains_key(name) {
                changes.push(format!("{name} is new ({is})"));
            }
        }
        changes
    }
}

/// A set of signals, in the form of `/proc/PID/status`, without the two that
/// glibc handles itself from the first thread on (man 7 nptl).
fn without_those_of_libc(signals: &str) -> String {
    let theirs = 0b11_u64 << (32 - 1);
    match u64::from_str_radix(signals, 16) {
        Ok(set) => format!("{:016x}", set & !theirs),
        Err(_) => signals.to_owned(),
    }
}

/// Each handler of a signal, with its flags and the signals that it blocks.
fn handlers() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for signal in 1..=libc::SIGRTMAX() {
        // SAFETY: the call only asks. Zeros are a valid structure, which the
        // call fills.
        let action = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            let asked = libc::sigaction(signal, std::ptr::null(), &raw mut action);
            (asked == 0).then_some(action)
        };
        let Some(action) = action else { continue };
        if [libc::SIG_DFL, libc::SIG_IGN].contains(&action.sa_sigaction) {
            continue;
        }
        // SAFETY: the kernel has filled the set.
        let blocks = |other| unsafe { libc::sigismember(&raw const action.sa_mask, other) == 1 };
        let blocked: Vec<_> = (1..=libc::SIGRTMAX())
            .filter(|other| blocks(*other))
            .collect();
        let value = format!(
            "{:#x} (flags {:#x}, blocks {blocked:?})",
            action.sa_sigaction, action.sa_flags
        );
        all.push((format!("the handler of signal {signal}"), value));
    }
    all
}

/// Process group, session, subreaper, timers.
fn of_the_process() -> Vec<(String, String)> {
    let mut adopts: libc::c_int = 0;
    let is_armed = |timer: i64| {
        // SAFETY: zeros are a valid structure, which the call fills.
        let value = unsafe {
            let mut value: libc::itimerval = std::mem::zeroed();
            libc::syscall(libc::SYS_getitimer, timer, &raw mut value);
            value.it_value
        };
        value.tv_sec != 0 || value.tv_usec != 0
    };
    // SAFETY: these read numbers of the calling process.
    let (group, session) = unsafe {
        libc::prctl(libc::PR_GET_CHILD_SUBREAPER, &raw mut adopts);
        (libc::getpgrp(), libc::getsid(0))
    };
    let of = |name: &str, value: String| (name.to_owned(), value);
    vec![
        of("the process group", group.to_string()),
        of("the session", session.to_string()),
        of(
            "whether the process adopts orphans",
            (adopts != 0).to_string(),
        ),
        of(
            "whether the real-time timer (ITIMER_REAL) runs",
            is_armed(libc::ITIMER_REAL.into()).to_string(),
        ),
        of(
            "whether the CPU-time timer (ITIMER_PROF) runs",
            is_armed(libc::ITIMER_PROF.into()).to_string(),
        ),
        of(
            "whether the user-time timer (ITIMER_VIRTUAL) runs",
            is_armed(libc::ITIMER_VIRTUAL.into()).to_string(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::Surroundings;

    #[test]
    fn nothing_changes_by_looking() {
        let before = Surroundings::now();
        // Other tests open and close descriptors and start threads beside this one.
        let changes = before.changes();
        assert!(
            changes
                .iter()
                .all(|change| ["descriptor", "child", "threads"]
                    .iter()
                    .any(|word| change.contains(word))),
            "{changes:?}"
        );
    }
}
