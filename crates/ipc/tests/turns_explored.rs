//! The ring's algorithm, explored: all executions, as far as the budgets go. The slots are `Tracked`: an item that
//! is read before it is published, or overwritten before it is read, fails.

use interleave::{Explore, Failure};

fn explore() -> Explore {
    Explore::new().executions(1_500).scenario_file(file!())
}

interleave::hold! {
    explore();
    an_item_arrives
    a_full_ring_is_waited_for
    two_slots_are_used_in_turn_across_the_wrap
    who_finds_nothing_and_leaves_disturbs_nobody
}

/// What the barrier is for.
#[test]
fn without_its_barrier_a_wake_up_is_lost() {
    let found = explore().of(scenarios::an_item_arrives_without_barriers);
    let failure: Option<&Failure> = found.failure.as_ref();
    assert!(failure.is_some(), "{}", found.coverage());
}

interleave::scenarios! {
    exercise = ring_turns_explored;

    use std::sync::atomic::AtomicU32;

    use exercise::{Kernel, Putter, Taker, Turns};

    /// The model's futex, and fences for barriers.
    struct Modelled;

    impl Kernel for Modelled {
        fn sleep(&mut self, word: &AtomicU32, expected: u32) -> bool {
            modelled_futex::wait(word, expected);
            true
        }

        fn wake(&mut self, word: &AtomicU32) {
            modelled_futex::wake_all(word);
        }
    }

    /// The same without the fence after every item.
    struct Hasty;

    impl Kernel for Hasty {
        fn sleep(&mut self, word: &AtomicU32, expected: u32) -> bool {
            Modelled.sleep(word, expected)
        }

        fn wake(&mut self, word: &AtomicU32) {
            Modelled.wake(word);
        }

        fn light_barrier(&mut self) {}
    }

    struct Ring {
        turns: Turns,
        slots: Vec<Tracked<u32>>,
    }

    fn ring(capacity: u32, after: u32) -> (Arc<Ring>, Putter, Taker) {
        let (turns, putter, taker) = Turns::after(after);
        let slots = (0..capacity).map(|_| Tracked::new(0)).collect();
        (Arc::new(Ring { turns, slots }), putter, taker)
    }

    fn put(ring: &Ring, putter: &mut Putter, item: u32, kernel: &mut impl Kernel) {
        let capacity = ring.slots.len() as u32;
        while putter.room(&ring.turns, capacity, 1).unwrap() == 0 {
            putter.await_room(&ring.turns, capacity, kernel).unwrap();
        }
        ring.slots[(putter.index() % capacity) as usize].set(item);
        putter.publish(&ring.turns, 1, kernel);
    }

    fn take(ring: &Ring, taker: &mut Taker, kernel: &mut impl Kernel) -> u32 {
        let capacity = ring.slots.len() as u32;
        while taker.items(&ring.turns, capacity, 1).unwrap() == 0 {
            taker.await_items(&ring.turns, capacity, kernel).unwrap();
        }
        let item = ring.slots[(taker.index() % capacity) as usize].get();
        taker.release(&ring.turns, 1, kernel);
        item
    }

    fn through(capacity: u32, after: u32, items: u32) {
        let (ring, mut putter, mut taker) = ring(capacity, after);
        let theirs = Arc::clone(&ring);
        let thread = thread::spawn(move || {
            for item in 1..=items {
                put(&theirs, &mut putter, item, &mut Modelled);
            }
        });
        for item in 1..=items {
            assert_eq!(take(&ring, &mut taker, &mut Modelled), item);
        }
        thread.join().unwrap();
    }

    pub fn an_item_arrives() {
        through(1, 0, 1);
    }

    pub fn a_full_ring_is_waited_for() {
        through(1, 7, 2);
    }

    pub fn two_slots_are_used_in_turn_across_the_wrap() {
        through(2, u32::MAX, 3);
    }

    pub fn who_finds_nothing_and_leaves_disturbs_nobody() {
        let (ring, mut putter, mut taker) = ring(1, 0);
        let theirs = Arc::clone(&ring);
        let thread = thread::spawn(move || {
            let early = taker.items(&theirs.turns, 1, 1).unwrap();
            let item = take(&theirs, &mut taker, &mut Modelled);
            assert!(early <= 1 && item == 5);
            assert_eq!(taker.items(&theirs.turns, 1, 1).unwrap(), 0);
        });
        put(&ring, &mut putter, 5, &mut Modelled);
        thread.join().unwrap();
    }

    pub fn an_item_arrives_without_barriers() {
        let (ring, mut putter, mut taker) = ring(1, 0);
        let theirs = Arc::clone(&ring);
        let thread = thread::spawn(move || put(&theirs, &mut putter, 1, &mut Hasty));
        assert_eq!(take(&ring, &mut taker, &mut Hasty), 1);
        thread.join().unwrap();
    }
}
