//! `update` and `try_update`, and atomics in memory that the program can see: explored like any
//! other atomic operation.

mod common;
use common::{fails, holds};
use interleave::FailureKind::{Assertion, Race};

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::cell::UnsafeCell;
    use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering::{self, *}};

    /// Two threads add to a payload between `lock` and `unlock`.
    fn count<L: Send + Sync + 'static>(lock: L, take: fn(&L), give_up: fn(&L)) {
        let shared = Arc::new((lock, Tracked::new(0)));
        let theirs = Arc::clone(&shared);
        let add = move |shared: &(L, Tracked<u32>)| {
            take(&shared.0);
            shared.1.update(|n| n + 1);
            give_up(&shared.0);
        };
        let thread = thread::spawn(move || add(&theirs));
        add(&shared);
        thread.join().unwrap();
        assert_eq!(shared.1.get(), 2);
    }

    fn take_by_try_update(flag: &AtomicBool, order: Ordering) {
        while flag.try_update(order, Relaxed, |held| (!held).then_some(true)).is_err() {}
    }

    pub fn a_lock_of_try_update() {
        count(AtomicBool::new(false), |f| take_by_try_update(f, Acquire), |f| f.store(false, Release));
    }
    pub fn a_lock_of_relaxed_try_update() {
        count(AtomicBool::new(false), |f| take_by_try_update(f, Relaxed), |f| f.store(false, Release));
    }
    pub fn a_try_update_that_always_succeeds() {
        let take = |f: &AtomicBool| { let _ = f.try_update(Acquire, Relaxed, |_| Some(true)); };
        count(AtomicBool::new(false), take, |f| f.store(false, Release));
    }

    fn both_update(calls_by_one: fn(u32)) {
        let number = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&number);
        let thread = thread::spawn(move || theirs.update(AcqRel, Acquire, |n| n + 1));
        let mut calls = 0;
        let mine = number.update(AcqRel, Acquire, |n| { calls += 1; n + 1 });
        let old = [mine, thread.join().unwrap()];
        assert!(old == [0, 1] || old == [1, 0], "{old:?}");
        assert_eq!(number.load(Relaxed), 2);
        calls_by_one(calls);
    }
    pub fn no_update_is_lost() { both_update(|_| ()); }
    pub fn an_update_is_never_tried_again() { both_update(|calls| assert_eq!(calls, 1)); }

    pub fn what_updates_return() {
        let number = AtomicU32::new(3);
        assert_eq!(number.try_update(SeqCst, SeqCst, |n| (n > 5).then_some(0)), Err(3));
        assert_eq!(number.try_update(SeqCst, SeqCst, |n| (n < 5).then_some(n * 2)), Ok(3));
        assert_eq!(number.fetch_update(SeqCst, SeqCst, |n| n.checked_add(1)), Ok(6));
        assert_eq!(number.update(SeqCst, SeqCst, |n| n * n), 7);
        assert_eq!(number.into_inner(), 49);
    }

    /// A flag in plain memory.
    struct Flag(UnsafeCell<bool>);
    // SAFETY: while it is shared, it is used as an atomic only.
    unsafe impl Sync for Flag {}
    impl Flag {
        const fn new() -> Self { Self(UnsafeCell::new(false)) }
        fn atomic(&self) -> &AtomicBool {
            // SAFETY: aligned, valid as long as `self`, and used as an atomic only.
            unsafe { AtomicBool::from_ptr(self.0.get()) }
        }
    }
    fn spin(flag: &Flag) { while flag.atomic().swap(true, Acquire) {} }

    pub fn a_lock_of_from_ptr() {
        count(Flag::new(), spin, |f| f.atomic().store(false, Release));
    }
    pub fn a_lock_of_from_ptr_that_is_given_up_relaxed() {
        count(Flag::new(), spin, |f| f.atomic().store(false, Relaxed));
    }
    pub fn a_lock_of_from_ptr_that_looks_and_then_takes() {
        fn take(flag: &Flag) {
            while flag.atomic().load(Acquire) {}
            flag.atomic().store(true, Release);
        }
        count(Flag::new(), take, |f| f.atomic().store(false, Release));
    }
    pub fn one_takes_it_directly_and_the_other_by_its_pointer() {
        let shared = Arc::new((AtomicBool::new(false), Tracked::new(0)));
        shared.0.store(false, Relaxed);
        let theirs = Arc::clone(&shared);
        fn add(flag: &AtomicBool, value: &Tracked<u32>) {
            while flag.swap(true, Acquire) {}
            value.update(|n| n + 1);
            flag.store(false, Release);
        }
        let thread = thread::spawn(move || {
            // SAFETY: the atomic is alive as long as `theirs`.
            add(unsafe { AtomicBool::from_ptr(theirs.0.as_ptr()) }, &theirs.1);
        });
        add(&shared.0, &shared.1);
        thread.join().unwrap();
        assert_eq!(shared.1.get(), 2);
    }

    /// A byte between other bytes, cast to an atomic as in code from before `from_ptr`.
    #[repr(C)]
    struct Between(u8, UnsafeCell<bool>, [u8; 6]);
    // SAFETY: while it is shared, the flag is used as an atomic only.
    unsafe impl Sync for Between {}
    impl Between {
        fn cast(&self) -> &AtomicBool {
            // SAFETY: std promises that an atomic has the size and alignment of its value.
            unsafe { &*self.1.get().cast::<AtomicBool>() }
        }
    }
    fn between() -> Between { Between(7, UnsafeCell::new(false), [9; 6]) }

    pub fn a_lock_of_a_cast() {
        count(between(), |f| while f.cast().swap(true, Acquire) {}, |f| f.cast().store(false, Release));
    }
    pub fn a_lock_of_a_cast_that_is_given_up_relaxed() {
        count(between(), |f| while f.cast().swap(true, Acquire) {}, |f| f.cast().store(false, Relaxed));
    }
    pub fn a_cast_leaves_the_neighbours_alone() {
        let mut all = [between(), between(), between()];
        for one in &all {
            assert!(!one.cast().fetch_not(AcqRel));
            assert_eq!(format!("{:?}", one.cast()), "true");
            // SAFETY: the same byte.
            assert!(unsafe { AtomicBool::from_ptr(one.1.get()) }.load(Acquire));
            // SAFETY: nobody uses it as an atomic meanwhile.
            assert!(unsafe { one.cast().as_ptr().read() });
        }
        for one in &mut all {
            // SAFETY: as in `cast`, and nobody else has it.
            let atomic = unsafe { &mut *one.1.get().cast::<AtomicBool>() };
            *atomic.get_mut() = false;
            assert!(!atomic.load(Acquire));
            assert_eq!((one.0, *one.1.get_mut(), one.2), (7, false, [9; 6]));
        }
    }
    pub fn zeroed_memory_is_atomics() {
        // SAFETY: zeros are valid numbers.
        let numbers = unsafe { Box::<[AtomicU32; 2]>::new_zeroed().assume_init() };
        let numbers = Arc::new(*numbers);
        let theirs = Arc::clone(&numbers);
        let thread = thread::spawn(move || theirs[0].fetch_add(1, Relaxed) + theirs[1].load(Relaxed));
        numbers[0].fetch_add(1, Relaxed);
        assert!(thread.join().unwrap() < 2);
        assert_eq!((numbers[0].load(Relaxed), numbers[1].load(Relaxed)), (2, 0));
        let [first, _] = Arc::into_inner(numbers).unwrap();
        assert_eq!(first.into_inner(), 2);
    }
    pub fn an_atomic_is_aligned_like_its_value() {
        assert_eq!(align_of::<AtomicBool>(), align_of::<bool>());
        assert_eq!(align_of::<AtomicU32>(), align_of::<u32>());
        assert_eq!(align_of::<AtomicPtr<u8>>(), align_of::<*mut u8>());
    }

    /// Each round has a flag of its own, at an address that may have been that of another flag.
    fn in_rounds(round: fn(&AtomicU32)) {
        let done = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&done);
        let thread = thread::spawn(move || for _ in 0..3 { round(&theirs); });
        for _ in 0..3 { round(&done); }
        thread.join().unwrap();
        assert_eq!(done.load(Relaxed), 6);
    }
    fn use_it(flag: &Flag, done: &AtomicU32) {
        assert!(!flag.atomic().swap(true, AcqRel));
        done.fetch_add(1, AcqRel);
        assert!(flag.atomic().load(Relaxed));
        flag.atomic().store(false, Release);
    }
    pub fn flags_that_come_and_go() { in_rounds(|done| use_it(&Box::new(Flag::new()), done)); }
    pub fn flags_on_the_stack() { in_rounds(|done| use_it(&Flag::new(), done)); }

    pub fn memory_and_atomic_agree() {
        let mut flag = Flag::new();
        flag.atomic().store(true, Release);
        assert!(*flag.0.get_mut());
        *flag.0.get_mut() = false;
        assert!(!flag.atomic().load(Acquire));
        let thread = thread::spawn(move || {
            assert!(!flag.atomic().fetch_or(true, AcqRel));
            flag.0.into_inner()
        });
        assert!(thread.join().unwrap());
    }

    pub fn an_atomic_with_a_pointer_may_move() {
        let number = AtomicU32::new(1);
        number.store(2, Relaxed);
        let pointer = number.as_ptr();
        // SAFETY: nobody else uses it.
        unsafe {
            assert_eq!(pointer.read(), 2);
            pointer.write(3);
        }
        assert_eq!((number.load(Relaxed), number.fetch_add(1, Relaxed)), (3, 3));
        let mut moved = Box::new(number);
        assert_eq!((moved.fetch_add(1, Relaxed), *moved.get_mut()), (4, 5));
        *moved.get_mut() = 7;
        assert_eq!((format!("{moved:?}"), moved.load(Relaxed)), ("7".to_owned(), 7));
        assert_eq!(moved.into_inner(), 7);
    }

    pub fn statics_with_pointers_start_afresh() {
        static FLAG: Flag = Flag::new();
        static NUMBER: AtomicU32 = AtomicU32::new(5);
        let thread = thread::spawn(|| {
            // SAFETY: a static, and used as an atomic only.
            unsafe { AtomicU32::from_ptr(NUMBER.as_ptr()) }.fetch_add(1, Relaxed)
        });
        assert!(!FLAG.atomic().swap(true, AcqRel));
        let old = NUMBER.fetch_add(1, Relaxed);
        assert_eq!(old + thread.join().unwrap(), 11);
        assert_eq!(NUMBER.load(Relaxed), 7);
    }

    pub fn tags_and_steps_of_pointers() {
        let mut numbers = [1_u32, 2, 3];
        let first = numbers.as_mut_ptr();
        let pointer = AtomicPtr::new(first);
        assert_eq!(pointer.fetch_ptr_add(2, Relaxed), first);
        // SAFETY: it points at the last number.
        assert_eq!(unsafe { *pointer.fetch_ptr_sub(1, Relaxed) }, 3);
        assert_eq!(pointer.fetch_byte_add(3, Relaxed), first.wrapping_add(1));
        assert_eq!(pointer.fetch_byte_sub(3, Relaxed).addr(), first.addr() + 7);
        assert_eq!(pointer.fetch_or(1, Relaxed), first.wrapping_add(1));
        assert_eq!(pointer.fetch_xor(3, Relaxed).addr(), first.addr() + 5);
        assert_eq!(pointer.fetch_and(!3, Relaxed).addr(), first.addr() + 6);
        assert_eq!(format!("{pointer:p}"), format!("{:p}", first.wrapping_add(1)));
    }

    pub fn a_tag_is_a_lock() {
        count(AtomicPtr::new(std::ptr::null_mut::<u32>()),
            |p| while p.fetch_or(1, Acquire).addr() & 1 == 1 {},
            |p| { p.fetch_and(!1, Release); });
    }
}

macro_rules! cases {
    ($($name:ident: $check:ident $($kind:ident)?;)*) => {
        $(#[test] fn $name() { $check(scenarios::$name $(, $kind)?); })*
    };
}

cases! {
    a_lock_of_try_update: holds;
    a_lock_of_relaxed_try_update: fails Race;
    a_try_update_that_always_succeeds: fails Race;
    no_update_is_lost: holds;
    an_update_is_never_tried_again: fails Assertion;
    what_updates_return: holds;
    a_lock_of_from_ptr: holds;
    a_lock_of_from_ptr_that_is_given_up_relaxed: fails Race;
    a_lock_of_from_ptr_that_looks_and_then_takes: fails Race;
    one_takes_it_directly_and_the_other_by_its_pointer: holds;
    a_lock_of_a_cast: holds;
    a_lock_of_a_cast_that_is_given_up_relaxed: fails Race;
    a_cast_leaves_the_neighbours_alone: holds;
    zeroed_memory_is_atomics: holds;
    an_atomic_is_aligned_like_its_value: holds;
    flags_that_come_and_go: holds;
    flags_on_the_stack: holds;
    memory_and_atomic_agree: holds;
    an_atomic_with_a_pointer_may_move: holds;
    statics_with_pointers_start_afresh: holds;
    tags_and_steps_of_pointers: holds;
    a_tag_is_a_lock: holds;
}
