//! Compares our ring with rtrb and ipc-channel, and our typed channels with
//! interprocess.
//!
//! `cargo bench -p peers --bench ipc` measures everything, and `… -- threads` only
//! the comparisons with `threads` in their names.

use std::hint::spin_loop;
use std::io::{Read, Write};
use std::process::id;
use std::time::Duration;

use context_switch::sampling::Comparison;
use interprocess::local_socket::prelude::*;
use interprocess::local_socket::{GenericNamespaced, ListenerOptions, Stream};
use ipc::Transport;

/// One operation of a comparison of rings passes this many values.
const VALUES: u64 = 100_000;
const CAPACITY: usize = 1024;

fn main() {
    peers::run(
        &[
            ("one thread, a value in and out", alone),
            ("two threads, 100000 values", threads),
            ("two threads, 100000 values in slices of 64", slices),
            ("two processes, 100000 values", processes),
            (
                "two processes, a message of 32 bytes there and back",
                round_trips,
            ),
            (
                "two processes, a message of 64 KiB there and back",
                large_round_trips,
            ),
        ],
        Duration::from_secs(2),
    );
}

fn alone() -> Comparison<'static> {
    let (mut producer, mut consumer) = ipc::ring::<u64>(CAPACITY).expect("a ring");
    let (mut put, mut take) = rtrb::RingBuffer::<u64>::new(CAPACITY);
    Comparison::of("ours", move || {
        assert!(producer.try_push(1).expect("a ring"), "room");
        consumer.try_pop().expect("a ring").expect("a value")
    })
    .against("rtrb", move || {
        put.push(1).expect("room");
        take.pop().expect("a value")
    })
}

fn threads() -> Comparison<'static> {
    let (mut producer, mut consumer) = ipc::ring::<u64>(CAPACITY).expect("a ring");
    let (mut done, mut wait) = ipc::ring::<u64>(CAPACITY).expect("a ring");
    // This thread ends when the comparison drops the producer.
    std::thread::spawn(move || {
        let mut count = 0;
        while consumer.pop().is_ok() {
            count += 1;
            if count % VALUES == 0 && done.push(count).is_err() {
                break;
            }
        }
    });
    let (mut put, mut take) = rtrb::RingBuffer::<u64>::new(CAPACITY);
    let (mut their_done, mut their_wait) = rtrb::RingBuffer::<u64>::new(CAPACITY);
    std::thread::spawn(move || {
        let mut count = 0;
        loop {
            while take.pop().is_err() {
                if take.is_abandoned() {
                    return;
                }
                patience();
            }
            count += 1;
            if count % VALUES == 0 {
                _ = their_done.push(count);
            }
        }
    });
    Comparison::of("ours", move || {
        for value in 0..VALUES {
            producer.push(value).expect("a ring");
        }
        wait.pop().expect("a ring")
    })
    .against("rtrb", move || {
        for value in 0..VALUES {
            while put.push(value).is_err() {
                patience();
            }
        }
        loop {
            match their_wait.pop() {
                Ok(count) => break count,
                Err(_) => patience(),
            }
        }
    })
}

/// Waits a moment. rtrb itself does not wait, so its users write something like this.
/// Every 200th call yields the CPU, so that the other thread can go on if it has no
/// CPU of its own.
fn patience() {
    use std::cell::Cell;
    thread_local!(static SPINS: Cell<u32> = const { Cell::new(0) });
    SPINS.with(|spins| {
        spins.set(spins.get() + 1);
        if spins.get().is_multiple_of(200) {
            std::thread::yield_now();
        }
    });
    spin_loop();
}

fn slices() -> Comparison<'static> {
    const SLICE: usize = 64;
    let values = [7; SLICE];
    let (mut producer, mut consumer) = ipc::ring::<u64>(CAPACITY).expect("a ring");
    let (mut done, mut wait) = ipc::ring::<u64>(CAPACITY).expect("a ring");
    std::thread::spawn(move || {
        let (mut count, mut buffer) = (0, [0; SLICE]);
        while consumer.await_items(None).is_ok() {
            count += consumer.read(&mut buffer).expect("a ring") as u64;
            if count >= VALUES {
                count -= VALUES;
                if done.push(count).is_err() {
                    break;
                }
            }
        }
    });
    let (mut put, mut take) = rtrb::RingBuffer::<u64>::new(CAPACITY);
    let (mut their_done, mut their_wait) = rtrb::RingBuffer::<u64>::new(CAPACITY);
    std::thread::spawn(move || {
        let (mut count, mut buffer) = (0, [0; SLICE]);
        while !(take.is_abandoned() && take.is_empty()) {
            let slots = take.slots().min(SLICE);
            if slots == 0 {
                patience();
                continue;
            }
            take.pop_entire_slice(&mut buffer[..slots])
                .expect("these are there");
            count += slots as u64;
            if count >= VALUES {
                count -= VALUES;
                _ = their_done.push(count);
            }
        }
    });
    Comparison::of("ours", move || {
        let mut sent = 0;
        while sent < VALUES {
            let most = SLICE.min((VALUES - sent) as usize);
            match producer.write(&values[..most]).expect("a ring") {
                0 => _ = producer.await_room(None).expect("a ring"),
                count => sent += count as u64,
            }
        }
        wait.pop().expect("a ring")
    })
    .against("rtrb", move || {
        let mut sent = 0;
        while sent < VALUES {
            let most = put.slots().min(SLICE).min((VALUES - sent) as usize);
            if most == 0 {
                patience();
                continue;
            }
            put.push_entire_slice(&values[..most]).expect("room");
            sent += most as u64;
        }
        loop {
            match their_wait.pop() {
                Ok(count) => break count,
                Err(_) => patience(),
            }
        }
    })
}

fn processes() -> Comparison<'static> {
    let (producer, consumer) = ipc::ring::<u64>(CAPACITY).expect("a ring");
    let (done, wait) = ipc::ring::<u64>(CAPACITY).expect("a ring");
    let (ours, theirs) = ((producer, wait), (consumer, done));
    let forked = ipc::fork_between(ours, theirs, |(mut consumer, mut done)| {
        let mut count = 0;
        while consumer.pop().is_ok() {
            count += 1;
            if count % VALUES == 0 && done.push(count).is_err() {
                break;
            }
        }
        0
    });
    let ((mut producer, mut wait), child) = forked.expect("a process");

    let (send, receive) = ipc_channel::ipc::channel::<u64>().expect("a channel");
    let (their_done, their_wait) = ipc_channel::ipc::channel::<u64>().expect("a channel");
    let their_child = processes::fork(|| {
        let mut count = 0;
        while receive.recv().is_ok() {
            count += 1;
            if count % VALUES == 0 && their_done.send(count).is_err() {
                break;
            }
        }
        0
    })
    .expect("a process");
    Comparison::of("ours", move || {
        _ = &child;
        for value in 0..VALUES {
            producer.push(value).expect("a ring");
        }
        wait.pop().expect("a ring")
    })
    .against("ipc-channel", move || {
        _ = &their_child;
        for value in 0..VALUES {
            send.send(value).expect("a channel");
        }
        their_wait.recv().expect("a channel")
    })
}

fn round_trips() -> Comparison<'static> {
    round_trips_of(32)
}

fn large_round_trips() -> Comparison<'static> {
    round_trips_of(64 * 1024)
}

/// Compares our channels with interprocess. interprocess only carries bytes, so its
/// users write frames themselves: here a length and then the value in postcard's
/// encoding, as in our channels.
fn round_trips_of(length: usize) -> Comparison<'static> {
    let text = "x".repeat(length);
    let mut comparison: Option<Comparison<'static>> = None;
    for transport in [Transport::Stream, Transport::SharedMemory, Transport::Pipe] {
        let (mut line, child) = ipc::fork_with::<String, String>(transport, |mut line| {
            while let Ok(message) = line.recv() {
                if line.send(&message).is_err() {
                    break;
                }
            }
        })
        .expect("a process");
        let message = text.clone();
        let round_trip = move || {
            _ = &child;
            line.send(&message).expect("a channel");
            line.recv().expect("a channel")
        };
        let name = format!("{transport:?}");
        comparison = Some(match comparison {
            None => Comparison::of(&name, round_trip),
            Some(earlier) => earlier.against(&name, round_trip),
        });
    }
    let name = format!("ipc-bench-{}-{length}", id());
    let name = name.to_ns_name::<GenericNamespaced>().expect("a name");
    let listener = ListenerOptions::new().name(name.clone()).create_sync();
    let listener = listener.expect("a listener");
    let child = processes::fork(|| {
        let mut stream = listener.accept().expect("a connection");
        while let Some(message) = read_frame(&mut stream) {
            write_frame(&mut stream, &message);
        }
        0
    })
    .expect("a process");
    let mut stream = Stream::connect(name).expect("a connection");
    comparison
        .expect("three transports")
        .against("interprocess", move || {
            _ = &child;
            write_frame(&mut stream, &text);
            read_frame(&mut stream).expect("an echo")
        })
}

fn write_frame(stream: &mut Stream, message: &String) {
    let mut frame = vec![0; 4];
    frame = postcard::to_extend(message, frame).expect("a frame");
    let length = frame.len() as u32 - 4;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    stream.write_all(&frame).expect("a connection");
}

fn read_frame(stream: &mut Stream) -> Option<String> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut body = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut body).ok()?;
    postcard::from_bytes(&body).ok()
}
