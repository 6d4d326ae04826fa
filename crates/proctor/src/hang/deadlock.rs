//! Proves a deadlock: every thread waits, and only threads of the same closed
//! world could wake it.

use records::Outcome;

use super::Watched;
use super::closed::World;
use super::lines::{self, Lines};
use super::waits::{MOST, Picture, Thread, Wait};
use crate::outcome::Failing;
use crate::text;

/// The verdict, if `before` and `now` show the same threads, if none of them
/// ran in between, and if each waits for ever.
pub(super) fn prove(before: &Picture, now: &Picture, watched: &Watched) -> Option<Failing> {
    if now.alive().next().is_none() || !now.is_unchanged_since(before) {
        return None;
    }
    let world = World::of(now, watched)?;
    let all_wait = now.alive().all(|process| {
        process
            .threads
            .iter()
            .all(|thread| world.holds(process, &thread.wait))
    });
    all_wait.then(|| {
        let mut lines = lines::of(now, MOST);
        let cause = explain(now, &world, &lines);
        // A thread that only joins others is where it should be, and the first
        // thread often waits for the others in another way.
        let of_all = |first: bool| {
            let processes = now.alive();
            processes.flat_map(move |process| {
                let threads = process.threads.iter();
                threads.filter(move |thread| (thread.tid == process.pid) == first)
            })
        };
        let is_stuck = |thread: &&Thread| !now.joins(thread) && lines.contains_key(&thread.tid);
        let stuck = of_all(false)
            .find(is_stuck)
            .or_else(|| of_all(true).find(is_stuck));
        Failing {
            at: stuck.and_then(|thread| lines.remove(&thread.tid)),
            ..Failing::new(Outcome::Deadlock, cause)
        }
    })
}

fn explain(picture: &Picture, world: &World<'_>, at: &Lines) -> String {
    let threads: usize = picture.alive().map(|process| process.threads.len()).sum();
    let first = match lonely_pipe(picture, world) {
        Some(sentence) => sentence,
        None if threads == 1 => {
            "its only thread waits, and there is no other thread that could wake it".to_owned()
        }
        None if picture.alive().count() == 1 => {
            format!("all {threads} threads wait, and nothing can wake them")
        }
        None => format!(
            "all {} wait, and nothing can wake them",
            text::count(picture.alive().count(), "process")
        ),
    };
    format!("{first}\n{}", picture.describe(at))
}

/// The classic mistake with pipes: a reader waits for the end of the file, and
/// holds the write end itself. The same for a writer of a full pipe.
fn lonely_pipe(picture: &Picture, world: &World<'_>) -> Option<String> {
    for process in picture.alive() {
        for thread in &process.threads {
            let Wait::Pipe { fd, inode, writes } = thread.wait else {
                continue;
            };
            let holders = world.other_ends(inode, writes);
            if holders.is_empty() || holders.iter().any(|(pid, _)| *pid != process.pid) {
                continue;
            }
            let fds: Vec<_> = holders.iter().map(|(_, fd)| fd.to_string()).collect();
            let fds = fds.join(" and file descriptor ");
            let who = if picture.alive().count() == 1 {
                "your code".to_owned()
            } else {
                format!("process {}", process.pid)
            };
            return Some(if writes {
                format!(
                    "{who} writes to a full pipe (file descriptor {fd}), and the only read end is \
                     its own (file descriptor {fds}): the pipe will never have room again"
                )
            } else {
                format!(
                    "{who} reads from a pipe (file descriptor {fd}) whose only write end it holds \
                     itself (file descriptor {fds}): neither a byte nor the end of the file can \
                     ever arrive"
                )
            });
        }
    }
    None
}
