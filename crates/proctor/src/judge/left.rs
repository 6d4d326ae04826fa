//! Demands that calls have left nothing behind, by what the kernel counted, and
//! have printed nothing.

use super::Answer;
use crate::text::count;

/// What may be left after calls. [`Left::default`] is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Processes that still run, orphans included.
    pub processes: u32,
    /// Processes that still run, or have ended, and whose parent is neither the
    /// caller nor one of its descendants.
    pub orphans: u32,
    /// Processes that have ended, and that no process has waited for.
    pub zombies: u32,
    /// Threads besides the one that answered.
    pub threads: u32,
    /// Open descriptors that were not open before.
    pub descriptors: u32,
}

impl<A> Answer<A> {
    /// Panics if processes, zombies, threads, descriptors, files, shared memory
    /// or queues are left. `when` is the beginning of the cause, such as `"the
    /// call has returned"`.
    #[track_caller]
    pub fn nothing_is_left(&self, when: &str) {
        self.only_this_is_left(Left::default(), when);
    }

    /// [`nothing_is_left`](Self::nothing_is_left) for a test that leaves
    /// something itself. Each number in `left` is the most that may be left.
    #[track_caller]
    pub fn only_this_is_left(&self, left: Left, when: &str) {
        if let Some(what) = self.is_left(left) {
            panic!("{when}, {what}");
        }
    }

    /// Panics if the subject has printed anything on standard output or
    /// standard error.
    #[track_caller]
    pub fn nothing_is_printed(&self) {
        let (stdout, stderr) = (&self.output.stdout, &self.output.stderr);
        assert!(
            stdout.is_empty() && stderr.is_empty(),
            "nothing was to be printed, and standard output got {stdout:?} and standard error {stderr:?}"
        );
    }

    fn is_left(&self, left: Left) -> Option<String> {
        let found = &self.evidence;
        let beyond = |found: u32, may: u32| found.checked_sub(may).filter(|&more| more > 0);
        if let Some(more) = beyond(found.orphans, left.orphans) {
            return Some(format!(
                "and {} not, or no longer, a child of the caller: only the parent can wait for a process",
                is(more, "process")
            ));
        }
        if let Some(more) = beyond(found.zombies, left.zombies) {
            return Some(match more {
                1 => "and 1 process is a zombie: it has ended, and nobody has waited for it".into(),
                _ => format!(
                    "and {more} processes are zombies: they have ended, and nobody has waited for them"
                ),
            });
        }
        if let Some(more) = beyond(found.children, left.processes) {
            return Some(format!("and {} still running", is(more, "process")));
        }
        if let Some(more) = beyond(found.threads, left.threads + 1) {
            return Some(format!("and {} still running", is(more, "thread")));
        }
        if let Some(more) = beyond(found.descriptors_left, left.descriptors) {
            return Some(format!(
                "and {} still open that {} not open before",
                is(more, "descriptor"),
                if more == 1 { "was" } else { "were" }
            ));
        }
        let kept = [&found.relics[..], &found.files_left[..]].concat();
        (!kept.is_empty()).then(|| format!("and this is left: {}", kept.join(", ")))
    }
}

/// `1 thread is`, `2 threads are`.
fn is(number: u32, what: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", count(number as usize, what))
}

#[cfg(test)]
mod tests {
    use super::Left;
    use crate::judge::Answer;
    use records::{Evidence, Output};

    /// An answer after which only the calling thread is left.
    fn answer() -> Answer<()> {
        let evidence = Evidence {
            threads: 1,
            ..Evidence::default()
        };
        Answer {
            value: (),
            evidence,
            output: Output::default(),
        }
    }

    #[test]
    fn nothing_is_left_of_a_call_that_leaves_nothing() {
        assert_eq!(answer().is_left(Left::default()), None);
    }

    #[test]
    fn each_thing_that_is_left_is_named_and_may_be_allowed() {
        type Change = fn(&mut Evidence);
        let cases: [(Change, Left, &str); 7] = [
            (
                |found| found.children = 1,
                Left {
                    processes: 1,
                    ..Left::default()
                },
                "1 process is still running",
            ),
            (
                |found| found.orphans = 1,
                Left {
                    orphans: 1,
                    ..Left::default()
                },
                "only the parent can wait",
            ),
            (
                |found| found.zombies = 2,
                Left {
                    zombies: 2,
                    ..Left::default()
                },
                "2 processes are zombies",
            ),
            (
                |found| found.threads = 3,
                Left {
                    threads: 2,
                    ..Left::default()
                },
                "2 threads are still running",
            ),
            (
                |found| found.descriptors_left = 1,
                Left {
                    descriptors: 1,
                    ..Left::default()
                },
                "1 descriptor is still open that was not open before",
            ),
            (
                |found| found.relics.push("/queue".into()),
                Left::default(),
                "this is left: /queue",
            ),
            (
                |found| found.files_left.push("socket".into()),
                Left::default(),
                "this is left: socket",
            ),
        ];
        for (change, allowed, says) in cases {
            let mut answer = answer();
            change(&mut answer.evidence);
            let what = answer.is_left(Left::default()).expect(says);
            assert!(what.contains(says), "{what}");
            if allowed != Left::default() {
                assert_eq!(answer.is_left(allowed), None, "{says}");
            }
        }
    }
}
