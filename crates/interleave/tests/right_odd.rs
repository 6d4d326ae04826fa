//! Right programs with statics, panics and other odd things. None of them may
//! be rejected.

mod common;
use common::holds;

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::*, fence};
    use std::sync::{LazyLock, Mutex, Once, OnceLock, mpsc};

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
            // SAFETY: the thread that counts down to 0 is the last to use it.
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
}

macro_rules! right {
    ($($name:ident)*) => { $(#[test] fn $name() { holds(scenarios::$name); })* };
}

right! {
    initialised_once
    lazily_and_by_once
    scoped_threads_borrow
    statics_start_afresh
    thread_locals_with_destructors
    a_panic_that_is_joined
    a_panic_that_is_caught
    unwinding_poisons_only_what_it_holds
    a_destructor_that_joins_while_unwinding
    a_scope_whose_thread_panics
    own_arc_with_acquire
    std_arc_everywhere
    every_width_wraps
}
