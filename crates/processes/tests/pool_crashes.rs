//! Workers that die: each costs one item, and none is computed twice.

mod support;

use std::collections::HashMap;
use std::ffi::c_int;
use std::fs::File;
use std::io::{Read, Write, pipe};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use processes::proc::{self, Syscall};
use processes::{Ending, ItemError, Pid, ProcessPool};
use support::{me, until};

/// A file to which every call of the function appends its item.
struct Diary(File);

impl Diary {
    fn new() -> Diary {
        Diary(tempfile::tempfile().unwrap())
    }

    fn note(&self, item: u8) {
        (&self.0).write_all(&[item]).unwrap();
    }

    /// How often each item was noted.
    fn counts(&self) -> HashMap<u8, usize> {
        use std::os::unix::fs::FileExt;
        let mut notes = vec![0; self.0.metadata().unwrap().len() as usize];
        self.0.read_exact_at(&mut notes, 0).unwrap();
        let mut counts = HashMap::new();
        for note in notes {
            *counts.entry(note).or_default() += 1;
        }
        counts
    }
}

const EXIT: u8 = 20;
const SEGFAULT: u8 = 40;
const KILL: u8 = 41;
const PANIC: u8 = 60;
const ABORT: u8 = 79;

fn dangerous(item: u8) -> u32 {
    match item {
        EXIT => std::process::exit(7),
        // SAFETY: none: there is nothing at this address, which is the point.
        SEGFAULT => unsafe { std::ptr::without_provenance_mut::<u8>(16).write_volatile(1) },
        KILL => raise(Signal::SIGKILL).unwrap(),
        PANIC => panic!("item {item} is poisonous"),
        ABORT => std::process::abort(),
        _ => {}
    }
    u32::from(item) * 10
}

#[test]
fn a_crash_costs_one_item_and_nothing_is_computed_twice() {
    for chunk in [1, 3, 10, 80] {
        let diary = Diary::new();
        let mut pool = ProcessPool::keeping(2, &[diary.0.as_fd()], |item: u8| {
            diary.note(item);
            dangerous(item)
        })
        .unwrap();
        let results = pool.map_chunks(chunk, 0..80).unwrap();
        assert_eq!(results.len(), 80);
        for (item, result) in (0..80).zip(results) {
            let killed = |signal| match &result {
                Err(ItemError::Died(Some(ending))) => ending.signal() == Some(signal),
                _ => false,
            };
            let as_expected = match item {
                EXIT => result == Err(ItemError::Died(Some(Ending::Exited(7)))),
                SEGFAULT => killed(libc::SIGSEGV),
                KILL => killed(libc::SIGKILL),
                PANIC => result == Err(ItemError::Panicked("item 60 is poisonous".into())),
                ABORT => killed(libc::SIGABRT),
                _ => result == Ok(u32::from(item) * 10),
            };
            assert!(as_expected, "chunks of {chunk}: item {item}: {result:?}");
        }
        let counts = diary.counts();
        assert!(
            (0..80).all(|item| counts.get(&item) == Some(&1)),
            "{counts:?}"
        );
        // And the pool goes on.
        assert_eq!(pool.map([1, 2]).unwrap(), [Ok(10), Ok(20)]);
    }
}

#[test]
fn when_every_item_is_poison_every_item_has_its_error() {
    let mut pool =
        ProcessPool::new(2, |item: u8| -> u8 { std::process::exit(item.into()) }).unwrap();
    let results = pool.map_chunks(7, 0..30_u8).unwrap();
    let expected = (0..30).map(|item| Err(ItemError::Died(Some(Ending::Exited(item)))));
    assert!(results.into_iter().eq(expected));
}

#[test]
fn a_worker_killed_while_it_has_nothing_to_do_costs_nothing() {
    let mut pool = ProcessPool::new(2, |item: u8| item).unwrap();
    let results = |pool: &mut ProcessPool<u8, u8>| pool.map_chunks(1, 0..20).unwrap();
    assert!(results(&mut pool).into_iter().all(|result| result.is_ok()));
    for worker in pool.workers() {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(worker), Signal::SIGKILL).unwrap();
    }
    assert!(results(&mut pool).into_iter().all(|result| result.is_ok()));
}

#[test]
fn a_replaced_worker_begins_anew() {
    let mut state = 0;
    let mut pool = ProcessPool::new(1, |item: u8| {
        state += 1;
        assert_ne!(item, 3, "the third");
        state
    })
    .unwrap();
    let results = pool.map_chunks(10, 1..=5).unwrap();
    let panicked =
        matches!(&results[2], Err(ItemError::Panicked(why)) if why.contains("the third"));
    assert!(panicked, "{results:?}");
    assert_eq!(
        (&results[..2], &results[3..]),
        (&[Ok(1), Ok(2)][..], &[Ok(1), Ok(2)][..])
    );
}

/// A worker whose memory is broken may write anything, anywhere.
#[test]
fn garbage_from_a_worker_ends_the_worker() {
    let mut pool = ProcessPool::new(2, |item: u8| {
        if item == 5 {
            for fd in 3..64 {
                // SAFETY: the bytes live; what the descriptors are is the point.
                unsafe { libc::write(fd, [0xff_u8; 64].as_ptr().cast(), 64) };
            }
            loop {
                std::thread::yield_now();
            }
        }
        item
    })
    .unwrap();
    let results = pool.map_chunks(4, 0..40).unwrap();
    for (item, result) in (0..40).zip(results) {
        match item {
            5 => assert!(matches!(result, Err(ItemError::Died(_))), "{result:?}"),
            // Results that it had not sent are not to be believed.
            4 => {}
            _ => assert_eq!(result, Ok(item)),
        }
    }
}

/// Serde calls these; they make values that do not survive the way.
mod untransportable {
    use serde::de::Error as _;
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Debug, PartialEq)]
    pub(crate) struct Picky(pub(crate) u8);

    impl Serialize for Picky {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                1 => Err(S::Error::custom("not one")),
                _ => self.0.serialize(serializer),
            }
        }
    }

    impl<'de> Deserialize<'de> for Picky {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match u8::deserialize(deserializer)? {
                2 => Err(D::Error::custom("not two")),
                value => Ok(Picky(value)),
            }
        }
    }
}

#[test]
fn an_item_or_result_that_cannot_travel_has_its_error() {
    use untransportable::Picky;
    let mut items = ProcessPool::new(1, |Picky(item)| item).unwrap();
    let results = items.map_chunks(10, (0..5).map(Picky)).unwrap();
    let (lost, fine): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_err);
    assert_eq!(fine, [Ok(0), Ok(3), Ok(4)]);
    assert!(
        lost.iter()
            .all(|result| matches!(result, Err(ItemError::Item(_)))),
        "{lost:?}"
    );

    let mut answers = ProcessPool::new(1, Picky).unwrap();
    let results = answers.map_chunks(10, 0..5_u8).unwrap();
    assert!(
        matches!(&results[1], Err(ItemError::Answer(_))),
        "{results:?}"
    );
    assert!(
        matches!(&results[2], Err(ItemError::Answer(_))),
        "{results:?}"
    );
    assert_eq!(results[3], Ok(Picky(3)));
}

static HANDLED: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: c_int) {
    HANDLED.fetch_add(1, Ordering::Relaxed);
}

fn waits_in(tid: Pid, call: i64) -> bool {
    let place = proc::syscall(me(), tid);
    place.is_ok_and(|place| matches!(place, Syscall::Inside { number, .. } if number == call))
}

#[test]
fn signals_in_the_program_do_not_show() {
    // Without SA_RESTART.
    let action = SigAction::new(
        SigHandler::Handler(count),
        SaFlags::empty(),
        SigSet::empty(),
    );
    // SAFETY: the handler touches one atomic.
    unsafe { sigaction(Signal::SIGALRM, &action) }.unwrap();
    let (leave, mut may_leave) = pipe().unwrap();
    let tid = nix::unistd::gettid().as_raw();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..50 {
                let before = HANDLED.load(Ordering::Relaxed);
                until("it waits", || waits_in(tid, libc::SYS_ppoll));
                // SAFETY: tgkill takes three numbers.
                unsafe { libc::syscall(libc::SYS_tgkill, me(), tid, libc::SIGALRM) };
                until("it was interrupted", || {
                    HANDLED.load(Ordering::Relaxed) > before
                });
            }
            may_leave.write_all(&[0]).unwrap();
        });
        let mut pool = ProcessPool::keeping(1, &[leave.as_fd()], |item: u8| {
            (&leave).read_exact(&mut [0]).unwrap();
            item
        })
        .unwrap();
        assert_eq!(pool.map([7]).unwrap(), [Ok(7)]);
    });
}
