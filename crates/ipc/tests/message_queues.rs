//! POSIX message queues: borders, priorities, names, limits.

use std::time::Duration;

use ipc::{MessageQueue, QueueError};

/// A name that no other test has.
fn name(test: &str) -> String {
    format!("/ipc-test-{test}-{}", std::process::id())
}

#[test]
fn the_most_urgent_comes_first_and_the_oldest_of_equals() {
    let queue = MessageQueue::create(&name("order"), 8, 16).unwrap();
    for (message, priority) in [("a", 1), ("b", 5), ("c", 1), ("d", 32767), ("", 5)] {
        queue.send(message.as_bytes(), priority).unwrap();
    }
    assert_eq!(queue.waiting().unwrap(), 5);
    let order: Vec<_> = (0..5)
        .map(|_| queue.receive().unwrap())
        .map(|message| (String::from_utf8(message.bytes).unwrap(), message.priority))
        .collect();
    let expected = [("d", 32767), ("b", 5), ("", 5), ("a", 1), ("c", 1)];
    assert_eq!(
        order,
        expected.map(|(text, priority)| (text.to_owned(), priority))
    );
}

#[test]
fn a_full_queue_and_an_empty_one_end_patience() {
    let queue = MessageQueue::create(&name("full"), 2, 4).unwrap();
    assert_eq!(
        queue.receive_timeout(Duration::from_millis(5)).unwrap(),
        None
    );
    assert!(queue.try_send(b"1", 0).unwrap() && queue.try_send(b"2", 0).unwrap());
    assert!(!queue.try_send(b"3", 9).unwrap());
    assert!(
        !queue
            .send_timeout(b"3", 9, Duration::from_millis(5))
            .unwrap()
    );
    assert_eq!(queue.receive().unwrap().bytes, b"1");
    assert!(queue.send_timeout(b"3", 9, Duration::ZERO).unwrap());
}

#[test]
fn a_full_queue_waits_for_its_reader() {
    let queue = MessageQueue::create(&name("waits"), 1, 4).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (0..500_u32).for_each(|n| queue.send(&n.to_le_bytes(), 0).unwrap()));
        for number in 0..500_u32 {
            assert_eq!(queue.receive().unwrap().bytes, number.to_le_bytes());
        }
    });
}

#[test]
fn a_message_too_long_or_without_a_priority_is_refused() {
    let queue = MessageQueue::create(&name("refuses"), 1, 4).unwrap();
    let refused = queue.send(b"12345", 0);
    assert!(
        matches!(
            refused,
            Err(QueueError::TooLong {
                length: 5,
                longest: 4
            })
        ),
        "{refused:?}"
    );
    assert!(matches!(
        queue.send(b"1", 32768),
        Err(QueueError::Priority(32768))
    ));
    assert_eq!(queue.waiting().unwrap(), 0);
}

#[test]
fn a_name_has_one_owner_and_goes_with_it() {
    let name = name("owner");
    assert!(matches!(
        MessageQueue::open(&name),
        Err(QueueError::NoSuchName(_))
    ));
    let queue = MessageQueue::create(&name, 1, 4).unwrap();
    assert!(matches!(
        MessageQueue::create(&name, 1, 4),
        Err(QueueError::NameTaken(_))
    ));
    // A copy in another process removes nothing.
    let mut queue = Some(queue);
    let mut child = processes::fork(|| {
        drop(queue.take());
        0
    })
    .unwrap();
    assert!(child.wait().unwrap().success());
    let other = MessageQueue::open(&name).unwrap();
    assert_eq!(other.longest(), 4);
    drop(queue);
    assert!(matches!(
        MessageQueue::open(&name),
        Err(QueueError::NoSuchName(_))
    ));
    // Who has it open keeps it.
    other.send(b"x", 0).unwrap();
    assert_eq!(other.receive().unwrap().bytes, b"x");
}

#[test]
fn bad_names_and_sizes_are_named() {
    for bad in [
        "",
        "/",
        "no-slash",
        "/a/b",
        "/nul\0",
        &format!("/{}", "x".repeat(255)),
    ] {
        assert!(
            matches!(MessageQueue::open(bad), Err(QueueError::BadName(_))),
            "{bad:?}"
        );
    }
    for (messages, longest) in [(0, 8), (8, 0), (usize::MAX, 8), (1 << 40, 1 << 40)] {
        let refused = MessageQueue::create(&name("size"), messages, longest);
        assert!(
            matches!(refused, Err(QueueError::Refused { .. })),
            "{refused:?}"
        );
    }
    assert!(matches!(
        MessageQueue::open(&name("size")),
        Err(QueueError::NoSuchName(_))
    ));
}
