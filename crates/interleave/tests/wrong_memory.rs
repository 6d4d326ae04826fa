//! Wrong programs whose orderings are too weak. Each must be rejected, for its own reason.

mod common;
use common::fails;
use interleave::FailureKind::{Assertion, Race};

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*, fence};
    use std::sync::Mutex;

    pub fn relaxed_message_passing() {
        let pair = Arc::new((Tracked::new(0), AtomicBool::new(false)));
        let theirs = Arc::clone(&pair);
        let writer = thread::spawn(move || {
            theirs.0.set(42);
            theirs.1.store(true, Relaxed);
        });
        if pair.1.load(Relaxed) { pair.0.get(); }
        writer.join().unwrap();
    }

    pub fn relaxed_unlock() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            while lock.0.swap(true, Acquire) {}
            lock.1.update(|n| n + 1);
            lock.0.store(false, Relaxed);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
    }

    pub fn relaxed_lock() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            while lock.0.swap(true, Relaxed) {}
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
    }

    pub fn own_arc_without_acquire() {
        struct Shared { count: AtomicUsize, value: Tracked<u32> }
        let shared: *mut Shared = Box::into_raw(Box::new(Shared { count: AtomicUsize::new(2), value: Tracked::new(0) }));
        fn release(shared: *mut Shared) {
            // SAFETY: the thread that counts down to 0 is the last to use it.
            unsafe {
                (*shared).value.with(|_| ());
                if (*shared).count.fetch_sub(1, Release) == 1 {
                    Box::from_raw(shared).value.into_inner();
                }
            }
        }
        let address = shared.expose_provenance();
        let thread = thread::spawn(move || release(std::ptr::with_exposed_provenance_mut(address)));
        release(shared);
        thread.join().unwrap();
    }

    pub fn relaxed_channel_hands_over_a_payload() {
        let slot = Arc::new((Mutex::new(None), AtomicUsize::new(0)));
        let theirs = Arc::clone(&slot);
        let cell = Arc::new(Tracked::new(0));
        let in_thread = Arc::clone(&cell);
        let thread = thread::spawn(move || {
            *theirs.0.lock().unwrap() = Some(());
            in_thread.set(7);
            theirs.1.store(1, Relaxed);
        });
        if slot.1.load(Acquire) == 1 { cell.get(); }
        thread.join().unwrap();
    }

    pub fn store_buffer() {
        let flags = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let theirs = Arc::clone(&flags);
        let thread = thread::spawn(move || {
            theirs.0.store(1, Release);
            theirs.1.load(Acquire)
        });
        flags.1.store(1, Release);
        let mine = flags.0.load(Acquire);
        assert!(mine + thread.join().unwrap() > 0, "both were late");
    }

    // Fences that are too weak for a store buffer.
    pub fn store_buffer_with_weak_fences() {
        let flags = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let theirs = Arc::clone(&flags);
        let thread = thread::spawn(move || {
            theirs.0.store(1, Relaxed);
            fence(AcqRel);
            theirs.1.load(Relaxed)
        });
        flags.1.store(1, Relaxed);
        fence(AcqRel);
        let mine = flags.0.load(Relaxed);
        assert!(mine + thread.join().unwrap() > 0);
    }
}

macro_rules! wrong {
    ($($name:ident: $check:ident $kind:ident;)*) => {
        $(#[test] fn $name() { $check(scenarios::$name, $kind); })*
    };
}

wrong! {
    relaxed_message_passing: fails Race;
    relaxed_unlock: fails Race;
    relaxed_lock: fails Race;
    own_arc_without_acquire: fails Race;
    relaxed_channel_hands_over_a_payload: fails Race;
    store_buffer: fails Assertion;
    store_buffer_with_weak_fences: fails Assertion;
}
