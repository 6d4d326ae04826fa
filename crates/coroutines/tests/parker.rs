//! What the parker promises, in every schedule and under the memory model.

use interleave::Exploration;

interleave::in_worlds! {
    shuttled = coroutines_parker_shuttled, loomed = coroutines_parker_loomed;

    use exercise::Parker;

    /// Whichever comes first, the sleeper goes on, and sees what came before the wake-up.
    pub fn a_wake_up_is_not_lost() {
        let parker = Arc::new(Parker::new());
        let message = Arc::new(Tracked::new(0_u32));
        let (theirs, sent) = (Arc::clone(&parker), Arc::clone(&message));
        let waker = thread::spawn(move || {
            sent.set(7);
            theirs.unpark();
        });
        parker.park();
        assert_eq!(message.get(), 7);
        waker.join().unwrap();
    }

    /// Two wake-ups: the first sleep sees one of the two messages, and the last sleep
    /// ends, with a token that may have come at any time.
    pub fn wake_ups_of_two_threads_end_a_sleep_each_time_something_is_new() {
        let parker = Arc::new(Parker::new());
        let messages = [(); 2].map(|()| Arc::new(std::sync::atomic::AtomicU32::new(0)));
        let wakers = messages.clone().map(|message| {
            let theirs = Arc::clone(&parker);
            thread::spawn(move || {
                message.store(1, std::sync::atomic::Ordering::Relaxed);
                theirs.unpark();
            })
        });
        let all_there = || {
            messages
                .iter()
                .all(|message| message.load(std::sync::atomic::Ordering::Relaxed) == 1)
        };
        while !all_there() {
            parker.park();
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    }

    /// As between an executor and a task on another thread: to and fro.
    pub fn two_places_take_turns() {
        let places = Arc::new([Parker::new(), Parker::new()]);
        let count = Arc::new(Tracked::new(0_u32));
        let (theirs, counted) = (Arc::clone(&places), Arc::clone(&count));
        let other = thread::spawn(move || {
            for _ in 0..2 {
                theirs[1].park();
                counted.update(|n| n + 1);
                theirs[0].unpark();
            }
        });
        for round in 1..=2 {
            places[1].unpark();
            places[0].park();
            assert_eq!(count.get(), round);
        }
        other.join().unwrap();
    }
}

/// Nothing fails, and it was really explored.
fn holds(found: Exploration) {
    if let Some(failure) = &found.failure {
        panic!("{}\n{}", failure.message, failure.timeline);
    }
    assert_eq!(found.not_judged, None);
    assert!(found.schedules > 1, "{}", found.coverage());
}

macro_rules! in_any_schedule_and_any_order {
    ($($scenario:ident)*) => {$(
        #[test]
        fn $scenario() {
            holds(interleave::schedules(shuttled::$scenario));
            holds(interleave::orderings(loomed::$scenario));
        }
    )*};
}

in_any_schedule_and_any_order! {
    a_wake_up_is_not_lost
    wake_ups_of_two_threads_end_a_sleep_each_time_something_is_new
    two_places_take_turns
}
