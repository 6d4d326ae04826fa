//! Right programs, some of them odd: none may be rejected.

mod common;
use common::holds;

mod nothing {}

interleave::in_worlds! {
    shuttled = crate::nothing, loomed = crate::nothing;

    use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*, fence};
    use std::sync::{Barrier, Condvar, LazyLock, Mutex, Once, OnceLock, RwLock, mpsc};
    use std::time::{Duration, Instant};

    pub fn message_passing() {
        let pair = Arc::new((Tracked::new(0), AtomicBool::new(false)));
        let theirs = Arc::clone(&pair);
        let writer = thread::spawn(move || {
            theirs.0.set(42);
            theirs.1.store(true, Release);
        });
        if pair.1.load(Acquire) {
            assert_eq!(pair.0.get(), 42);
        }
        writer.join().unwrap();
    }

    pub fn message_passing_by_fences() {
        let pair = Arc::new((Tracked::new(0), AtomicBool::new(false)));
        let theirs = Arc::clone(&pair);
        let writer = thread::spawn(move || {
            theirs.0.set(42);
            fence(Release);
            theirs.1.store(true, Relaxed);
        });
        if pair.1.load(Relaxed) {
            fence(Acquire);
            assert_eq!(pair.0.get(), 42);
        }
        writer.join().unwrap();
    }

    pub fn counter_under_a_lock() {
        let counter = Arc::new(Mutex::new(Tracked::new(0)));
        let threads: Vec<_> = (0..2).map(|_| {
            let counter = Arc::clone(&counter);
            thread::spawn(move || counter.lock().unwrap().update(|n| n + 1))
        }).collect();
        for thread in threads { thread.join().unwrap(); }
        assert_eq!(counter.lock().unwrap().get(), 2);
    }

    pub fn compare_exchange_loop() {
        let counter = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&counter);
        fn add(counter: &AtomicU32) {
            let mut old = counter.load(Relaxed);
            while let Err(newer) = counter.compare_exchange_weak(old, old + 1, Relaxed, Relaxed) {
                old = newer;
            }
        }
        let thread = thread::spawn(move || add(&theirs));
        add(&counter);
        thread.join().unwrap();
        assert_eq!(counter.load(Relaxed), 2);
    }

    fn spin(turns: u32, wait: fn()) {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        let add = move |lock: &(AtomicBool, Tracked<u32>)| for _ in 0..turns {
            while lock.0.compare_exchange(false, true, Acquire, Relaxed).is_err() { wait(); }
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        };
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
        assert_eq!(lock.1.get(), 2 * turns);
    }
    pub fn spin_lock_without_a_hint() { spin(2, || ()); }
    pub fn spin_lock_with_a_hint() { spin(2, std::hint::spin_loop); }
    pub fn spin_lock_that_yields() { spin(2, thread::yield_now); }
    pub fn spin_lock_that_sleeps() { spin(1, || thread::sleep(Duration::from_millis(1))); }

    pub fn spin_lock_by_swap() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            while lock.0.swap(true, Acquire) {}
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || { add(&theirs); add(&theirs); });
        add(&lock);
        thread.join().unwrap();
        assert_eq!(lock.1.get(), 3);
    }

    pub fn test_and_test_and_set() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            while lock.0.swap(true, Acquire) {
                while lock.0.load(Relaxed) { std::hint::spin_loop(); }
            }
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
        assert_eq!(lock.1.get(), 2);
    }

    pub fn ticket_lock() {
        struct Ticket { next: AtomicU32, serving: AtomicU32, value: Tracked<u32> }
        let lock = Arc::new(Ticket { next: AtomicU32::new(0), serving: AtomicU32::new(0), value: Tracked::new(0) });
        fn add(lock: &Ticket) {
            let mine = lock.next.fetch_add(1, Relaxed);
            while lock.serving.load(Acquire) != mine {}
            lock.value.update(|n| n + 1);
            lock.serving.store(mine + 1, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
        assert_eq!(lock.value.get(), 2);
    }

    pub fn a_spin_that_gives_up() {
        let lock = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        fn add(lock: &(AtomicBool, Tracked<u32>)) {
            loop {
                let mut looks = 0;
                while lock.0.load(Relaxed) && looks < 50 { looks += 1; }
                if !lock.0.swap(true, Acquire) { break; }
                thread::yield_now();
            }
            lock.1.update(|n| n + 1);
            lock.0.store(false, Release);
        }
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || add(&theirs));
        add(&lock);
        thread.join().unwrap();
    }

    pub fn a_wait_that_counts_its_turns() {
        let pair = Arc::new((AtomicBool::new(false), AtomicU32::new(0)));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || theirs.0.store(true, Release));
        while !pair.0.load(Acquire) { pair.1.fetch_add(1, Relaxed); }
        thread.join().unwrap();
    }

    // Store buffering, forbidden to end with 0 and 0 by SeqCst accesses: loom alone would allow it.
    pub fn dekker_with_seq_cst_accesses() {
        let flags = Arc::new((AtomicBool::new(false), AtomicBool::new(false), Tracked::new(0)));
        let theirs = Arc::clone(&flags);
        let thread = thread::spawn(move || {
            theirs.0.store(true, SeqCst);
            if !theirs.1.load(SeqCst) { theirs.2.update(|n| n + 1); }
        });
        flags.1.store(true, SeqCst);
        if !flags.0.load(SeqCst) { flags.2.update(|n| n + 1); }
        thread.join().unwrap();
    }

    pub fn store_buffer_with_fences() {
        let flags = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
        let theirs = Arc::clone(&flags);
        let thread = thread::spawn(move || {
            theirs.0.store(1, Relaxed);
            fence(SeqCst);
            theirs.1.load(Relaxed)
        });
        flags.1.store(1, Relaxed);
        fence(SeqCst);
        let mine = flags.0.load(Relaxed);
        assert!(mine + thread.join().unwrap() > 0);
    }

    pub fn condition_variable_with_while() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || {
            *theirs.0.lock().unwrap() = true;
            theirs.1.notify_one();
        });
        let mut ready = pair.0.lock().unwrap();
        while !*ready { ready = pair.1.wait(ready).unwrap(); }
        drop(ready);
        thread.join().unwrap();
    }

    pub fn condition_variable_wait_while() {
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        let threads: Vec<_> = (0..2).map(|_| {
            let pair = Arc::clone(&pair);
            thread::spawn(move || {
                *pair.0.lock().unwrap() += 1;
                pair.1.notify_all();
            })
        }).collect();
        let count = pair.1.wait_while(pair.0.lock().unwrap(), |n| *n < 2).unwrap();
        assert_eq!(*count, 2);
        drop(count);
        for thread in threads { thread.join().unwrap(); }
    }

    pub fn a_timed_wait_that_nobody_ends() {
        let pair = (Mutex::new(false), Condvar::new());
        let start = Instant::now();
        let guard = pair.0.lock().unwrap();
        let (guard, result) = pair.1.wait_timeout(guard, Duration::from_secs(3600)).unwrap();
        assert!(result.timed_out() && !*guard);
        assert!(start.elapsed() >= Duration::from_secs(3600));
    }

    pub fn a_timed_wait_that_may_be_ended() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || {
            *theirs.0.lock().unwrap() = true;
            theirs.1.notify_one();
        });
        let guard = pair.0.lock().unwrap();
        let (guard, result) = pair.1
            .wait_timeout_while(guard, Duration::from_millis(10), |ready| !*ready).unwrap();
        assert!(*guard || result.timed_out());
        drop(guard);
        thread.join().unwrap();
    }

    pub fn waits_in_slices_until_ready() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || *theirs.0.lock().unwrap() = true);
        let mut ready = pair.0.lock().unwrap();
        while !*ready {
            ready = pair.1.wait_timeout(ready, Duration::from_millis(10)).unwrap().0;
        }
        drop(ready);
        thread.join().unwrap();
    }

    pub fn polls_until_a_deadline() {
        let flag = AtomicBool::new(false);
        let deadline = Instant::now() + Duration::from_secs(5);
        while !flag.load(Acquire) && Instant::now() < deadline { thread::yield_now(); }
        assert!(Instant::now() >= deadline);
    }

    pub fn sleeps() {
        let start = Instant::now();
        thread::sleep(Duration::from_secs(7));
        assert!(start.elapsed() >= Duration::from_secs(7));
    }

    pub fn parks_until_unparked() {
        let flag = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&flag);
        let main = thread::current();
        let thread = thread::spawn(move || {
            theirs.store(true, Release);
            main.unpark();
        });
        while !flag.load(Acquire) { thread::park(); }
        thread.join().unwrap();
    }

    pub fn parks_for_a_while() {
        thread::park_timeout(Duration::from_millis(1));
        thread::current().unpark();
        thread::park();
    }

    pub fn channel() {
        let (sender, receiver) = mpsc::channel();
        let other = sender.clone();
        let threads = [thread::spawn(move || sender.send(Tracked::new(1)).unwrap()),
                       thread::spawn(move || other.send(Tracked::new(2)).unwrap())];
        let sum: u32 = receiver.iter().map(Tracked::into_inner).sum();
        assert_eq!(sum, 3);
        for thread in threads { thread.join().unwrap(); }
    }

    pub fn bounded_channel() {
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = thread::spawn(move || for n in 0..3 { sender.send(n).unwrap(); });
        assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
        thread.join().unwrap();
    }

    pub fn rendezvous_channel() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let payload = Arc::new(Tracked::new(0));
        let theirs = Arc::clone(&payload);
        let thread = thread::spawn(move || { sender.send(()).unwrap(); theirs.set(1); });
        receiver.recv().unwrap();
        assert!(receiver.recv().is_err());
        thread.join().unwrap();
        assert_eq!(payload.get(), 1);
    }

    pub fn receives_with_a_timeout() {
        let (sender, receiver) = mpsc::channel::<u32>();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(1)), Err(mpsc::RecvTimeoutError::Timeout));
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    pub fn barrier_twice() {
        let shared = Arc::new((Barrier::new(2), Tracked::new(0)));
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            theirs.1.set(1);
            let first = theirs.0.wait().is_leader();
            theirs.0.wait();
            first
        });
        let first = shared.0.wait().is_leader();
        assert_eq!(shared.1.get(), 1);
        shared.0.wait();
        assert!(first != thread.join().unwrap());
    }

    pub fn readers_and_a_writer() {
        let lock = Arc::new(RwLock::new(Tracked::new(0)));
        let theirs = Arc::clone(&lock);
        let writer = thread::spawn(move || theirs.write().unwrap().update(|n| n + 1));
        let first = lock.read().unwrap().get();
        let second = lock.read().unwrap().get();
        assert!(first <= second);
        writer.join().unwrap();
        assert_eq!(lock.read().unwrap().get(), 1);
    }

    pub fn initialised_once() {
        static CELL: OnceLock<u32> = OnceLock::new();
        static RUNS: AtomicUsize = AtomicUsize::new(0);
        fn get() -> u32 { *CELL.get_or_init(|| { RUNS.fetch_add(1, Relaxed); 7 }) }
        let thread = thread::spawn(get);
        assert_eq!((get(), thread.join().unwrap()), (7, 7));
        assert_eq!(RUNS.load(Relaxed), 1);
    }

    pub fn lazily_and_by_once() {
        static LAZY: LazyLock<String> = LazyLock::new(|| "made".to_owned());
        static ONCE: Once = Once::new();
        static COUNT: AtomicU32 = AtomicU32::new(40);
        let thread = thread::spawn(|| { ONCE.call_once(|| { COUNT.fetch_add(2, Relaxed); }); LAZY.len() });
        ONCE.call_once(|| { COUNT.fetch_add(2, Relaxed); });
        assert_eq!((LAZY.as_str(), thread.join().unwrap(), COUNT.load(Relaxed)), ("made", 4, 42));
    }

    pub fn scoped_threads_borrow() {
        let mut sums = [0, 0];
        let numbers = [1, 2, 3, 4];
        thread::scope(|scope| {
            let (left, right) = sums.split_at_mut(1);
            scope.spawn(|| left[0] = numbers[..2].iter().sum());
            let handle = scope.spawn(|| numbers[2..].iter().sum::<i32>());
            right[0] = handle.join().unwrap();
        });
        assert_eq!(sums, [3, 7]);
    }

    pub fn statics_start_afresh() {
        static COUNT: AtomicU32 = AtomicU32::new(3);
        static LIST: Mutex<Vec<u32>> = Mutex::new(Vec::new());
        assert_eq!(COUNT.fetch_add(1, Relaxed), 3);
        assert!(LIST.lock().unwrap().is_empty());
        let thread = thread::spawn(|| LIST.lock().unwrap().push(COUNT.load(Relaxed)));
        LIST.lock().unwrap().push(4);
        thread.join().unwrap();
        assert_eq!(*LIST.lock().unwrap(), [4, 4]);
    }

    pub fn thread_locals_with_destructors() {
        static DROPPED: AtomicU32 = AtomicU32::new(0);
        struct Counted(u32);
        impl Drop for Counted {
            fn drop(&mut self) { DROPPED.fetch_add(self.0, Relaxed); }
        }
        std::thread_local! {
            static OWN: std::cell::RefCell<Counted> = const { std::cell::RefCell::new(Counted(1)) };
        }
        let thread = thread::spawn(|| OWN.with_borrow_mut(|own| own.0 += 4));
        OWN.with_borrow(|own| assert_eq!(own.0, 1));
        thread.join().unwrap();
        assert_eq!(DROPPED.load(Relaxed), 5);
    }

    pub fn a_panic_that_is_joined() {
        let lock = Arc::new(Mutex::new(1));
        let theirs = Arc::clone(&lock);
        let thread = thread::spawn(move || {
            let _guard = theirs.lock().unwrap();
            panic!("on purpose");
        });
        let error = thread.join().unwrap_err();
        assert_eq!(error.downcast_ref::<&str>(), Some(&"on purpose"));
        assert!(lock.is_poisoned());
        assert_eq!(*lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner), 1);
        lock.clear_poison();
        assert_eq!(*lock.lock().unwrap(), 1);
    }

    pub fn a_panic_that_is_caught() {
        let lock = Mutex::new(1);
        let caught = std::panic::catch_unwind(|| { let _guard = lock.lock(); panic!("inside") });
        assert!(caught.is_err() && lock.lock().is_err());
        assert!(!std::thread::panicking());
    }

    pub fn unwinding_poisons_only_what_it_holds() {
        let locks = Arc::new((Mutex::new(0), Mutex::new(0)));
        let theirs = Arc::clone(&locks);
        struct Adds(Arc<(Mutex<u32>, Mutex<u32>)>);
        impl Drop for Adds {
            fn drop(&mut self) { *self.0.1.lock().unwrap() += 1; }
        }
        let thread = thread::spawn(move || {
            let _adds = Adds(Arc::clone(&theirs));
            let _guard = theirs.0.lock().unwrap();
            panic!("on purpose");
        });
        *locks.1.lock().unwrap() += 1;
        assert!(thread.join().is_err());
        assert_eq!(*locks.1.lock().unwrap(), 2);
        assert!(locks.0.is_poisoned());
    }

    pub fn a_destructor_that_joins_while_unwinding() {
        struct Joins(Option<mpsc::Sender<u32>>, Option<thread::JoinHandle<u32>>);
        impl Drop for Joins {
            fn drop(&mut self) {
                self.0.take();
                assert_eq!(self.1.take().unwrap().join().unwrap(), 3);
            }
        }
        let thread = thread::spawn(|| {
            let (sender, receiver) = mpsc::channel();
            let worker = thread::spawn(move || receiver.iter().sum());
            let pool = Joins(Some(sender), Some(worker));
            pool.0.as_ref().unwrap().send(3).unwrap();
            panic!("on purpose");
        });
        assert!(thread.join().is_err());
    }

    pub fn a_scope_whose_thread_panics() {
        let caught = std::panic::catch_unwind(|| thread::scope(|scope| {
            scope.spawn(|| panic!("on purpose"));
        }));
        assert!(caught.is_err());
        let result = thread::scope(|scope| scope.spawn(|| -> u32 { panic!("on purpose") }).join());
        assert!(result.is_err());
    }

    pub fn own_arc_with_acquire() {
        struct Shared { count: AtomicUsize, value: Tracked<u32> }
        let shared: *mut Shared = Box::into_raw(Box::new(Shared { count: AtomicUsize::new(2), value: Tracked::new(0) }));
        fn release(shared: *mut Shared) {
            // SAFETY: whoever counts down to 0 is the last to use it.
            unsafe {
                (*shared).value.with(|_| ());
                if (*shared).count.fetch_sub(1, Release) == 1 {
                    fence(Acquire);
                    Box::from_raw(shared).value.into_inner();
                }
            }
        }
        let address = shared.expose_provenance();
        let thread = thread::spawn(move || release(std::ptr::with_exposed_provenance_mut(address)));
        release(shared);
        thread.join().unwrap();
    }

    pub fn std_arc_everywhere() {
        trait Speak { fn speak(self: Arc<Self>) -> u32; }
        impl Speak for Mutex<u32> { fn speak(self: Arc<Self>) -> u32 { *self.lock().unwrap() } }
        let one: Arc<Mutex<u32>> = Arc::new(Mutex::new(5));
        let two: Arc<dyn Speak + Send + Sync> = one.clone();
        let thread = thread::spawn(move || two.speak());
        assert_eq!(thread.join().unwrap(), 5);
        assert_eq!(Arc::try_unwrap(one).unwrap().into_inner().unwrap(), 5);
    }

    pub fn every_width_wraps() {
        use std::sync::atomic::{AtomicI8, AtomicU8};
        let (small, signed) = (AtomicU8::new(250), AtomicI8::new(-3));
        assert_eq!((small.fetch_add(10, Relaxed), small.load(Relaxed)), (250, 4));
        assert_eq!((signed.fetch_sub(126, Relaxed), signed.load(Relaxed)), (-3, 127));
        assert_eq!((small.fetch_or(3, Relaxed), small.fetch_and(6, Relaxed), small.fetch_xor(5, Relaxed)), (4, 7, 6));
        assert_eq!((small.fetch_nand(1, Relaxed), signed.fetch_max(-1, Relaxed), signed.fetch_min(-1, Relaxed)), (3, 127, 127));
        assert_eq!((small.into_inner(), signed.into_inner()), (!(3 & 1), -1));
    }

    pub fn futex_handshake() {
        use std::futex;
        let word = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&word);
        let thread = thread::spawn(move || {
            theirs.store(1, Release);
            futex::wake_one(&theirs);
        });
        while word.load(Acquire) == 0 { futex::wait(&word, 0); }
        thread.join().unwrap();
    }
}

macro_rules! right {
    ($($name:ident)*) => { $(#[test] fn $name() { holds(both!($name)); })* };
}

right! {
    message_passing message_passing_by_fences counter_under_a_lock compare_exchange_loop
    spin_lock_without_a_hint spin_lock_with_a_hint spin_lock_that_yields spin_lock_that_sleeps
    spin_lock_by_swap test_and_test_and_set ticket_lock a_spin_that_gives_up
    a_wait_that_counts_its_turns dekker_with_seq_cst_accesses store_buffer_with_fences
    condition_variable_with_while condition_variable_wait_while a_timed_wait_that_nobody_ends
    a_timed_wait_that_may_be_ended waits_in_slices_until_ready polls_until_a_deadline sleeps
    parks_until_unparked parks_for_a_while channel bounded_channel rendezvous_channel
    receives_with_a_timeout barrier_twice readers_and_a_writer initialised_once
    lazily_and_by_once scoped_threads_borrow statics_start_afresh thread_locals_with_destructors
    a_panic_that_is_joined a_panic_that_is_caught unwinding_poisons_only_what_it_holds
    a_destructor_that_joins_while_unwinding a_scope_whose_thread_panics own_arc_with_acquire std_arc_everywhere
    every_width_wraps futex_handshake
}
