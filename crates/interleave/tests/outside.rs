//! Scenarios that do what no search can repeat. Each is said in one sentence, is never a pass, and
//! ends.

mod common;
use common::{explored, holds};

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use interleave_model::real_std as real;
    use std::sync::atomic::{AtomicU32, Ordering::*};
    use std::sync::{Mutex, mpsc};

    fn and_two_additions(between: impl FnOnce() + Send + 'static) {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || {
            theirs.fetch_add(1, Relaxed);
            between();
            theirs.fetch_add(1, Relaxed);
        });
        counter.fetch_add(1, Relaxed);
        thread.join().unwrap();
    }

    pub fn reads_a_file() {
        and_two_additions(|| { let _ = real::fs::read("/etc/hostname"); });
    }
    pub fn asks_whether_a_file_exists() {
        and_two_additions(|| { let _ = real::path::Path::new("/etc/hostname").exists(); });
    }
    pub fn starts_a_process() {
        and_two_additions(|| { let _ = real::process::Command::new("true").status(); });
    }
    pub fn forks() {
        // SAFETY: the child would only exit.
        and_two_additions(|| unsafe { if libc::fork() == 0 { libc::_exit(0); } });
    }
    pub fn starts_a_real_thread() {
        and_two_additions(|| { real::thread::spawn(|| ()).join().unwrap(); });
    }
    pub fn sleeps() {
        and_two_additions(|| real::thread::sleep(real::time::Duration::from_millis(1)));
    }
    pub fn waits_for_a_moment() {
        and_two_additions(|| real::thread::park_timeout(real::time::Duration::from_millis(100)));
    }
    pub fn calls_the_system_for_ever() {
        and_two_additions(|| loop { let _ = real::process::id(); });
    }
    pub fn reads_from_a_pipe() {
        and_two_additions(|| { let _ = real::io::pipe(); });
    }
    pub fn connects() {
        and_two_additions(|| { let _ = real::net::TcpListener::bind("127.0.0.1:0"); });
    }
    pub fn deadlocks_on_a_real_lock() {
        let lock = Arc::new(real::sync::Mutex::new(0));
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = (Arc::clone(&lock), Arc::clone(&counter));
        let thread = thread::spawn(move || {
            let mut guard = theirs.0.lock().unwrap();
            *guard += theirs.1.fetch_add(1, Relaxed);
        });
        let mut guard = lock.lock().unwrap();
        *guard += counter.fetch_add(1, Relaxed);
        *guard += counter.fetch_add(1, Relaxed);
        drop(guard);
        thread.join().unwrap();
    }
    pub fn receives_from_a_real_channel() {
        let (to, from) = real::sync::mpsc::channel();
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || { theirs.fetch_add(1, Relaxed); to.send(1).unwrap(); });
        counter.fetch_add(1, Relaxed);
        assert_eq!(from.recv(), Ok(1));
        thread.join().unwrap();
    }
    pub fn turns_for_ever() {
        and_two_additions(|| loop { real::hint::black_box(()); });
    }
    pub fn spins_on_a_real_atomic() {
        let ready = Arc::new(real::sync::atomic::AtomicBool::new(false));
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = (Arc::clone(&ready), Arc::clone(&counter));
        let thread = thread::spawn(move || {
            theirs.1.fetch_add(1, Relaxed);
            theirs.0.store(true, Release);
        });
        counter.fetch_add(1, Relaxed);
        while !ready.load(Acquire) { real::hint::spin_loop(); }
        thread.join().unwrap();
    }

    pub fn prints_and_computes() {
        let lock = Arc::new(Mutex::new(vec![0_u8; 100_000]));
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            let mut bytes = theirs.lock().unwrap();
            bytes.resize(3_000_000, 1);
            eprintln!("{}", bytes.len());
        });
        lock.lock().unwrap().push(1);
        thread.join().unwrap();
    }
    pub fn panics_with_a_message() {
        let thread = thread::spawn(|| panic!("{:?}", real::thread::available_parallelism().is_ok()));
        let (to, from) = mpsc::channel();
        to.send(1).unwrap();
        assert_eq!(from.recv(), Ok(1));
        assert!(thread.join().is_err());
    }
    pub fn has_a_random_hasher() {
        let numbers: real::collections::HashMap<_, _> = (0..9).map(|n| (n, n)).collect();
        and_two_additions(move || assert_eq!(numbers.len(), 9));
    }
}

macro_rules! not_judged {
    ($($name:ident: $words:literal;)*) => {
        $(#[test] fn $name() {
            let found = explored(scenarios::$name);
            assert!(found.failure.is_none(), "{:?}", found.failure);
            let reason = found.not_judged.expect("no verdict");
            assert!(reason.contains($words), "{reason}");
            assert!(found.executions < 2, "{reason}");
        })*
    };
}

not_judged! {
    reads_a_file: "uses the file system (\"/etc/hostname\")";
    asks_whether_a_file_exists: "uses the file system (\"/etc/hostname\")";
    starts_a_process: "thread b";
    forks: "starts or waits for a process";
    starts_a_real_thread: "starts a thread that is not a modelled one";
    sleeps: "sleeps";
    waits_for_a_moment: "sleeps";
    calls_the_system_for_ever: "runs on and on";
    reads_from_a_pipe: "opens a pipe";
    connects: "opens a pipe, a socket or a queue";
    deadlocks_on_a_real_lock: "waits for a lock";
    receives_from_a_real_channel: "waits for a lock, a channel";
    turns_for_ever: "runs on and on without an operation";
    spins_on_a_real_atomic: "runs on and on without an operation";
}

macro_rules! right {
    ($($name:ident)*) => { $(#[test] fn $name() { holds(scenarios::$name); })* };
}

right! { prints_and_computes panics_with_a_message has_a_random_hasher }

#[test]
fn a_timeline_shows_source_lines_although_files_are_refused() {
    mod again {
        interleave::scenarios! {
            exercise = crate::nothing;
            use std::sync::atomic::{AtomicU32, Ordering::*};
            pub fn fails() {
                let number = AtomicU32::new(0);
                assert_eq!(number.fetch_add(1, Relaxed), 1);
            }
        }
        pub(super) use scenarios::fails;
    }
    let found = explored(again::fails);
    let failure = found.must_fail(interleave::FailureKind::Assertion);
    let line = &failure.timeline.steps[0].source;
    assert!(line.contains("fetch_add(1, Relaxed)"), "{line:?}");
}
