//! Wrong programs that wait for what never comes. Each must be rejected, for its own reason.

mod common;
use common::fails;
use interleave::FailureKind::Deadlock;

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
    use std::sync::{Condvar, Mutex, RwLock, mpsc};

    pub fn locks_in_opposite_order() {
        static A: Mutex<()> = Mutex::new(());
        static B: Mutex<()> = Mutex::new(());
        let thread = thread::spawn(|| { let _a = A.lock(); let _b = B.lock(); });
        { let _b = B.lock(); let _a = A.lock(); }
        thread.join().unwrap();
    }

    pub fn condition_variable_without_a_flag() {
        let pair = Arc::new((Mutex::new(()), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || theirs.1.notify_one());
        drop(pair.1.wait(pair.0.lock().unwrap()));
        thread.join().unwrap();
    }

    pub fn flag_set_outside_the_lock() {
        let shared = Arc::new((Mutex::new(()), Condvar::new(), AtomicBool::new(false)));
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            theirs.2.store(true, SeqCst);
            theirs.1.notify_one();
        });
        let mut guard = shared.0.lock().unwrap();
        while !shared.2.load(SeqCst) { guard = shared.1.wait(guard).unwrap(); }
        drop(guard);
        thread.join().unwrap();
    }

    pub fn locks_what_it_holds() {
        let lock = Mutex::new(());
        let _one = lock.lock();
        let _two = lock.lock();
    }

    pub fn upgrades_a_read_lock() {
        let lock = RwLock::new(());
        let _reader = lock.read();
        let _writer = lock.write();
    }

    pub fn forgets_to_notify() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || *theirs.0.lock().unwrap() = true);
        let mut ready = pair.0.lock().unwrap();
        while !*ready { ready = pair.1.wait(ready).unwrap(); }
        drop(ready);
        thread.join().unwrap();
    }

    pub fn joins_in_a_circle() {
        let (sender, receiver) = mpsc::channel::<thread::JoinHandle<()>>();
        let one = thread::spawn(move || receiver.recv().unwrap().join().unwrap());
        let (to_two, from_main) = mpsc::channel::<thread::JoinHandle<()>>();
        let two = thread::spawn(move || from_main.recv().unwrap().join().unwrap());
        to_two.send(one).unwrap();
        sender.send(two).unwrap();
        thread::park();
    }

    pub fn receives_from_itself() {
        let (sender, receiver) = mpsc::channel::<u32>();
        let _ = receiver.recv();
        drop(sender);
    }

    // The count is not set back before the first round's threads look at it.
    pub fn barrier_without_a_generation() {
        let shared = Arc::new((Mutex::new(0), Condvar::new()));
        fn wait(shared: &(Mutex<u32>, Condvar)) {
            let mut count = shared.0.lock().unwrap();
            *count += 1;
            if *count == 2 {
                *count = 0;
                shared.1.notify_all();
            } else {
                while *count != 0 { count = shared.1.wait(count).unwrap(); }
            }
        }
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || { wait(&theirs); wait(&theirs); });
        wait(&shared);
        wait(&shared);
        thread.join().unwrap();
    }

    pub fn futex_woken_before_the_store() {
        use std::futex;
        let word = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&word);
        let thread = thread::spawn(move || {
            futex::wake_one(&theirs);
            theirs.store(1, Release);
        });
        while word.load(Acquire) == 0 { futex::wait(&word, 0); }
        thread.join().unwrap();
    }
}

macro_rules! wrong {
    ($($name:ident: $check:ident $kind:ident;)*) => {
        $(#[test] fn $name() { $check(scenarios::$name, $kind); })*
    };
}

wrong! {
    locks_in_opposite_order: fails Deadlock;
    condition_variable_without_a_flag: fails Deadlock;
    flag_set_outside_the_lock: fails Deadlock;
    locks_what_it_holds: fails Deadlock;
    upgrades_a_read_lock: fails Deadlock;
    forgets_to_notify: fails Deadlock;
    joins_in_a_circle: fails Deadlock;
    receives_from_itself: fails Deadlock;
    barrier_without_a_generation: fails Deadlock;
    futex_woken_before_the_store: fails Deadlock;
}
