//! Which accesses to plain memory are ordered: whoever runs the program asks, between its operations.

use std::sync::atomic::Ordering::{self, Acquire, Relaxed, Release};

use interleave_search::{Guard, Op, Search};

/// How many executions there are of a program in which one thread writes plain memory and stores a
/// flag, and another loads the flag and, if it is set, reads the memory; and in how many of them the
/// two accesses race.
fn message_passing(store: Ordering, load: Ordering) -> (usize, usize) {
    let (mut all, mut races) = (0, 0);
    let mut search = Search::new();
    while search.begin() {
        let flag = search.object(0, 1);
        let writes = Op::Store {
            at: flag,
            value: 1,
            order: store,
        };
        let reads = Op::Load {
            at: flag,
            order: load,
            when: Guard::Always,
        };
        // Threads 1 and 2 have one operation each; thread 0 starts them.
        let mut next = vec![(0, Op::Spawn { thread: 0 })];
        let (mut started, mut written) = (0, None);
        while let Ok(turn) = search.turn(&next) {
            let place = next.iter().position(|(thread, _)| *thread == turn).unwrap();
            let (_, op) = next.remove(place);
            let read = search.perform(turn, op).unwrap().read;
            match turn {
                0 => {
                    started += 1;
                    next.push((started, [writes, reads][started - 1]));
                    if started == 1 {
                        // It writes as soon as it runs.
                        written = Some(search.now(1));
                        next.insert(0, (0, op));
                    }
                }
                2 if read == 1 => {
                    races += usize::from(!search.is_ordered(written.unwrap(), 2));
                }
                _ => {}
            }
        }
        all += 1;
    }
    (all, races)
}

#[test]
fn a_release_and_an_acquire_order_what_lies_around_them() {
    assert_eq!(message_passing(Release, Acquire), (2, 0));
    assert_eq!(message_passing(Release, Relaxed), (2, 1));
    assert_eq!(message_passing(Relaxed, Acquire), (2, 1));
}

#[test]
fn a_start_and_an_end_of_a_thread_order_too() {
    let mut search = Search::new();
    assert!(search.begin());
    let before_the_start = search.now(0);
    search.perform(0, Op::Spawn { thread: 0 }).unwrap();
    let after_the_start = search.now(0);
    assert!(search.is_ordered(before_the_start, 1));
    assert!(!search.is_ordered(after_the_start, 1));
    let in_the_thread = search.now(1);
    assert!(!search.is_ordered(in_the_thread, 0));
    search.ended(1);
    search.perform(0, Op::Join { thread: 1 }).unwrap();
    assert!(search.is_ordered(in_the_thread, 0));
}
