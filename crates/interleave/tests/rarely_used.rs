//! The rarer methods of std's `sync` and `thread` do the same in the worlds as in std.

mod common;
use common::{explored, fails, holds};
use interleave::FailureKind::Deadlock;

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::os::unix::thread::JoinHandleExt;
    use std::sync::atomic::{AtomicU32, Ordering::*};
    use std::sync::{Condvar, LazyLock, Mutex, Once, OnceLock, RwLock, mpsc};

    pub fn a_lazy_lock_is_looked_at_and_changed() {
        static MADE: AtomicU32 = AtomicU32::new(0);
        static LAZY: LazyLock<u32> = LazyLock::new(|| MADE.fetch_add(1, AcqRel) + 40);
        let thread = thread::spawn(|| LazyLock::get(&LAZY).copied());
        assert_eq!(*LAZY, 40);
        assert!(matches!(thread.join().unwrap(), None | Some(40)));
        assert_eq!(LazyLock::get(&LAZY), Some(&40));

        let mut own = LazyLock::new(|| vec![1]);
        assert_eq!(LazyLock::get(&own), None);
        assert_eq!(LazyLock::get_mut(&mut own), None);
        own.push(2);
        LazyLock::force_mut(&mut own).push(3);
        assert_eq!(LazyLock::get_mut(&mut own), Some(&mut vec![1, 2, 3]));
    }

    pub fn waiting_by_force_outlasts_a_panic() {
        static ONCE: Once = Once::new();
        let first = thread::spawn(|| ONCE.call_once(|| panic!("the first attempt")));
        assert!(first.join().is_err());
        let second = thread::spawn(|| ONCE.call_once_force(|state| assert!(state.is_poisoned())));
        ONCE.wait_force();
        second.join().unwrap();
        ONCE.wait();
    }
    pub fn waiting_for_a_poisoned_once_panics() {
        static ONCE: Once = Once::new();
        let first = thread::spawn(|| ONCE.call_once(|| panic!("the first attempt")));
        assert!(first.join().is_err());
        assert!(thread::spawn(|| ONCE.wait()).join().is_err());
    }
    pub fn waiting_for_a_value_outlasts_a_panic() {
        static CELL: OnceLock<u32> = OnceLock::new();
        let first = thread::spawn(|| { CELL.get_or_init(|| panic!("the first attempt")); });
        let second = thread::spawn(|| CELL.get_or_init(|| 4));
        assert_eq!(CELL.wait(), &4);
        assert_eq!(second.join().unwrap(), &4);
        let _ = first.join();
    }
    pub fn nobody_gives_the_value() {
        static CELL: OnceLock<u32> = OnceLock::new();
        CELL.wait();
    }

    #[allow(deprecated)]
    pub fn times_in_milliseconds() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || {
            thread::sleep_ms(2);
            *theirs.0.lock().unwrap() = true;
            theirs.1.notify_one();
        });
        let before = std::time::Instant::now();
        let mut guard = pair.0.lock().unwrap();
        let mut notified = true;
        while !*guard && notified {
            (guard, notified) = pair.1.wait_timeout_ms(guard, 5).unwrap();
        }
        assert!(*guard || before.elapsed().as_millis() >= 5);
        drop(guard);
        thread.join().unwrap();
        // It may wake up for no reason.
        while before.elapsed().as_millis() < 3 { thread::park_timeout_ms(3); }
        assert!(before.elapsed().as_millis() >= 3);
    }

    pub fn a_thread_that_borrows_unchecked() {
        let number = Mutex::new(1);
        // SAFETY: it is joined before the number is gone.
        let thread = unsafe { thread::Builder::new().spawn_unchecked(|| *number.lock().unwrap() += 1) };
        *number.lock().unwrap() += 1;
        thread.unwrap().join().unwrap();
        assert_eq!(number.into_inner().unwrap(), 3);
    }

    pub fn a_handle_goes_to_another_thread() {
        let (to, from) = mpsc::channel();
        let thread = thread::spawn(|| 5);
        to.send(thread).unwrap();
        let other = thread::spawn(move || from.recv().unwrap().join().unwrap());
        assert_eq!(other.join().unwrap(), 5);
    }

    pub fn a_lock_is_printed_as_in_std() {
        let lock = RwLock::new(3);
        assert_eq!(format!("{lock:?}"), "RwLock { data: 3, poisoned: false, .. }");
        let reader = lock.read().unwrap();
        assert_eq!(format!("{lock:?}"), "RwLock { data: 3, poisoned: false, .. }");
        drop(reader);
        let writer = lock.write().unwrap();
        assert_eq!(format!("{lock:?}"), "RwLock { data: <locked>, poisoned: false, .. }");
        drop(writer);
    }

    pub fn asks_for_a_pthread() {
        let thread = thread::spawn(|| ());
        let _ = thread.as_pthread_t();
        thread.join().unwrap();
    }
}

macro_rules! cases {
    ($($name:ident: $check:ident $($kind:ident)?;)*) => {
        $(#[test] fn $name() { $check(scenarios::$name $(, $kind)?); })*
    };
}

cases! {
    a_lazy_lock_is_looked_at_and_changed: holds;
    waiting_by_force_outlasts_a_panic: holds;
    waiting_for_a_poisoned_once_panics: holds;
    waiting_for_a_value_outlasts_a_panic: holds;
    nobody_gives_the_value: fails Deadlock;
    times_in_milliseconds: holds;
    a_thread_that_borrows_unchecked: holds;
    a_handle_goes_to_another_thread: holds;
    a_lock_is_printed_as_in_std: holds;
}

#[test]
fn a_pthread_is_no_verdict_and_says_why() {
    {
        let found = explored(scenarios::asks_for_a_pthread);
        assert!(found.failure.is_none(), "{found:?}");
        let why = found.not_judged.expect("there is no verdict");
        assert!(why.contains("rarely_used.rs:"), "{why}");
        assert!(why.contains("calls `as_pthread_t`"), "{why}");
        assert!(why.contains("cannot be explored"), "{why}");
    }
}
