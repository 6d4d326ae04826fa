//! Wrong programs whose threads end badly or not at all. Each must be rejected, for its own reason.

mod common;
use common::{explored, fails};
use interleave::FailureKind::{Assertion, Leak};

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::atomic::{Ordering::*};
    use std::sync::{Condvar, Mutex, mpsc};

    pub fn a_thread_is_left_waiting() {
        let (sender, receiver) = mpsc::channel::<u32>();
        thread::spawn(move || receiver.recv());
        std::mem::forget(sender);
    }

    pub fn an_assertion_in_a_thread_that_nobody_joins() {
        thread::spawn(|| assert_eq!(1 + 1, 3));
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
}

macro_rules! wrong {
    ($($name:ident: $check:ident $kind:ident;)*) => {
        $(#[test] fn $name() { $check(scenarios::$name, $kind); })*
    };
}

wrong! {
    a_thread_is_left_waiting: fails Leak;
    an_assertion_in_a_thread_that_nobody_joins: fails Assertion;
    a_panic_that_leaves_others_waiting: fails Assertion;
    a_deadlock_in_a_destructor_while_unwinding: fails Assertion;
}

#[test]
fn the_cause_of_a_deadlock_may_be_an_earlier_panic() {
    {
        let found = explored(scenarios::a_panic_that_leaves_others_waiting);
        let message = &found.must_fail(Assertion).message;
        assert!(
            message.starts_with("thread b panicked: not yet implemented"),
            "{message}"
        );
        assert!(message.contains("thread a waits"), "{message}");
    }
}
