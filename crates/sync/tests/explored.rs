//! Every primitive, explored: all its executions, as far as the budgets go. Payloads are `Tracked`: two threads inside at once, or a value that is read
//! without having been published, fails the exploration.

use interleave::Explore;

/// Scenarios are small; where they are not, more is not better. In a debug build this is well under
/// a second each.
fn explore() -> Explore {
    Explore::new().executions(1_500).scenario_file(file!())
}

interleave::hold! {
    explore();
    a_spin_lock_admits_one
    a_mutex_admits_one
    a_mutex_of_three_threads_loses_no_wake_up
    a_mutex_that_is_tried_admits_one
    a_condvar_loses_no_notification
    a_condvar_wakes_all
    a_condvar_that_is_waited_for_in_vain_times_out
    a_monitor_hands_items_over
    a_permit_publishes_what_was_done_under_it
    a_release_of_two_wakes_two
    a_timed_out_acquire_eats_no_permit
    readers_and_a_writer_never_meet
    a_writer_among_readers_gets_its_turn
    two_writers_and_a_reader_all_get_their_turn
    three_writers_all_get_their_turn
    a_reader_that_leaves_lets_no_other_overtake_the_writer
    what_is_tried_never_meets_a_writer
    a_barrier_is_passed_by_all_with_one_leader
    a_barrier_is_used_again
    a_parker_takes_a_token_once
    a_parker_that_times_out_keeps_no_token
    wake_ups_of_two_threads_end_a_sleep_each_time_something_is_new
    two_parkers_take_turns
    an_event_count_misses_nothing
    an_event_count_wakes_all
    an_event_count_wakes_one_for_each
    a_checked_order_lets_threads_through
}

interleave::scenarios! {
    exercise = sync_explored;

    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
    use std::time::Duration;

    use exercise::{
        Barrier, Condvar, EventCount, LockOrder, Monitor, Mutex, Parker, RwLock, Semaphore, SpinLock,
    };

    /// This thread and `others` more do the same.
    fn together<S: Send + Sync + 'static>(others: usize, shared: S, act: fn(&S)) -> Arc<S> {
        let shared = Arc::new(shared);
        let threads: Vec<_> = (0..others)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || act(&shared))
            })
            .collect();
        act(&shared);
        for thread in threads {
            thread.join().unwrap();
        }
        shared
    }

    /// One thread does this, another that.
    fn beside<S: Send + Sync + 'static>(shared: S, that: fn(&S), this: fn(&S)) -> Arc<S> {
        let shared = Arc::new(shared);
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || that(&theirs));
        this(&shared);
        thread.join().unwrap();
        shared
    }

    pub fn a_spin_lock_admits_one() {
        let lock = together(1, SpinLock::new(Tracked::new(0)), |lock| lock.lock().update(|n| n + 1));
        assert_eq!(lock.lock().get(), 2);
    }

    pub fn a_mutex_admits_one() {
        let lock = together(1, Mutex::new(Tracked::new(0)), |lock| {
            lock.lock().update(|n| n + 1);
            lock.lock().update(|n| n + 1);
        });
        assert_eq!(lock.lock().get(), 4);
    }

    pub fn a_mutex_of_three_threads_loses_no_wake_up() {
        let lock = together(2, Mutex::new(Tracked::new(0)), |lock| lock.lock().update(|n| n + 1));
        assert_eq!(lock.lock().get(), 3);
    }

    pub fn a_mutex_that_is_tried_admits_one() {
        beside(
            Mutex::new(Tracked::new(0)),
            |lock| lock.lock().update(|n| n + 1),
            |lock| if let Some(guard) = lock.try_lock() {
                guard.update(|n| n + 1);
            },
        );
    }

    pub fn a_condvar_loses_no_notification() {
        beside(
            (Mutex::new((false, Tracked::new(0))), Condvar::new()),
            |(lock, changed)| {
                let mut guard = lock.lock();
                guard.0 = true;
                guard.1.set(7);
                drop(guard);
                changed.notify_one();
            },
            |(lock, changed)| {
                let guard = changed.wait_while(lock.lock(), |(ready, _)| !*ready);
                assert_eq!(guard.1.get(), 7);
            },
        );
    }

    pub fn a_condvar_wakes_all() {
        let shared = Arc::new((Mutex::new(false), Condvar::new()));
        let threads: Vec<_> = (0..2).map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || drop(shared.1.wait_while(shared.0.lock(), |ready| !*ready)))
        }).collect();
        *shared.0.lock() = true;
        shared.1.notify_all();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    pub fn a_condvar_that_is_waited_for_in_vain_times_out() {
        let shared = (Mutex::new(false), Condvar::new());
        let (guard, in_time) =
            shared.1.wait_while_for(shared.0.lock(), Duration::from_millis(1), |ready| !*ready);
        assert!(in_time.is_err() && !*guard);
        drop(guard);
        beside(
            shared,
            |(lock, changed)| {
                *lock.lock() = true;
                changed.notify_one();
            },
            |(lock, changed)| {
                let (guard, in_time) =
                    changed.wait_while_for(lock.lock(), Duration::from_millis(1), |ready| !*ready);
                assert_eq!(in_time.is_ok(), *guard, "what it says is so");
            },
        );
    }

    #[derive(Default)]
    pub struct Conditions { not_empty: Condvar, not_full: Condvar }

    pub fn a_monitor_hands_items_over() {
        beside(
            Monitor::with_conditions(Vec::new(), Conditions::default()),
            |buffer| for item in 1..=2 {
                let mut inside = buffer.enter();
                inside.wait_while(|c| &c.not_full, |items| items.len() == 1);
                inside.push(Tracked::new(item));
                inside.notify_one(|c| &c.not_empty);
            },
            |buffer| for item in 1..=2 {
                let mut inside = buffer.enter();
                inside.wait_while(|c| &c.not_empty, |items: &mut Vec<_>| items.is_empty());
                assert_eq!(inside.pop().unwrap().into_inner(), item);
                inside.notify_one(|c| &c.not_full);
            },
        );
    }

    pub fn a_permit_publishes_what_was_done_under_it() {
        let shared = together(1, (Semaphore::new(1), Tracked::new(0)), |(semaphore, payload)| {
            let permit = semaphore.acquire();
            payload.update(|n| n + 1);
            drop(permit);
            let permit = semaphore.acquire();
            payload.update(|n| n + 1);
            drop(permit);
        });
        assert_eq!(shared.1.get(), 4);
        assert_eq!(shared.0.available(), 1);
    }

    pub fn a_release_of_two_wakes_two() {
        let semaphore = Arc::new(Semaphore::new(0));
        let threads: Vec<_> = (0..2).map(|_| {
            let semaphore = Arc::clone(&semaphore);
            thread::spawn(move || semaphore.acquire().forget())
        }).collect();
        semaphore.release(2).unwrap();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(semaphore.available(), 0);
    }

    pub fn a_timed_out_acquire_eats_no_permit() {
        let semaphore = Arc::new(Semaphore::new(0));
        let [patient, impatient] = [(); 2].map(|()| Arc::clone(&semaphore));
        // It takes the permit and gives it back, or none comes in time.
        let impatient = thread::spawn(move || {
            drop(impatient.acquire_timeout(Duration::from_millis(1)));
        });
        let patient = thread::spawn(move || patient.acquire().forget());
        semaphore.release(1).unwrap();
        impatient.join().unwrap();
        patient.join().unwrap();
        assert_eq!(semaphore.available(), 0);
    }

    pub fn readers_and_a_writer_never_meet() {
        beside(
            RwLock::new(Tracked::new(0)),
            |lock| {
                lock.write().update(|n| n + 1);
                lock.write().update(|n| n + 1);
            },
            |lock| {
                let first = lock.read().get();
                assert!(lock.read().get() >= first);
            },
        );
    }

    pub fn a_writer_among_readers_gets_its_turn() {
        let lock = Arc::new(RwLock::new(Tracked::new(0)));
        let readers: Vec<_> = (0..2).map(|_| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || { lock.read().get(); })
        }).collect();
        lock.write().update(|n| n + 1);
        for reader in readers {
            reader.join().unwrap();
        }
    }

    pub fn two_writers_and_a_reader_all_get_their_turn() {
        let lock = Arc::new(RwLock::new(Tracked::new(0)));
        let writers: Vec<_> = (0..2).map(|_| {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.write().update(|n| n + 1))
        }).collect();
        lock.read().get();
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(lock.read().get(), 2);
    }

    /// A writer that takes the lock on its way to sleep must leave the flag for one that sleeps.
    pub fn three_writers_all_get_their_turn() {
        let lock = together(2, RwLock::new(Tracked::new(0)), |lock| lock.write().update(|n| n + 1));
        assert_eq!(lock.read().get(), 3);
    }

    pub fn a_reader_that_leaves_lets_no_other_overtake_the_writer() {
        let lock = Arc::new(RwLock::new(Tracked::new(0)));
        let (first, last) = (lock.read(), lock.read());
        let theirs = Arc::clone(&lock);
        let writer = thread::spawn(move || theirs.write().update(|n| n + 1));
        if lock.try_read().is_none() {
            // The writer waits.
            drop(first);
            assert!(lock.try_read().is_none(), "a reader overtook the writer");
        } else {
            drop(first);
        }
        drop(last);
        writer.join().unwrap();
    }

    pub fn what_is_tried_never_meets_a_writer() {
        beside(
            RwLock::new(Tracked::new(0)),
            |lock| if let Some(guard) = lock.try_write() {
                guard.update(|n| n + 1);
            },
            |lock| {
                if let Some(guard) = lock.try_read() {
                    guard.get();
                }
                lock.write().update(|n| n + 1);
            },
        );
    }

    pub fn a_barrier_is_passed_by_all_with_one_leader() {
        let shared = together(
            1,
            (Barrier::new(2), AtomicU32::new(0), AtomicU32::new(0)),
            |(barrier, arrived, leaders)| {
                arrived.fetch_add(1, Relaxed);
                leaders.fetch_add(u32::from(barrier.wait()), Relaxed);
                assert_eq!(arrived.load(Relaxed), 2);
            },
        );
        assert_eq!(shared.2.load(Relaxed), 1);
    }

    pub fn a_barrier_is_used_again() {
        together(1, (Barrier::new(2), AtomicU32::new(0)), |(barrier, arrived)| {
            for round in 1..=2 {
                arrived.fetch_add(1, Relaxed);
                barrier.wait();
                assert!(arrived.load(Relaxed) >= 2 * round, "somebody went on alone");
            }
        });
    }

    pub fn a_parker_takes_a_token_once() {
        let parker = Parker::new();
        let unparker = parker.unparker();
        let payload = Arc::new(Tracked::new(0));
        let theirs = Arc::clone(&payload);
        let thread = thread::spawn(move || {
            theirs.set(7);
            unparker.unpark();
        });
        parker.park();
        assert_eq!(payload.get(), 7);
        assert!(parker.park_timeout(Duration::ZERO).is_err(), "the token was taken");
        thread.join().unwrap();
    }

    /// Two wake-ups: the first sleep sees one of the two messages, and the last sleep
    /// ends, with a token that may have come at any time.
    pub fn wake_ups_of_two_threads_end_a_sleep_each_time_something_is_new() {
        let parker = Parker::new();
        let messages = [(); 2].map(|()| Arc::new(std::sync::atomic::AtomicU32::new(0)));
        let wakers = messages.clone().map(|message| {
            let unparker = parker.unparker();
            thread::spawn(move || {
                message.store(1, std::sync::atomic::Ordering::Relaxed);
                unparker.unpark();
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
    pub fn two_parkers_take_turns() {
        let (mine, theirs) = (Parker::new(), Parker::new());
        let (wake_me, wake_them) = (mine.unparker(), theirs.unparker());
        let count = Arc::new(Tracked::new(0_u32));
        let counted = Arc::clone(&count);
        let other = thread::spawn(move || {
            for _ in 0..2 {
                theirs.park();
                counted.update(|n| n + 1);
                wake_me.unpark();
            }
        });
        for round in 1..=2 {
            wake_them.unpark();
            mine.park();
            assert_eq!(count.get(), round);
        }
        other.join().unwrap();
    }

    pub fn a_parker_that_times_out_keeps_no_token() {
        let parker = Parker::new();
        let unparker = parker.unparker();
        let thread = thread::spawn(move || unparker.unpark());
        if parker.park_timeout(Duration::from_millis(1)).is_err() {
            parker.park();
        }
        thread.join().unwrap();
        assert!(parker.park_timeout(Duration::ZERO).is_err());
    }

    pub fn an_event_count_misses_nothing() {
        beside(
            (EventCount::new(), AtomicBool::new(false)),
            |(event, there)| {
                there.store(true, Relaxed);
                event.notify_one();
            },
            |(event, there)| event.wait_until(|| there.load(Relaxed).then_some(())),
        );
    }

    pub fn an_event_count_wakes_all() {
        let shared = Arc::new((EventCount::new(), AtomicBool::new(false)));
        let threads: Vec<_> = (0..2).map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.0.wait_until(|| shared.1.load(Relaxed).then_some(())))
        }).collect();
        shared.1.store(true, Relaxed);
        shared.0.notify_all();
        for thread in threads {
            thread.join().unwrap();
        }
    }

    /// Two notify and two take, so that a mark, a wake-up and an item each can be another's.
    pub fn an_event_count_wakes_one_for_each() {
        let shared = Arc::new((EventCount::new(), AtomicU32::new(0)));
        let takers: Vec<_> = (0..2).map(|_| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                shared.0.wait_until(|| {
                    shared.1.fetch_update(Relaxed, Relaxed, |items| items.checked_sub(1)).ok()
                });
            })
        }).collect();
        for _ in 0..2 {
            shared.1.fetch_add(1, Relaxed);
            shared.0.notify_one();
        }
        for taker in takers {
            taker.join().unwrap();
        }
    }

    pub fn a_checked_order_lets_threads_through() {
        let order = LockOrder::new();
        let shared = (order.mutex("a", Tracked::new(0)), order.mutex("b", Tracked::new(0)));
        together(1, shared, |(a, b)| {
            let first = a.lock().unwrap();
            let second = b.lock().unwrap();
            first.update(|n| n + 1);
            second.update(|n| n + 1);
        });
    }
}
