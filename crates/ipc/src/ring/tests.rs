use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::turns::Turns;

/// A ring through which `count` items have already gone.
fn aged(capacity: usize, count: u32) -> (Producer<u32>, Consumer<u32>) {
    let (mut producer, mut consumer) = ring(capacity).unwrap();
    let (turns, putter, taker) = Turns::after(count);
    // SAFETY: nothing else uses the memory yet.
    unsafe { producer.storage.view.base.cast::<Turns>().write(turns) };
    (producer.putter, consumer.taker) = (putter, taker);
    (producer, consumer)
}

/// The shared counters: `put`, then `taken`.
fn counter(storage: &Storage<u32>, which: usize) -> &AtomicU32 {
    // SAFETY: each counter has 128 bytes of its own, and they lie in this
    // order.
    unsafe { &*storage.view.base.wrapping_add(128 * which).cast() }
}

#[test]
fn counters_wrap_without_a_seam() {
    let (mut producer, mut consumer) = aged(4, u32::MAX - 5);
    for round in 0..5 {
        for value in 0..4 {
            assert!(producer.try_push(10 * round + value).unwrap());
        }
        assert!(!producer.try_push(99).unwrap(), "full");
        for value in 0..4 {
            assert_eq!(consumer.try_pop().unwrap(), Some(10 * round + value));
        }
        assert_eq!(consumer.try_pop().unwrap(), None, "empty");
    }
}

#[test]
fn slices_wrap_around_the_end_of_the_memory() {
    let (mut producer, mut consumer) = aged(8, u32::MAX - 12);
    let (mut next, mut expected) = (0, 0);
    for length in [3, 8, 5, 7, 1, 8, 6] {
        let values: Vec<u32> = (next..next + length).collect();
        let written = producer.write(&values).unwrap();
        assert_eq!(written, length as usize);
        next += length;
        let mut read = [0; 8];
        let count = consumer.read(&mut read).unwrap();
        assert_eq!(count, length as usize);
        for value in &read[..count] {
            assert_eq!(*value, expected);
            expected += 1;
        }
    }
    assert_eq!(
        producer.write(&[0; 20]).unwrap(),
        8,
        "as many as there is room for"
    );
    assert_eq!(consumer.read(&mut [0; 20]).unwrap(), 8);
}

#[test]
fn a_peer_that_lies_about_its_counter_is_not_believed() {
    let (mut producer, mut consumer) = aged(4, 100);
    counter(&consumer.storage, 0).store(105, Ordering::Relaxed);
    let corrupt = RingError::Corrupt {
        filled: 5,
        capacity: 4,
    };
    assert_eq!(consumer.try_pop(), Err(corrupt));
    assert_eq!(consumer.read(&mut [0; 4]), Err(corrupt));
    assert_eq!(consumer.pop(), Err(corrupt));
    counter(&consumer.storage, 0).store(99, Ordering::Relaxed);
    assert!(matches!(consumer.try_pop(), Err(RingError::Corrupt { .. })));

    for value in 0..4 {
        assert!(producer.try_push(value).unwrap());
    }
    for lie in [99, 105, 0] {
        counter(&producer.storage, 1).store(lie, Ordering::Relaxed);
        assert!(
            matches!(producer.try_push(4), Err(RingError::Corrupt { .. })),
            "{lie}"
        );
        assert!(matches!(producer.push(4), Err(RingError::Corrupt { .. })));
        assert!(matches!(
            producer.write(&[4]),
            Err(RingError::Corrupt { .. })
        ));
    }
}

#[test]
fn impossible_capacities_are_refused() {
    for capacity in [0, (1 << 31) + 1, usize::MAX] {
        assert!(
            matches!(ring::<u8>(capacity), Err(SharedMemoryError::Size(_))),
            "{capacity}"
        );
    }
    let (producer, consumer) = ring::<[u64; 3]>(5).unwrap();
    assert_eq!((producer.capacity(), consumer.capacity()), (8, 8));
}
