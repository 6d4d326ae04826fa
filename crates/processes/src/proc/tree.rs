//! Which processes exist, and which process is the parent of which.

use std::collections::{HashMap, VecDeque};
use std::{fs, io};

use super::{Pid, Stat, explain, stat};

/// All processes that `/proc` shows to this user, in ascending order.
///
/// # Errors
/// As in the [module's list](super#errors), for instance if `/proc` is not
/// mounted.
pub fn all() -> io::Result<Vec<Pid>> {
    numbered("/proc")
}

/// The thread numbers of a process, in ascending order.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn tasks(pid: Pid) -> io::Result<Vec<Pid>> {
    numbered(&format!("/proc/{pid}/task"))
}

/// The children of a process, including zombies, in ascending order. The list
/// is empty if there is no such process.
///
/// This asks every process for its parent. That is slower than reading
/// `/proc/PID/task/TID/children`, but many kernels are built without that file.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn children(pid: Pid) -> io::Result<Vec<Pid>> {
    let family = snapshot()?.into_iter();
    Ok(family
        .filter(|stat| stat.parent == pid)
        .map(|stat| stat.pid)
        .collect())
}

/// The children of a process, then their children, and so on, without the
/// process itself.
///
/// This scans `/proc` once. It may miss a process whose parent ends during the
/// scan, because the kernel has just given that process another parent. Code
/// that must not miss any process repeats the scan until nothing new turns up,
/// as [`end_descendants`](crate::end_descendants) does.
///
/// # Errors
/// As in the [module's list](super#errors).
pub fn descendants(pid: Pid) -> io::Result<Vec<Pid>> {
    Ok(family_of(pid)?.into_iter().map(|stat| stat.pid).collect())
}

/// [`descendants`], with the [`Stat`] of each process.
pub(crate) fn family_of(pid: Pid) -> io::Result<Vec<Stat>> {
    Ok(below(pid, snapshot()?))
}

/// The [`Stat`] of every process. It leaves out processes that end during the
/// scan, and processes that this user may not look at (`hidepid`, man 5 proc).
pub(crate) fn snapshot() -> io::Result<Vec<Stat>> {
    let mut found = Vec::new();
    for pid in all()? {
        match stat(pid) {
            Ok(stat) => found.push(stat),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {}
                _ => return Err(error),
            },
        }
    }
    Ok(found)
}

/// The descendants of `root`, breadth first. A snapshot is not taken at one
/// moment, and numbers are reused, so the parent links could form a cycle. To
/// end even then, the search removes each process when it finds it.
pub(crate) fn below(root: Pid, everyone: Vec<Stat>) -> Vec<Stat> {
    let mut by_parent: HashMap<Pid, Vec<Stat>> = HashMap::new();
    for stat in everyone.into_iter().filter(|stat| stat.pid != root) {
        by_parent.entry(stat.parent).or_default().push(stat);
    }
    let mut found = Vec::new();
    let mut parents = VecDeque::from([root]);
    while let Some(parent) = parents.pop_front() {
        for stat in by_parent.remove(&parent).unwrap_or_default() {
            parents.push_back(stat.pid);
            found.push(stat);
        }
    }
    found
}

fn numbered(directory: &str) -> io::Result<Vec<Pid>> {
    let entries = fs::read_dir(directory).map_err(|error| explain(directory, error))?;
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| explain(directory, error))?;
        if let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proc::State;

    fn process((pid, parent): (Pid, Pid)) -> Stat {
        Stat {
            pid,
            comm: String::new(),
            state: State::Sleeping,
            parent,
            group: 0,
            session: 0,
            minor_faults: 0,
            major_faults: 0,
            user: Duration::ZERO,
            system: Duration::ZERO,
            threads: 1,
            start_ticks: 0,
            processor: 0,
            flags: 0,
        }
    }

    fn pids_below(root: Pid, family: &[(Pid, Pid)]) -> Vec<Pid> {
        let everyone = family.iter().copied().map(process).collect();
        below(root, everyone)
            .into_iter()
            .map(|stat| stat.pid)
            .collect()
    }

    #[test]
    fn children_come_before_grandchildren() {
        let family = [(1, 0), (2, 1), (3, 2), (4, 1), (5, 3), (6, 0)];
        assert_eq!(pids_below(1, &family), [2, 4, 3, 5]);
        assert_eq!(pids_below(6, &family), []);
    }

    #[test]
    fn a_circle_of_parents_ends() {
        assert_eq!(pids_below(1, &[(1, 3), (2, 1), (3, 2)]), [2, 3]);
    }
}
