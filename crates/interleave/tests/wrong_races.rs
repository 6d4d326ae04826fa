//! Wrong programs in which another thread acts in between. Each must be rejected, for its own
//! reason.

mod common;
use common::fails;
use interleave::FailureKind::{Assertion, Race};

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
    use std::sync::{Condvar, Mutex};

    pub fn lost_update() {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || theirs.store(theirs.load(SeqCst) + 1, SeqCst));
        counter.store(counter.load(SeqCst) + 1, SeqCst);
        thread.join().unwrap();
        assert_eq!(counter.load(SeqCst), 2);
    }

    pub fn if_where_while_belongs() {
        let shared = Arc::new((Mutex::new(0_i32), Condvar::new()));
        fn take(shared: &(Mutex<i32>, Condvar)) {
            let mut items = shared.0.lock().unwrap();
            if *items == 0 { items = shared.1.wait(items).unwrap(); }
            *items -= 1;
            assert!(*items >= 0, "took what was not there");
        }
        let consumers: Vec<_> = (0..2).map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || take(&shared))
        }).collect();
        for _ in 0..2 {
            *shared.0.lock().unwrap() += 1;
            shared.1.notify_all();
        }
        for consumer in consumers { consumer.join().unwrap(); }
    }

    pub fn checks_then_acts() {
        let purse = Arc::new(Mutex::new(10));
        fn pay(purse: &Mutex<i32>) {
            let enough = *purse.lock().unwrap() >= 10;
            if enough { *purse.lock().unwrap() -= 10; }
        }
        let theirs = Arc::clone(&purse);
        let thread = thread::spawn(move || pay(&theirs));
        pay(&purse);
        thread.join().unwrap();
        assert!(*purse.lock().unwrap() >= 0);
    }

    // A stack of indices: the head is compared by value, and comes back after a pop and a push.
    pub fn aba_on_a_stack() {
        struct Stack { head: AtomicUsize, next: [AtomicUsize; 3] }
        impl Stack {
            fn pop(&self) -> usize {
                loop {
                    let head = self.head.load(SeqCst);
                    if head == 9 { return 9; }
                    let next = self.next[head].load(SeqCst);
                    if self.head.compare_exchange(head, next, SeqCst, SeqCst).is_ok() { return head; }
                }
            }
            fn push(&self, node: usize) {
                loop {
                    let head = self.head.load(SeqCst);
                    self.next[node].store(head, SeqCst);
                    if self.head.compare_exchange(head, node, SeqCst, SeqCst).is_ok() { return; }
                }
            }
        }
        let stack = Arc::new(Stack {
            head: AtomicUsize::new(0),
            next: [AtomicUsize::new(1), AtomicUsize::new(2), AtomicUsize::new(9)],
        });
        let theirs = Arc::clone(&stack);
        let thread = thread::spawn(move || {
            let first = theirs.pop();
            let second = theirs.pop();
            theirs.push(first);
            second
        });
        let mine = stack.pop();
        let kept = thread.join().unwrap();
        let rest: Vec<_> = std::iter::repeat_with(|| stack.pop()).take_while(|node| *node != 9).collect();
        assert!(!rest.contains(&kept), "node {kept} is in the stack and out of it; popped {mine}");
    }

    pub fn unlocks_twice() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            while lock.0.swap(true, Acquire) {}
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
            lock.0.store(false, Release);
        }
        let threads: Vec<_> = (0..2).map(|_| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || add(&lock))
        }).collect();
        add(&lock);
        for thread in threads { thread.join().unwrap(); }
    }

    // A weak exchange may fail although it finds what it expects. This one takes the value found,
    // `false`, for a lock that is taken.
    pub fn spurious_failure_counts_as_success() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            while matches!(
                lock.0.compare_exchange_weak(false, true, Acquire, Relaxed),
                Err(true)
            ) {}
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
    }

    // Two threads try at the same time, and a weak exchange lets neither of them in.
    pub fn one_weak_exchange_is_not_enough() {
        let lock = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            theirs.compare_exchange_weak(false, true, Acquire, Relaxed).is_ok()
        });
        let mine = lock.compare_exchange_weak(false, true, Acquire, Relaxed).is_ok();
        assert!(mine | thread.join().unwrap(), "nobody took a free lock");
    }

    pub fn no_lock_at_all() {
        let value = Arc::new(Tracked::new(0));
        let theirs = Arc::clone(&value);
        let thread = thread::spawn(move || theirs.update(|n| n + 1));
        value.update(|n| n + 1);
        thread.join().unwrap();
    }
}

macro_rules! wrong {
    ($($name:ident: $check:ident $kind:ident;)*) => {
        $(#[test] fn $name() { $check(scenarios::$name, $kind); })*
    };
}

wrong! {
    lost_update: fails Assertion;
    if_where_while_belongs: fails Assertion;
    checks_then_acts: fails Assertion;
    aba_on_a_stack: fails Assertion;
    unlocks_twice: fails Race;
    spurious_failure_counts_as_success: fails Race;
    one_weak_exchange_is_not_enough: fails Assertion;
    no_lock_at_all: fails Race;
}
