//! Notices when a learner's file was saved.
//!
//! The kernel's file events ([`notify`]) only say *when to look*. Whether
//! something was saved is decided by the content of the files. So it does not
//! matter how an editor saves (in place, or with a new file that is renamed
//! over the old one). In addition, this module looks at the files from time to
//! time, and so finds what no event reported: changes in network and shared
//! folders, folders that were renamed, and all changes if the kernel has no
//! watches left.

use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::{EventKind, RecursiveMode, Watcher};

use super::state::Event;

/// An editor writes a file in several steps: wait until nothing happens for this long …
const PAUSE: Duration = Duration::from_millis(10);
/// … but wait no longer than this in all.
const LONGEST: Duration = Duration::from_millis(50);
/// How often to look if no event comes.
const PERIOD: Duration = Duration::from_millis(400);
/// A file that is gone for a shorter time is only being saved.
const GONE: Duration = Duration::from_millis(250);
/// Of larger files, only the length is compared.
const LARGEST: u64 = 4 << 20;

/// What the watching thread is told.
enum Told {
    /// Something changed somewhere.
    Look,
    /// Another exercise is open.
    Folder(PathBuf),
}

/// Watches one exercise's folder at a time.
#[derive(Debug)]
pub struct Watch {
    tell: Sender<Told>,
    // Dropping it ends the kernel's watch.
    _watcher: Option<notify::RecommendedWatcher>,
}

impl Watch {
    /// Watches what is below `exercises`, for the exercise in `folder`.
    pub fn start(exercises: &Path, folder: &Path, events: Sender<Event>) -> Watch {
        let (tell, told) = channel();
        let look = tell.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let is_read = matches!(&event, Ok(event) if matches!(event.kind, EventKind::Access(_)));
            if !is_read {
                let _ = look.send(Told::Look);
            }
        })
        .and_then(|mut watcher| {
            watcher.watch(exercises, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        let now = Seen::of(folder);
        let folder = folder.to_owned();
        thread::spawn(move || watch(folder, now, &told, &events));
        Watch {
            tell,
            // If this failed, looking from time to time remains.
            _watcher: watcher.ok(),
        }
    }

    /// Another exercise is open.
    pub fn look_at(&self, folder: &Path) {
        let _ = self.tell.send(Told::Folder(folder.to_owned()));
    }
}

/// What a look at the files found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The files are there. The number is a hash of their names and contents.
    Files(u64),
    /// The learner's file does not exist.
    Gone,
}

impl Seen {
    fn of(folder: &Path) -> Seen {
        if !folder.join("src/lib.rs").is_file() {
            return Seen::Gone;
        }
        let mut hasher = DefaultHasher::new();
        add(folder, 4, &mut hasher);
        Seen::Files(hasher.finish())
    }
}

/// Adds the names and texts of all sources and manifests below a folder.
fn add(folder: &Path, depth: usize, hasher: &mut DefaultHasher) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || name == "target" {
            continue;
        }
        if path.is_dir() {
            if depth > 0 {
                add(&path, depth - 1, hasher);
            }
        } else if name.ends_with(".rs") || name.ends_with(".toml") {
            let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
            hasher.write(name.as_bytes());
            hasher.write_u64(length);
            if length <= LARGEST {
                hasher.write(&fs::read(&path).unwrap_or_default());
            }
        }
    }
}

fn watch(mut folder: PathBuf, mut known: Seen, told: &Receiver<Told>, events: &Sender<Event>) {
    let mut gone_since: Option<Instant> = None;
    loop {
        let period = if gone_since.is_some() { GONE } else { PERIOD };
        match told.recv_timeout(period) {
            Ok(Told::Folder(other)) => {
                folder = other;
                known = Seen::of(&folder);
                gone_since = None;
                // If the file is gone from the start, that has to be reported.
                if known == Seen::Gone {
                    known = Seen::Files(0);
                }
            }
            Ok(Told::Look) => {
                if let Some(other) = settle(told) {
                    folder = other;
                    known = Seen::of(&folder);
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let now = Seen::of(&folder);
        if now == known {
            gone_since = None;
            continue;
        }
        if now == Seen::Gone {
            let since = *gone_since.get_or_insert_with(Instant::now);
            if since.elapsed() < GONE {
                continue;
            }
        }
        known = now;
        gone_since = None;
        let event = match now {
            Seen::Files(_) => Event::Saved,
            Seen::Gone => Event::Missing(missing(&folder)),
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// Waits until no more events come. Returns the folder that was opened
/// meanwhile, if one was.
fn settle(told: &Receiver<Told>) -> Option<PathBuf> {
    let started = Instant::now();
    let mut folder = None;
    while started.elapsed() < LONGEST {
        match told.recv_timeout(PAUSE) {
            Ok(Told::Look) => {}
            Ok(Told::Folder(other)) => folder = Some(other),
            Err(_) => break,
        }
    }
    folder
}

/// A sentence with the path, relative to the course's folder.
fn missing(folder: &Path) -> String {
    let file = folder.join("src/lib.rs");
    let gone = if folder.is_dir() { &file } else { folder };
    let root = folder
        .ancestors()
        .find(|above| above.join("exercises").is_dir());
    let short = root.and_then(|root| gone.strip_prefix(root).ok());
    format!(
        "{} does not exist any more",
        short.unwrap_or(gone).display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exercise() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("src")).unwrap();
        fs::write(folder.path().join("src/lib.rs"), "one").unwrap();
        folder
    }

    /// The next event. The time limit is longer than any wait here.
    fn next(events: &Receiver<Event>) -> Event {
        events.recv_timeout(Duration::from_secs(30)).unwrap()
    }

    #[test]
    fn a_save_in_place_and_one_by_renaming_are_seen() {
        let folder = exercise();
        let (send, events) = channel();
        let _watch = Watch::start(folder.path(), folder.path(), send);
        fs::write(folder.path().join("src/lib.rs"), "two").unwrap();
        assert!(matches!(next(&events), Event::Saved));
        fs::write(folder.path().join("src/.new"), "three").unwrap();
        fs::rename(
            folder.path().join("src/.new"),
            folder.path().join("src/lib.rs"),
        )
        .unwrap();
        assert!(matches!(next(&events), Event::Saved));
    }

    #[test]
    fn a_folder_that_goes_is_missed_and_one_that_returns_is_found() {
        let folder = exercise();
        let (inside, aside) = (folder.path().join("src"), folder.path().join("elsewhere"));
        let (send, events) = channel();
        let _watch = Watch::start(folder.path(), folder.path(), send);
        fs::rename(&inside, &aside).unwrap();
        assert!(matches!(next(&events), Event::Missing(said) if said.contains("lib.rs")));
        fs::rename(&aside, &inside).unwrap();
        assert!(matches!(next(&events), Event::Saved));
    }

    #[test]
    fn a_save_where_no_event_comes_is_found_by_looking() {
        let folder = exercise();
        let (send, events) = channel();
        // The kernel watches another folder.
        let elsewhere = tempfile::tempdir().unwrap();
        let _watch = Watch::start(elsewhere.path(), folder.path(), send);
        fs::write(folder.path().join("src/lib.rs"), "two").unwrap();
        assert!(matches!(next(&events), Event::Saved));
    }

    #[test]
    fn the_same_text_again_is_no_save() {
        let folder = exercise();
        let before = Seen::of(folder.path());
        fs::write(folder.path().join("src/lib.rs"), "one").unwrap();
        fs::write(folder.path().join("src/.lib.rs.swp"), "x").unwrap();
        assert_eq!(Seen::of(folder.path()), before);
    }
}
