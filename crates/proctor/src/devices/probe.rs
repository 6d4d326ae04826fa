//! Drop probes: values that log when they are made, cloned and dropped, and by
//! which thread.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// A series of [`Probe`]s and everything that has happened to them, in order.
///
/// Code that moves values between threads, writes them into memory that is not
/// initialized, or unwinds halfway must drop each value exactly once. A test
/// hands it probes as items, results, payloads or captures, and reads the log:
///
/// ```
/// use proctor::{Life, Probes};
///
/// let probes = Probes::new();
/// let pair = [probes.probe(), probes.probe()];
/// std::thread::spawn(move || drop(pair)).join().unwrap();
///
/// assert_eq!(probes.made(), 2);
/// assert_eq!(probes.alive(), [0_u32; 0]);
/// assert_eq!(probes.wrongs(), [""; 0]);
/// let dropped: Vec<u32> = probes
///     .events()
///     .iter()
///     .filter(|event| event.what == Life::Dropped)
///     .map(|event| event.number)
///     .collect();
/// assert_eq!(dropped, [0, 1]); // in this order
/// ```
///
/// The log belongs to the process, not to the probes. If code drops a copy of a
/// probe that was dropped before, or memory that never held a probe, the log
/// records exactly that, and the process does not crash.
#[derive(Debug)]
pub struct Probes {
    series: u32,
    /// How many drops of memory that was never a probe there had been when this
    /// series began.
    strangers_before: u64,
}

/// One value of a series: it logs its own clones and its drop.
///
/// It is plain data (16 bytes without a pointer), `Send` and `Sync`. A test
/// that needs a value that is not `Clone`, or not `Send`, puts the probe into a
/// type of its own.
#[derive(Debug)]
pub struct Probe {
    series: u32,
    number: u32,
    /// Tells a probe from other bytes.
    seal: u64,
}

/// What can happen to a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Life {
    /// It was made by [`Probes::probe`].
    Made,
    /// It was made as a clone of the probe with this number.
    ClonedFrom(u32),
    /// It was dropped, for the first time.
    Dropped,
    /// It was dropped although it had been dropped before.
    DroppedAgain,
}

/// One event in the life of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub what: Life,
    /// Which probe of the series, counted from 0 in the order of creation.
    pub number: u32,
    /// On which thread, by the number that the kernel gave it (`gettid`).
    pub thread: i32,
}

/// The log of one series.
#[derive(Default)]
struct Log {
    events: Vec<Event>,
    /// By number: whether it was dropped.
    dropped: Vec<bool>,
}

/// Every series that is in use.
static LOGS: Mutex<BTreeMap<u32, Log>> = Mutex::new(BTreeMap::new());
static SERIES: AtomicU64 = AtomicU64::new(0);
/// Drops of memory that was never a probe.
static STRANGERS: AtomicU64 = AtomicU64::new(0);
/// Different in each process, so that no byte pattern is a probe by accident.
static KEY: LazyLock<RandomState> = LazyLock::new(RandomState::new);

fn logs() -> MutexGuard<'static, BTreeMap<u32, Log>> {
    LOGS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn note(log: &mut Log, what: Life, number: u32) {
    log.events.push(Event {
        what,
        number,
        thread: nix::unistd::gettid().as_raw(),
    });
}

impl Probes {
    /// A series without probes.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let series = SERIES.fetch_add(1, SeqCst) as u32;
        logs().insert(series, Log::default());
        Probes {
            series,
            strangers_before: STRANGERS.load(SeqCst),
        }
    }

    /// Makes the next probe. Any thread may call this.
    pub fn probe(&self) -> Probe {
        Probe::make(self.series, None)
    }

    /// How many probes there have been, clones included.
    pub fn made(&self) -> u32 {
        self.read(|log| log.dropped.len() as u32)
    }

    /// The numbers of the probes that are not dropped, in the order of
    /// creation.
    pub fn alive(&self) -> Vec<u32> {
        self.read(|log| {
            let numbers = (0..).zip(&log.dropped);
            numbers
                .filter(|(_, gone)| !**gone)
                .map(|(n, _)| n)
                .collect()
        })
    }

    /// Everything that has happened, in order.
    pub fn events(&self) -> Vec<Event> {
        self.read(|log| log.events.clone())
    }

    /// What must never happen: probes that were dropped twice, and drops of
    /// memory that never held a probe (of any series, since this one began).
    /// One sentence for each kind; nothing if all is well.
    pub fn wrongs(&self) -> Vec<String> {
        let twice = self.read(|log| {
            let again = |event: &&Event| event.what == Life::DroppedAgain;
            log.events.iter().filter(again).count()
        });
        let strangers = STRANGERS.load(SeqCst) - self.strangers_before;
        let mut wrongs = Vec::new();
        if twice > 0 {
            wrongs.push(format!(
                "a value was dropped again after it had been dropped ({twice} times)"
            ));
        }
        if strangers > 0 {
            wrongs.push(format!(
                "memory that never held a value was dropped ({strangers} times)"
            ));
        }
        wrongs
    }

    fn read<T>(&self, what: impl FnOnce(&Log) -> T) -> T {
        what(logs().entry(self.series).or_default())
    }
}

/// The probes may outlive their series. They are then no longer logged.
impl Drop for Probes {
    fn drop(&mut self) {
        logs().remove(&self.series);
    }
}

impl Probe {
    /// Its number in the series.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Whether it is really a probe, and has not been dropped. For a look at a
    /// result that may be a copy of something else.
    pub fn is_alive(&self) -> bool {
        let alive = |log: &Log| log.dropped.get(self.number as usize) == Some(&false);
        self.is_sealed() && logs().get(&self.series).is_some_and(alive)
    }

    fn make(series: u32, origin: Option<u32>) -> Probe {
        let mut number = 0;
        if let Some(log) = logs().get_mut(&series) {
            number = log.dropped.len() as u32;
            log.dropped.push(false);
            note(log, origin.map_or(Life::Made, Life::ClonedFrom), number);
        }
        Probe {
            series,
            number,
            seal: KEY.hash_one((series, number)),
        }
    }

    fn is_sealed(&self) -> bool {
        self.seal == KEY.hash_one((self.series, self.number))
    }
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        Probe::make(self.series, Some(self.number))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        if !self.is_sealed() {
            STRANGERS.fetch_add(1, SeqCst);
            return;
        }
        let mut logs = logs();
        let Some(log) = logs.get_mut(&self.series) else {
            return;
        };
        let Some(gone) = log.dropped.get_mut(self.number as usize) else {
            return;
        };
        let what = match std::mem::replace(gone, true) {
            false => Life::Dropped,
            true => Life::DroppedAgain,
        };
        note(log, what, self.number);
    }
}

/// A probe of size 0, for code that treats zero-sized types differently. It has
/// no number, because it has no memory. Only its creations and drops are
/// counted, over the whole process.
///
/// ```
/// use proctor::EmptyProbe;
///
/// let before = EmptyProbe::alive();
/// let three = [EmptyProbe::new(), EmptyProbe::new(), EmptyProbe::new()];
/// assert_eq!(EmptyProbe::alive() - before, 3);
/// drop(three);
/// assert_eq!(EmptyProbe::alive() - before, 0);
/// ```
#[derive(Debug)]
pub struct EmptyProbe(());

static EMPTY_MADE: AtomicU64 = AtomicU64::new(0);
static EMPTY_DROPPED: AtomicU64 = AtomicU64::new(0);

impl EmptyProbe {
    /// Makes one.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        EMPTY_MADE.fetch_add(1, SeqCst);
        EmptyProbe(())
    }

    /// Made minus dropped; negative if more were dropped than made.
    pub fn alive() -> i64 {
        EMPTY_MADE.load(SeqCst).cast_signed() - EMPTY_DROPPED.load(SeqCst).cast_signed()
    }
}

impl Drop for EmptyProbe {
    fn drop(&mut self) {
        EMPTY_DROPPED.fetch_add(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::mem::{ManuallyDrop, MaybeUninit};

    use super::{Life, Probe, Probes};

    #[test]
    fn a_life_is_logged() {
        let probes = Probes::new();
        let first = probes.probe();
        let second = first.clone();
        drop(first);
        let what: Vec<_> = probes.events().iter().map(|e| (e.what, e.number)).collect();
        let expected = [
            (Life::Made, 0),
            (Life::ClonedFrom(0), 1),
            (Life::Dropped, 0),
        ];
        assert_eq!(what, expected);
        assert_eq!(probes.alive(), [1]);
        assert!(second.is_alive());
    }

    #[test]
    fn a_second_drop_and_a_drop_of_nothing_are_told_apart() {
        let probes = Probes::new();
        let mut probe = ManuallyDrop::new(probes.probe());
        // SAFETY: a probe is plain data, made for being dropped wrongly.
        unsafe {
            ManuallyDrop::drop(&mut probe);
            ManuallyDrop::drop(&mut probe);
            MaybeUninit::<Probe>::zeroed().assume_init_drop();
        }
        let wrongs = probes.wrongs();
        assert_eq!(wrongs.len(), 2, "{wrongs:?}");
        assert!(wrongs[0].contains("dropped again"), "{wrongs:?}");
        assert!(wrongs[1].contains("never held"), "{wrongs:?}");
    }
}
