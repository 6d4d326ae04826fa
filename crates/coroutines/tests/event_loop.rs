//! What the event loop promises.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{Read, Write};
use std::ops::ControlFlow::{Break, Continue};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use coroutines::event_loop::{Closed, EventLoop, Interest, RegisterError};
use nix::errno::Errno;

const MILLI: Duration = Duration::from_millis(1);

#[test]
fn a_loop_with_nothing_to_wait_for_ends() {
    EventLoop::new().unwrap().run().unwrap();
}

#[test]
fn timers_come_in_order_and_a_cancelled_one_does_not() {
    let mut events = EventLoop::new().unwrap();
    let log = Rc::new(RefCell::new(String::new()));
    let mut timers = Vec::new();
    let start = Instant::now();
    for (millis, name) in [(3, 'd'), (1, 'a'), (2, 'x'), (2, 'c')] {
        let log = Rc::clone(&log);
        let say = move |_: &mut EventLoop| log.borrow_mut().push(name);
        timers.push(events.at(start + millis * MILLI, say));
    }
    assert!(events.cancel(timers[2]));
    let ours = Rc::clone(&log);
    events.at(start + MILLI, move |events| {
        ours.borrow_mut().push('b');
        events.after(Duration::ZERO, move |_| ours.borrow_mut().push('!'));
    });
    events.run().unwrap();
    assert!(start.elapsed() >= 3 * MILLI);
    let log = log.borrow();
    assert_eq!(log.replace('!', ""), "abcd");
    assert_eq!(log.len(), 5);
    assert!(!events.cancel(timers[0]));
}

#[test]
fn a_callback_is_called_again_until_it_says_break_and_then_the_descriptor_is_closed() {
    let mut events = EventLoop::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"abc").unwrap();
    let read = Rc::new(RefCell::new(String::new()));
    let ours_read = Rc::clone(&read);
    events
        .watch(ours, Interest::Readable, move |_, stream| {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            ours_read.borrow_mut().push(char::from(byte[0]));
            if byte == *b"c" {
                Break(())
            } else {
                Continue(Interest::Readable)
            }
        })
        .unwrap();
    events.run().unwrap();
    assert_eq!(*read.borrow(), "abc");
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0, "the other end is closed");
}

#[test]
fn a_callback_may_watch_and_unwatch_others_and_itself() {
    let mut events = EventLoop::new().unwrap();
    let (first, mut to_first) = UnixStream::pair().unwrap();
    let (second, mut to_second) = UnixStream::pair().unwrap();
    to_first.write_all(b"x").unwrap();
    to_second.write_all(b"x").unwrap();
    let calls = Rc::new(Cell::new(0));
    let ids = Rc::new(RefCell::new(Vec::new()));
    for stream in [first, second] {
        let (calls, all) = (Rc::clone(&calls), Rc::clone(&ids));
        let id = events
            .watch(stream, Interest::Readable, move |events, _| {
                calls.set(calls.get() + 1);
                for id in all.take() {
                    assert!(events.unwatch(id));
                }
                Continue(Interest::Readable)
            })
            .unwrap();
        ids.borrow_mut().push(id);
    }
    events.run().unwrap();
    assert_eq!(calls.get(), 1);
    assert_eq!(to_first.read(&mut [0]).unwrap_or(0), 0);
    assert_eq!(to_second.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn a_callback_says_what_to_wait_for_next() {
    let mut events = EventLoop::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"hello").unwrap();
    let mut heard = Vec::new();
    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    events
        .watch(ours, Interest::Readable, move |_, stream| {
            counted.set(counted.get() + 1);
            if heard.is_empty() {
                let mut buffer = [0; 16];
                let count = stream.read(&mut buffer).unwrap();
                heard.extend_from_slice(&buffer[..count]);
                return Continue(Interest::Writable);
            }
            stream.write_all(&heard).unwrap();
            Break(())
        })
        .unwrap();
    events.run().unwrap();
    assert_eq!(calls.get(), 2);
    let mut echo = String::new();
    theirs.read_to_string(&mut echo).unwrap();
    assert_eq!(echo, "hello");
}

#[test]
fn jobs_behind_one_that_panics_run_next_time() {
    let mut events = EventLoop::new().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let poster = events.poster();
    poster.post(|_| panic_any("a job")).unwrap();
    poster.post(move |_| sender.send(7).unwrap()).unwrap();
    drop(poster);
    let panic = catch_unwind(AssertUnwindSafe(|| events.run())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"a job"));
    events.run().unwrap();
    assert_eq!(receiver.recv(), Ok(7));
}

#[test]
fn jobs_from_other_threads_run_in_order_and_the_loop_waits_for_the_last_poster() {
    let mut events = EventLoop::new().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let poster = events.poster();
    let thread = thread::spawn(move || {
        for n in 0..100 {
            let sender = sender.clone();
            poster.post(move |_| sender.send(n).unwrap()).unwrap();
        }
    });
    events.run().unwrap();
    thread.join().unwrap();
    assert!(receiver.iter().eq(0..100));
}

#[test]
fn a_stopped_loop_runs_what_is_left_when_it_is_run_again() {
    let mut events = EventLoop::new().unwrap();
    let poster = events.poster();
    let (sender, receiver) = std::sync::mpsc::channel();
    for n in 0..3 {
        let sender = sender.clone();
        let job = move |events: &mut EventLoop| {
            sender.send(n).unwrap();
            events.stop();
        };
        poster.post(job).unwrap();
    }
    events.run().unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [0]);
    events.run().unwrap();
    events.run().unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_poster_of_a_loop_that_is_gone_says_so() {
    let events = EventLoop::new().unwrap();
    let poster = events.poster();
    poster.post(|_| ()).unwrap();
    drop(events);
    assert_eq!(poster.post(|_| ()), Err(Closed));
}

#[test]
fn a_panic_in_a_callback_is_the_callers_and_takes_its_descriptor_out() {
    let mut events = EventLoop::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    events
        .watch(ours, Interest::Readable, |_, _| {
            panic_any("in the callback")
        })
        .unwrap();
    let ran = Rc::new(Cell::new(false));
    let run = Rc::clone(&ran);
    events.after(MILLI, move |_| run.set(true));
    let panic = catch_unwind(AssertUnwindSafe(|| events.run())).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"in the callback"));
    assert_eq!(theirs.read(&mut [0]).unwrap_or(0), 0);
    events.run().unwrap();
    assert!(ran.get());
}

/// Watches a readable socket whose callback puts another socket in its place and
/// then wants to wait for `next`.
fn a_callback_replaces_its_descriptor(next: Interest) {
    let mut events = EventLoop::new().unwrap();
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.write_all(b"x").unwrap();
    let (other, mut to_other) = UnixStream::pair().unwrap();
    let mut other = Some(other);
    let ran = Rc::new(Cell::new(false));
    let run = Rc::clone(&ran);
    events
        .watch(ours, Interest::Readable, move |events, stream| {
            *stream = other.take().expect("it is called once");
            let run = Rc::clone(&run);
            events.after(MILLI, move |events| {
                run.set(true);
                events.stop();
            });
            Continue(next)
        })
        .unwrap();

    let error = events.run().unwrap_err();
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
    let refused: &RegisterError = cause.expect("it says which descriptor");
    assert_eq!(refused.cause, Errno::ENOENT);
    assert!(error.to_string().contains("must keep the descriptor"));
    // The callback and what it watched are gone, and the rest is not.
    assert_eq!(to_other.read(&mut [0]).unwrap(), 0);
    events.run().unwrap();
    assert!(ran.get());
}

#[test]
fn a_callback_whose_next_wait_is_refused_ends_the_run_with_the_reason() {
    a_callback_replaces_its_descriptor(Interest::Writable);
}

#[test]
fn a_callback_that_replaces_its_descriptor_is_told_so_even_if_it_waits_for_the_same() {
    a_callback_replaces_its_descriptor(Interest::Readable);
}

#[test]
fn a_regular_file_is_refused() {
    let mut events = EventLoop::new().unwrap();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    let error = events
        .watch(file, Interest::Readable, |_, _| Break(()))
        .unwrap_err();
    assert_eq!(error.cause, Errno::EPERM);
    events.run().unwrap();
}
