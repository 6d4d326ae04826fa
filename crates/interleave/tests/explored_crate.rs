//! A real explored crate: a file of ordinary Rust, compiled against the modelled std and core.

mod common;
use common::{fails, holds};
use interleave::FailureKind::{Assertion, Deadlock, Panic};

interleave::scenarios! {
    exercise = interleave_odd_explored;

    use exercise::{Account, Counter, FutexLock, Queue};

    fn count(counter: impl Counter + Send + Sync + 'static) {
        let counter = Arc::new(counter);
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || theirs.add());
        counter.add();
        thread.join().unwrap();
        assert_eq!(counter.get(), 2);
    }
    pub fn by_full_path() { count(exercise::by_full_path::Full::default()); }
    pub fn by_core() { count(exercise::by_core::Core::default()); }
    pub fn by_crate_path() { count(exercise::by_crate_path::Crate::default()); }
    pub fn nested() { count(exercise::nested::deeper::Deep::default()); }

    pub fn opposite_order() { exercise::opposite_order(); }

    pub fn all_sorts() {
        assert_eq!(exercise::all_sorts(), (3, 3, "name".to_owned()));
        assert_eq!(exercise::HITS.load(std::sync::atomic::Ordering::Relaxed), 1);
    }

    pub fn account() {
        let account = Arc::new(Account::default());
        let theirs = Arc::clone(&account);
        let thread = thread::spawn(move || theirs.withdraw(3));
        account.deposit(5);
        assert_eq!(thread.join().unwrap(), 2);
        assert_eq!(account.try_withdraw(4).unwrap_err().to_string(), "overdrawn by 2");
        assert!(format!("{account:?}").contains("balance"));
    }

    pub fn queue() {
        let queue = Arc::new(Queue::new());
        let theirs = Arc::clone(&queue);
        let thread = thread::spawn(move || theirs.pop() + theirs.pop());
        queue.push(1);
        queue.push(2);
        assert_eq!(thread.join().unwrap(), 3);
    }

    pub fn futex_lock() {
        let lock = Arc::new((FutexLock::default(), Tracked::new(0)));
        fn add(lock: &(FutexLock, Tracked<u32>)) {
            lock.0.lock();
            lock.1.update(|n| n + 1);
            lock.0.unlock();
        }
        let threads: Vec<_> = (0..2).map(|_| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || add(&lock))
        }).collect();
        add(&lock);
        for thread in threads { thread.join().unwrap(); }
        assert_eq!(lock.1.get(), 3);
    }

    pub fn jobs() {
        let number = Arc::new(std::sync::atomic::AtomicU32::new(4));
        let job: Arc<dyn exercise::Job> = number.clone();
        assert_eq!(exercise::run(job).join().unwrap(), 4);
        assert_eq!(number.load(std::sync::atomic::Ordering::Relaxed), 5);
    }

    pub fn to_do() {
        let thread = thread::spawn(|| -> u32 { todo!() });
        thread.join().unwrap();
    }
}

macro_rules! cases {
    ($($name:ident: $check:ident $($kind:ident)?;)*) => {
        $(#[test] fn $name() { $check(scenarios::$name $(, $kind)?); })*
    };
}

cases! {
    by_full_path: fails Assertion;
    by_core: fails Assertion;
    by_crate_path: fails Assertion;
    nested: fails Assertion;
    opposite_order: fails Deadlock;
    all_sorts: holds;
    account: holds;
    queue: holds;
    futex_lock: holds;
    jobs: holds;
}

#[test]
fn a_stub_in_a_thread_is_one_clean_line() {
    let found = common::explored(scenarios::to_do);
    let failure = found.must_fail(Assertion);
    assert_eq!(failure.message, "thread b panicked: not yet implemented");
    let found = interleave::Explore::new()
        .scenario_file("elsewhere.rs")
        .of(scenarios::to_do);
    assert_eq!(
        found.must_fail(Panic).message,
        "thread b panicked: not yet implemented"
    );
}

#[test]
fn steps_of_the_code_under_test_are_counted_apart_from_the_scenario() {
    assert!(interleave::explore(scenarios::queue).scheduling_points >= 6);
}
