//! What a fiber promises: values, panics, destructors, and its stack.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;

use coroutines::fiber::{Fiber, Finished, Step};

/// Says when it is dropped.
struct Mark(&'static str, Rc<RefCell<Vec<&'static str>>>);

impl Drop for Mark {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

#[test]
fn values_cross_both_ways() {
    let mut echo = Fiber::new(|fiber, mut word: String| {
        for n in 0..3_usize {
            word = fiber.suspend((n, word + "!"));
        }
        word.len()
    })
    .unwrap();
    for n in 0..3 {
        let word = format!("word {n}");
        assert_eq!(echo.resume(word.clone()), Step::Yield((n, word + "!")));
    }
    assert!(!echo.is_done());
    assert_eq!(echo.resume("the end".to_owned()), Step::Return(7));
    assert!(echo.is_done());
}

#[test]
fn a_finished_fiber_gives_the_input_back() {
    let mut fiber = Fiber::<_, (), _>::new(|_, word: String| word).unwrap();
    assert_eq!(fiber.resume("a".into()), Step::Return("a".to_owned()));
    assert_eq!(fiber.try_resume("b".into()), Err(Finished("b".to_owned())));
    let panic = catch_unwind(AssertUnwindSafe(|| fiber.resume("c".into()))).unwrap_err();
    let said = panic.downcast_ref::<&str>().unwrap();
    assert!(said.contains("after its end"), "{said}");
}

/// Keeps many values in registers, of both kinds, over each switch.
#[inline(never)]
fn busy(seed: u64, mut pause: impl FnMut(u64)) -> (u64, f64) {
    let mut whole = [seed; 12];
    let mut real = [seed as f64; 12];
    for round in 0..50 {
        for i in 0..12 {
            whole[i] = whole[i]
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(i as u64);
            real[i] = real[i] * 0.5 + whole[i] as f64;
        }
        pause(round);
    }
    (whole.iter().fold(0, |a, b| a ^ b), real.iter().sum())
}

#[test]
fn registers_and_locals_survive_the_switch_on_both_sides() {
    let mut fibers: Vec<_> = (0..8)
        .map(|seed| Fiber::new(move |fiber, ()| busy(seed, |round| fiber.suspend(round))).unwrap())
        .collect();
    let mut ends = Vec::new();
    // The resumer computes between the switches, too.
    let ours = busy(99, |round| {
        for fiber in &mut fibers {
            assert_eq!(fiber.resume(()), Step::Yield(round));
        }
    });
    for fiber in &mut fibers {
        match fiber.resume(()) {
            Step::Return(end) => ends.push(end),
            Step::Yield(_) => panic!("51 suspensions"),
        }
    }
    assert_eq!(ours, busy(99, |_| ()));
    let expected: Vec<_> = (0..8).map(|seed| busy(seed, |_| ())).collect();
    assert_eq!(ends, expected);
}

#[test]
fn over_aligned_values_cross_and_large_ones_fit() {
    #[repr(align(128))]
    #[derive(Clone, Copy)]
    struct Aligned([u8; 4096]);
    let mut fiber = Fiber::new(|fiber, mut value: Aligned| {
        assert_eq!((&raw const value).addr() % 128, 0);
        value.0[4095] += 1;
        let mut next: Aligned = fiber.suspend(value);
        next.0[0] += 1;
        next
    })
    .unwrap();
    match fiber.resume(Aligned([1; 4096])) {
        Step::Yield(value) => assert_eq!((value.0[0], value.0[4095]), (1, 2)),
        Step::Return(_) => panic!("it suspends first"),
    }
    match fiber.resume(Aligned([5; 4096])) {
        Step::Return(value) => assert_eq!((value.0[0], value.0[4095]), (6, 5)),
        Step::Yield(_) => panic!("it suspends once"),
    }
}

#[test]
fn a_fiber_resumes_a_fiber() {
    let mut outer = Fiber::new(|outer, ()| {
        let mut inner = Fiber::new(|inner, ()| {
            inner.suspend("inner, first");
            inner.suspend("inner, second");
        })
        .unwrap();
        while let Step::Yield(word) = inner.resume(()) {
            outer.suspend(word);
        }
        outer.suspend("outer");
    })
    .unwrap();
    let mut words = Vec::new();
    while let Step::Yield(word) = outer.resume(()) {
        words.push(word);
    }
    assert_eq!(words, ["inner, first", "inner, second", "outer"]);
}

#[test]
fn a_panic_in_the_fiber_reaches_the_resumer_with_its_payload() {
    let dropped = Rc::default();
    let mark = Mark("a local of the fiber", Rc::clone(&dropped));
    let mut fiber = Fiber::new(move |fiber, ()| {
        let _mark = mark;
        fiber.suspend(1);
        panic_any(42_u16);
    })
    .unwrap();
    assert_eq!(fiber.resume(()), Step::Yield(1));
    let panic = catch_unwind(AssertUnwindSafe(|| fiber.resume(()))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&42_u16));
    assert_eq!(*dropped.borrow(), ["a local of the fiber"]);
    assert!(fiber.is_done());
    assert!(!std::thread::panicking());
}

#[test]
fn a_panic_caught_inside_stays_inside() {
    let mut fiber = Fiber::new(|fiber, ()| {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            fiber.suspend("before");
            panic_any("inside");
        }));
        assert!(caught.is_err());
        fiber.suspend("after");
    })
    .unwrap();
    assert_eq!(fiber.resume(()), Step::Yield("before"));
    assert_eq!(fiber.resume(()), Step::Yield("after"));
    assert_eq!(fiber.resume(()), Step::Return(()));
}

#[test]
fn a_dropped_fiber_runs_the_destructors_on_its_stack() {
    let dropped = Rc::default();
    let (captured, inside) = (Rc::clone(&dropped), Rc::clone(&dropped));
    let captured = Mark("captured", captured);
    let mut fiber = Fiber::new(move |fiber, ()| {
        let _captured = captured;
        let _first = Mark("made first", Rc::clone(&inside));
        let _second = Mark("made second", Rc::clone(&inside));
        fiber.suspend(());
        inside.borrow_mut().push("it ran on");
    })
    .unwrap();
    fiber.resume(());
    assert!(dropped.borrow().is_empty());
    drop(fiber);
    assert_eq!(*dropped.borrow(), ["made second", "made first", "captured"]);
}

#[test]
fn a_fiber_dropped_before_it_began_drops_its_body_without_running_it() {
    let dropped = Rc::default();
    let mark = Mark("captured", Rc::clone(&dropped));
    let ran = Rc::new(Cell::new(false));
    let run = Rc::clone(&ran);
    let fiber = Fiber::<(), (), ()>::new(move |_, ()| {
        let _mark = &mark;
        run.set(true);
    });
    drop(fiber.unwrap());
    assert_eq!(*dropped.borrow(), ["captured"]);
    assert!(!ran.get());
}

#[test]
fn values_that_nobody_took_are_dropped_once() {
    let value = Rc::new(());
    let theirs = Rc::clone(&value);
    let mut fiber = Fiber::new(move |fiber, _given: Rc<()>| {
        let _again: Rc<()> = fiber.suspend(Rc::clone(&theirs));
        fiber.suspend(theirs);
    })
    .unwrap();
    drop(fiber.resume(Rc::clone(&value)));
    drop(fiber.resume(Rc::clone(&value)));
    drop(fiber);
    assert_eq!(Rc::strong_count(&value), 1);
}

#[test]
fn a_fiber_is_unwound_while_its_owner_panics() {
    let dropped = Rc::default();
    let mark = Mark("on the fiber's stack", Rc::clone(&dropped));
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let mut fiber = Fiber::new(move |fiber, ()| {
            let _mark = mark;
            fiber.suspend(());
        })
        .unwrap();
        fiber.resume(());
        panic_any("the owner's");
    }))
    .unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the owner's"));
    assert_eq!(*dropped.borrow(), ["on the fiber's stack"]);
    assert!(!std::thread::panicking());
}

#[test]
fn a_fiber_within_a_dropped_fiber_is_unwound_too() {
    let dropped = Rc::default();
    let (outer_mark, inner_mark) = (Rc::clone(&dropped), Rc::clone(&dropped));
    let mut outer = Fiber::new(move |outer, ()| {
        let _outer = Mark("outer", outer_mark);
        let mut inner = Fiber::new(move |inner, ()| {
            let _inner = Mark("inner", inner_mark);
            inner.suspend(());
        })
        .unwrap();
        inner.resume(());
        outer.suspend(());
    })
    .unwrap();
    outer.resume(());
    drop(outer);
    assert_eq!(*dropped.borrow(), ["inner", "outer"]);
}

#[test]
fn a_body_that_swallows_the_unwinding_and_suspends_again_is_unwound_again() {
    let times = Rc::new(Cell::new(0));
    let counted = Rc::clone(&times);
    let mut fiber = Fiber::new(move |fiber, ()| {
        for _ in 0..3 {
            let suspended = AssertUnwindSafe(|| fiber.suspend(()));
            if catch_unwind(suspended).is_err() {
                counted.set(counted.get() + 1);
            }
        }
    })
    .unwrap();
    fiber.resume(());
    drop(fiber);
    assert_eq!(times.get(), 3);
}

#[test]
fn a_panic_while_a_dropped_fiber_is_unwound_is_told_to_who_dropped_it() {
    let mut fiber = Fiber::new(|fiber, ()| {
        let suspended = AssertUnwindSafe(|| fiber.suspend(()));
        if catch_unwind(suspended).is_err() {
            panic_any("not the unwinding's own");
        }
    })
    .unwrap();
    fiber.resume(());
    let panic = catch_unwind(AssertUnwindSafe(|| drop(fiber))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"not the unwinding's own"));
}

#[test]
fn a_fiber_of_a_thread_ends_with_the_thread() {
    let dropped = std::thread::spawn(|| {
        let dropped = Rc::default();
        let mark = Mark("there", Rc::clone(&dropped));
        let mut fiber = Fiber::new(move |fiber, ()| {
            let _mark = mark;
            fiber.suspend(());
        })
        .unwrap();
        fiber.resume(());
        drop(fiber);
        dropped.borrow().len()
    });
    assert_eq!(dropped.join().unwrap(), 1);
}

#[test]
fn a_backtrace_ends_at_the_fiber_and_does_not_crash() {
    #[inline(never)]
    fn deep_inside() -> String {
        std::backtrace::Backtrace::force_capture().to_string()
    }
    let mut fiber = Fiber::<_, (), _>::new(|_, ()| deep_inside()).unwrap();
    let Step::Return(trace) = fiber.resume(()) else {
        panic!("it does not suspend");
    };
    assert!(trace.contains("deep_inside"), "{trace}");
    // The frames of the resumer are on another stack.
    assert!(!trace.contains("test_main"), "{trace}");
}
