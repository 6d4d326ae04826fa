//! Wrong programs: each must be rejected, for its own reason.

mod common;
use common::{fails, fails_in_memory, orderings, schedules};
use interleave::FailureKind::{Assertion, Deadlock, Leak, Race, Spin};

mod nothing {}

interleave::in_worlds! {
    shuttled = crate::nothing, loomed = crate::nothing;

    use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*, fence};
    use std::sync::{Condvar, Mutex, RwLock, mpsc};

    pub fn lost_update() {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        let thread = thread::spawn(move || theirs.store(theirs.load(SeqCst) + 1, SeqCst));
        counter.store(counter.load(SeqCst) + 1, SeqCst);
        thread.join().unwrap();
        assert_eq!(counter.load(SeqCst), 2);
    }

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
            // SAFETY: whoever counts down to 0 is the last to use it.
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

    pub fn no_lock_at_all() {
        let value = Arc::new(Tracked::new(0));
        let theirs = Arc::clone(&value);
        let thread = thread::spawn(move || theirs.update(|n| n + 1));
        value.update(|n| n + 1);
        thread.join().unwrap();
    }

    pub fn spins_for_ever() {
        let flag = AtomicBool::new(false);
        while !flag.load(Acquire) {}
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

    pub fn a_thread_is_left_waiting() {
        let (sender, receiver) = mpsc::channel::<u32>();
        thread::spawn(move || receiver.recv());
        std::mem::forget(sender);
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

    pub fn an_assertion_in_a_thread_that_nobody_joins() {
        thread::spawn(|| assert_eq!(1 + 1, 3));
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

    // The worker panics, then the scenario waits for it for ever: the panic is the cause.
    pub fn a_panic_that_leaves_others_waiting() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        thread::spawn(move || {
            if theirs.0.is_poisoned() { return; }
            panic!("not yet implemented");
        });
        let mut ready = pair.0.lock().unwrap();
        while !*ready { ready = pair.1.wait(ready).unwrap(); }
    }

    pub fn a_deadlock_in_a_destructor_while_unwinding() {
        struct Joins(Option<thread::JoinHandle<()>>);
        impl Drop for Joins {
            fn drop(&mut self) { let _ = self.0.take().unwrap().join(); }
        }
        let _joins = Joins(Some(thread::spawn(|| thread::park())));
        panic!("the first cause");
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
        $(#[test] fn $name() { $check(both!($name), $kind); })*
    };
}

wrong! {
    lost_update: fails Assertion;
    locks_in_opposite_order: fails Deadlock;
    condition_variable_without_a_flag: fails Deadlock;
    flag_set_outside_the_lock: fails Deadlock;
    if_where_while_belongs: fails Assertion;
    checks_then_acts: fails Assertion;
    aba_on_a_stack: fails Assertion;
    relaxed_message_passing: fails_in_memory Race;
    relaxed_unlock: fails_in_memory Race;
    relaxed_lock: fails_in_memory Race;
    own_arc_without_acquire: fails_in_memory Race;
    relaxed_channel_hands_over_a_payload: fails_in_memory Race;
    store_buffer: fails_in_memory Assertion;
    store_buffer_with_weak_fences: fails_in_memory Assertion;
    unlocks_twice: fails Race;
    no_lock_at_all: fails Race;
    spins_for_ever: fails Spin;
    two_spin_on_each_other: fails Spin;
    the_lock_is_never_released: fails Spin;
    locks_what_it_holds: fails Deadlock;
    upgrades_a_read_lock: fails Deadlock;
    forgets_to_notify: fails Deadlock;
    joins_in_a_circle: fails Deadlock;
    receives_from_itself: fails Deadlock;
    barrier_without_a_generation: fails Deadlock;
    a_thread_is_left_waiting: fails Leak;
    futex_woken_before_the_store: fails Deadlock;
    an_assertion_in_a_thread_that_nobody_joins: fails Assertion;
    a_panic_that_leaves_others_waiting: fails Assertion;
    a_deadlock_in_a_destructor_while_unwinding: fails Assertion;
}

// Stepping back changes the locks, so that only a fair schedule shows that it never ends.
#[test]
fn both_step_back_for_ever() {
    schedules(shuttled::both_step_back_for_ever).must_fail(Spin);
    let found = orderings(loomed::both_step_back_for_ever);
    assert!(found.failure.is_none(), "{:?}", found.failure);
}

// In the orderings world, a spinner goes on only when the others are done.
#[test]
fn a_spin_that_gives_up_and_goes_in() {
    schedules(shuttled::a_spin_that_gives_up_and_goes_in).must_fail(Race);
    let found = orderings(loomed::a_spin_that_gives_up_and_goes_in);
    assert!(found.not_judged.is_none(), "{:?}", found.not_judged);
}

#[test]
fn the_cause_of_a_deadlock_may_be_an_earlier_panic() {
    for found in [
        schedules(shuttled::a_panic_that_leaves_others_waiting),
        orderings(loomed::a_panic_that_leaves_others_waiting),
    ] {
        let message = &found.must_fail(Assertion).message;
        assert!(
            message.starts_with("thread b panicked: not yet implemented"),
            "{message}"
        );
        assert!(message.contains("thread a waits"), "{message}");
    }
}
