//! What an exploration can find, and how it describes blocked threads.

use std::fmt::Write as _;

use super::{Place, State, thread::Wait, thread::letter};

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum FailureKind {
    /// A panic in the code under test.
    Panic,
    /// A panic in the scenario: an assertion that did not hold.
    Assertion,
    /// No thread can ever run again.
    Deadlock,
    /// Threads run for ever without making progress.
    Spin,
    /// Two threads used a payload at the same time, or nothing orders their
    /// accesses.
    Race,
    /// The scenario has ended, and a thread that it started never will.
    Leak,
}

/// A place in a source file, owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// The file, as the compiler was given it.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl From<Place> for At {
    fn from(place: Place) -> Self {
        Self {
            file: place.file().to_owned(),
            line: place.line(),
            column: place.column(),
        }
    }
}

/// What went wrong in one execution.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its kind.
    pub kind: FailureKind,
    /// The cause in words, over one or several lines.
    pub message: String,
    /// Where in the source, if known.
    pub at: Option<At>,
}

/// `src/lib.rs:12`: a place, without the path that leads from a world crate to
/// the learner's file.
#[must_use]
pub fn short(file: &str, line: u32) -> String {
    let file = file.rsplit_once("/../").map_or(file, |(_, rest)| rest);
    let file = ["/src/", "/tests/", "/examples/", "/benches/"]
        .iter()
        .find_map(|folder| file.rfind(folder))
        .map_or(file, |start| &file[start + 1..]);
    format!("{file}:{line}")
}

/// [`short`] of a place.
#[must_use]
pub fn short_place(place: Place) -> String {
    short(place.file(), place.line())
}

impl State {
    /// `Mutex #1`, counted among the objects of its kind.
    #[must_use]
    pub fn object_name(&self, id: u32) -> String {
        let object = &self.objects[id as usize];
        let number = self.objects[..=id as usize]
            .iter()
            .filter(|other| other.kind.name() == object.kind.name())
            .count();
        format!("{} #{number}", object.kind.name())
    }

    /// What a thread waits for, in words, if it waits.
    #[must_use]
    pub fn waits_for(&self, thread: usize) -> Option<String> {
        let wait = self.threads[thread].wait?;
        Some(self.wait_in_words(wait))
    }

    fn wait_in_words(&self, wait: Wait) -> String {
        let named = |id: u32| {
            let made = short_place(self.objects[id as usize].made);
            format!("{} (made at {made})", self.object_name(id))
        };
        match wait {
            Wait::Lock(id) => {
                let object = &self.objects[id as usize];
                let mut text = named(id);
                if let Some(owner) = object.owner {
                    let _ = write!(text, ", which thread {} holds", letter(owner));
                } else if !object.readers.is_empty() {
                    let readers: Vec<_> = object.readers.iter().map(|t| letter(*t)).collect();
                    let _ = write!(
                        text,
                        ", which these threads hold as readers: {}",
                        readers.join(", ")
                    );
                }
                text
            }
            Wait::Condvar(id) => format!("a notification on {}", named(id)),
            Wait::Join(thread) => format!("thread {} to end", letter(thread)),
            Wait::Scope => "the threads of its scope to end".to_owned(),
            Wait::Park => "another thread to unpark it".to_owned(),
            Wait::Receive(id) => format!("a message on {}", named(id)),
            Wait::Send(id) => format!("room in {}", named(id)),
            Wait::Barrier(id) => format!("the other threads at {}", named(id)),
            Wait::Once(id) => format!("the initialization of {}", named(id)),
            Wait::Futex(id) => format!("a wake-up on the futex {}", named(id)),
            Wait::Change(id) => named(id),
        }
    }
}
