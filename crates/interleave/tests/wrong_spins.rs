//! Wrong programs that spin for ever. Each must be rejected, for its own reason.

mod common;
use common::fails;
use interleave::FailureKind::{Race, Spin};

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::atomic::{AtomicBool, Ordering::*};
    use std::sync::Mutex;

    pub fn spins_for_ever() {
        let flag = AtomicBool::new(false);
        while !flag.load(Acquire) {}
    }

    pub fn waits_for_a_plain_bool_with_fences() {
        let held = std::cell::UnsafeCell::new(true);
        // SAFETY: no other thread knows of it.
        while unsafe { held.get().read_volatile() } { std::sync::atomic::fence(SeqCst); }
    }

    pub fn two_spin_on_each_other() {
        let flags = Arc::new((AtomicBool::new(false), AtomicBool::new(false)));
        let theirs = Arc::clone(&flags);
        let thread = thread::spawn(move || {
            while !theirs.0.load(Acquire) { thread::yield_now(); }
            theirs.1.store(true, Release);
        });
        while !flags.1.load(Acquire) { std::hint::spin_loop(); }
        flags.0.store(true, Release);
        thread.join().unwrap();
    }

    pub fn the_lock_is_never_released() {
        let lock = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || while theirs.swap(true, Acquire) {});
        while lock.swap(true, Acquire) {}
        thread.join().unwrap();
    }

    pub fn both_step_back_for_ever() {
        static A: Mutex<()> = Mutex::new(());
        static B: Mutex<()> = Mutex::new(());
        fn take(first: &Mutex<()>, second: &Mutex<()>) {
            loop {
                let one = first.lock().unwrap();
                if second.try_lock().is_ok() { return; }
                drop(one);
            }
        }
        let thread = thread::spawn(|| take(&A, &B));
        take(&B, &A);
        thread.join().unwrap();
    }

    pub fn a_spin_that_gives_up_and_goes_in() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            let mut looks = 0;
            while lock.0.swap(true, Acquire) && looks < 30 { looks += 1; }
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
    }
}

macro_rules! wrong {
    ($($name:ident: $check:ident $kind:ident;)*) => {
        $(#[test] fn $name() { $check(scenarios::$name, $kind); })*
    };
}

wrong! {
    spins_for_ever: fails Spin;
    waits_for_a_plain_bool_with_fences: fails Spin;
    two_spin_on_each_other: fails Spin;
    the_lock_is_never_released: fails Spin;
    both_step_back_for_ever: fails Spin;
    a_spin_that_gives_up_and_goes_in: fails Race;
}
