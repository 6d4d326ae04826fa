//! Values for each thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use sync::Barrier;
use threads::{PerThread, Pool, message_of};

#[test]
fn every_thread_has_its_own_and_all_are_collected() {
    let count = PerThread::new(|| 0);
    let all_there = Barrier::new(3);
    thread::scope(|scope| {
        for times in 1..=3 {
            let (count, all_there) = (&count, &all_there);
            scope.spawn(move || {
                all_there.wait();
                for _ in 0..times {
                    count.with(|count| *count += 1);
                }
            });
        }
    });
    // The threads have ended; what they had counted has not.
    let mut counts: Vec<_> = count
        .collect()
        .into_iter()
        .map(|(_, count)| count)
        .collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3]);
    assert!(count.collect().is_empty());
}

#[test]
fn a_value_is_made_once_and_again_after_it_was_taken_or_collected() {
    let value = PerThread::new(|| vec![0]);
    assert_eq!(value.take(), None);
    value.with(|value| value.push(1));
    assert_eq!(value.with(|value| value.len()), 2);
    assert_eq!(value.take(), Some(vec![0, 1]));
    assert_eq!(value.with(|value| value.len()), 1);
    assert_eq!(value.collect(), [(thread::current().id(), vec![0])]);
    assert_eq!(value.with(|value| value.len()), 1);
    assert_eq!(value.collect().len(), 1);
}

#[test]
fn instances_do_not_mix_and_may_be_used_within_each_other() {
    let (one, other) = (PerThread::new(|| 1), PerThread::new(|| 2));
    let sum = one.with(|one| other.with(|other| *one + *other));
    assert_eq!(sum, 3);
}

#[test]
fn the_same_one_within_itself_is_refused_and_usable_afterwards() {
    let value = PerThread::new(|| 0);
    for again in [
        (&|| value.with(|_| ())) as &dyn Fn(),
        &|| assert_eq!(value.take(), None),
        &|| drop(value.collect()),
    ] {
        let refused = catch_unwind(AssertUnwindSafe(|| value.with(|_| again())));
        let message = refused.unwrap_err();
        assert!(message_of(&*message).contains("using its value already"));
        value.with(|value| *value += 1);
    }
    assert_eq!(value.take(), Some(3));
}

#[test]
fn a_panic_leaves_the_value_as_it_was() {
    let value = PerThread::new(|| 0);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        value.with(|value| {
            *value = 7;
            std::panic::resume_unwind(Box::new(()));
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(value.take(), Some(7));
}

#[test]
fn nothing_counted_is_lost_to_a_collector_that_comes_in_between() {
    const TIMES: u64 = 5_000;
    let count = PerThread::new(|| 0_u64);
    let collected = thread::scope(|scope| {
        let threads = [(); 2]
            .map(|()| scope.spawn(|| (0..TIMES).for_each(|_| count.with(|count| *count += 1))));
        let mut collected = 0;
        while threads.iter().any(|thread| !thread.is_finished()) {
            collected += count.collect().iter().map(|(_, count)| count).sum::<u64>();
            thread::yield_now();
        }
        collected
    });
    let rest: u64 = count.collect().iter().map(|(_, count)| count).sum();
    assert_eq!(collected + rest, 2 * TIMES);
}

#[test]
fn in_a_pool_a_value_waits_for_the_next_job() {
    let pool = Pool::new(1, 4).unwrap();
    let name = Arc::new(PerThread::new(String::new));
    let job = |says: &'static str, forgets: bool| {
        let name = Arc::clone(&name);
        let job = pool.submit(move || {
            let found = name.with(|name| std::mem::replace(name, says.to_owned()));
            if forgets {
                name.take();
            }
            found
        });
        job.unwrap().wait().unwrap()
    };
    assert_eq!(job("first", false), "");
    assert_eq!(job("second", true), "first", "left behind by another job");
    assert_eq!(job("third", true), "");
}

#[test]
fn what_was_not_collected_is_dropped_with_the_instance() {
    let value = Arc::new(());
    let held = Arc::clone(&value);
    let instance = PerThread::new(move || Arc::clone(&held));
    thread::scope(|scope| {
        scope.spawn(|| instance.with(|_| ()));
    });
    instance.with(|_| ());
    assert_eq!(Arc::strong_count(&value), 4);
    drop(instance);
    assert_eq!(Arc::strong_count(&value), 1);
}
