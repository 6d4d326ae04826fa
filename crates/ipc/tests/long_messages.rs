//! Messages longer than a socket holds, and readers slower than writers.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// 16 MiB in which no two lines are equal.
fn long_message() -> String {
    const LINE: usize = 16;
    let lines = (16 << 20) / LINE;
    (0..lines)
        .map(|number| format!("{number:0width$}\n", width = LINE - 1))
        .collect()
}

#[test]
fn a_long_message_arrives_whole_at_a_reader_in_no_hurry() {
    let (mut one, other) = ipc::pair::<String, ()>().unwrap();
    let mut bare = UnixStream::from(other.into_fd());
    let message = long_message();
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut all = Vec::new();
            let mut piece = [0; 4096];
            loop {
                match bare.read(&mut piece).unwrap() {
                    0 => return all,
                    count => all.extend_from_slice(&piece[..count]),
                }
                std::thread::yield_now();
            }
        });
        one.send(&message).unwrap();
        drop(one);
        let bytes = reader.join().unwrap();
        let (header, body) = bytes.split_first_chunk::<4>().unwrap();
        assert_eq!(u32::from_le_bytes(*header) as usize, body.len());
        assert!(postcard::from_bytes::<&str>(body).unwrap() == message);
    });
}

#[test]
fn a_long_message_is_received_as_it_was_sent() {
    let (mut one, mut other) = ipc::pair::<String, String>().unwrap();
    let message = long_message();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let received = other.recv().unwrap();
            other.send(&received.value).unwrap();
        });
        one.send(&message).unwrap();
        assert!(one.recv().unwrap().value == message);
    });
}

#[test]
fn sending_to_one_who_does_not_read_gives_up_in_time_and_goes_on_later() {
    let (mut one, mut other) = ipc::pair::<String, ()>().unwrap();
    let message = long_message();
    assert!(
        !one.send_timeout(&message, Duration::from_millis(1))
            .unwrap()
    );
    assert!(!one.flush_timeout(Duration::ZERO).unwrap());
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let first = other.recv().unwrap().value;
            let second = other.recv().unwrap().value;
            (first, second)
        });
        one.send(&"short".into()).unwrap();
        let (first, second) = reader.join().unwrap();
        assert!(first == message, "the message that had to wait is damaged");
        assert_eq!(second, "short");
    });
    assert!(
        one.flush_timeout(Duration::ZERO).unwrap(),
        "nothing was left to write"
    );
}

#[test]
fn a_long_message_survives_any_number_of_timeouts() {
    let (mut one, mut other) = ipc::pair::<String, ()>().unwrap();
    let message = long_message();
    std::thread::scope(|scope| {
        scope.spawn(|| one.send(&message).unwrap());
        let received = loop {
            // As often as the socket is empty, which is up to the machine.
            if let Some(received) = other.recv_timeout(Duration::ZERO).unwrap() {
                break received.value;
            }
        };
        assert!(received == message);
    });
}
