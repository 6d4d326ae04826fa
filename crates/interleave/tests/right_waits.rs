//! Right programs that wait and wake. None of them may be rejected.

mod common;
use common::holds;

mod nothing {}

interleave::scenarios! {
    exercise = crate::nothing;

    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::*};
    use std::sync::{Barrier, Condvar, Mutex, RwLock, mpsc};
    use std::time::{Duration, Instant};

    pub fn condition_variable_with_while() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || {
            *theirs.0.lock().unwrap() = true;
            theirs.1.notify_one();
        });
        let mut ready = pair.0.lock().unwrap();
        while !*ready { ready = pair.1.wait(ready).unwrap(); }
        drop(ready);
        thread.join().unwrap();
    }

    pub fn condition_variable_wait_while() {
        let pair = Arc::new((Mutex::new(0), Condvar::new()));
        let threads: Vec<_> = (0..2).map(|_| {
            let pair = Arc::clone(&pair);
            thread::spawn(move || {
                *pair.0.lock().unwrap() += 1;
                pair.1.notify_all();
            })
        }).collect();
        let count = pair.1.wait_while(pair.0.lock().unwrap(), |n| *n < 2).unwrap();
        assert_eq!(*count, 2);
        drop(count);
        for thread in threads { thread.join().unwrap(); }
    }

    pub fn a_timed_wait_that_nobody_ends() {
        let pair = (Mutex::new(false), Condvar::new());
        let start = Instant::now();
        let guard = pair.0.lock().unwrap();
        let (guard, result) =
            pair.1.wait_timeout_while(guard, Duration::from_secs(3600), |ready| !*ready).unwrap();
        assert!(result.timed_out() && !*guard);
        assert!(start.elapsed() >= Duration::from_secs(3600));
    }

    pub fn a_timed_wait_that_may_be_ended() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || {
            *theirs.0.lock().unwrap() = true;
            theirs.1.notify_one();
        });
        let guard = pair.0.lock().unwrap();
        let (guard, result) = pair.1
            .wait_timeout_while(guard, Duration::from_millis(10), |ready| !*ready).unwrap();
        assert!(*guard || result.timed_out());
        drop(guard);
        thread.join().unwrap();
    }

    pub fn waits_in_slices_until_ready() {
        let pair = Arc::new((Mutex::new(false), Condvar::new()));
        let theirs = Arc::clone(&pair);
        let thread = thread::spawn(move || *theirs.0.lock().unwrap() = true);
        let mut ready = pair.0.lock().unwrap();
        while !*ready {
            ready = pair.1.wait_timeout(ready, Duration::from_millis(10)).unwrap().0;
        }
        drop(ready);
        thread.join().unwrap();
    }

    pub fn polls_until_a_deadline() {
        let flag = AtomicBool::new(false);
        let deadline = Instant::now() + Duration::from_secs(5);
        while !flag.load(Acquire) && Instant::now() < deadline { thread::yield_now(); }
        assert!(Instant::now() >= deadline);
    }

    pub fn sleeps() {
        let start = Instant::now();
        thread::sleep(Duration::from_secs(7));
        assert!(start.elapsed() >= Duration::from_secs(7));
    }

    pub fn parks_until_unparked() {
        let flag = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&flag);
        let main = thread::current();
        let thread = thread::spawn(move || {
            theirs.store(true, Release);
            main.unpark();
        });
        while !flag.load(Acquire) { thread::park(); }
        thread.join().unwrap();
    }

    pub fn parks_for_a_while() {
        thread::park_timeout(Duration::from_millis(1));
        thread::current().unpark();
        thread::park();
    }

    pub fn channel() {
        let (sender, receiver) = mpsc::channel();
        let other = sender.clone();
        let threads = [thread::spawn(move || sender.send(Tracked::new(1)).unwrap()),
                       thread::spawn(move || other.send(Tracked::new(2)).unwrap())];
        let sum: u32 = receiver.iter().map(Tracked::into_inner).sum();
        assert_eq!(sum, 3);
        for thread in threads { thread.join().unwrap(); }
    }

    pub fn bounded_channel() {
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = thread::spawn(move || for n in 0..3 { sender.send(n).unwrap(); });
        assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
        thread.join().unwrap();
    }

    pub fn rendezvous_channel() {
        let (sender, receiver) = mpsc::sync_channel(0);
        let payload = Arc::new(Tracked::new(0));
        let theirs = Arc::clone(&payload);
        let thread = thread::spawn(move || { sender.send(()).unwrap(); theirs.set(1); });
        receiver.recv().unwrap();
        assert!(receiver.recv().is_err());
        thread.join().unwrap();
        assert_eq!(payload.get(), 1);
    }

    pub fn receives_with_a_timeout() {
        let (sender, receiver) = mpsc::channel::<u32>();
        assert_eq!(receiver.recv_timeout(Duration::from_secs(1)), Err(mpsc::RecvTimeoutError::Timeout));
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    pub fn barrier_twice() {
        let shared = Arc::new((Barrier::new(2), Tracked::new(0)));
        let theirs = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            theirs.1.set(1);
            let first = theirs.0.wait().is_leader();
            theirs.0.wait();
            first
        });
        let first = shared.0.wait().is_leader();
        assert_eq!(shared.1.get(), 1);
        shared.0.wait();
        assert!(first != thread.join().unwrap());
    }

    pub fn readers_and_a_writer() {
        let lock = Arc::new(RwLock::new(Tracked::new(0)));
        let theirs = Arc::clone(&lock);
        let writer = thread::spawn(move || theirs.write().unwrap().update(|n| n + 1));
        let first = lock.read().unwrap().get();
        let second = lock.read().unwrap().get();
        assert!(first <= second);
        writer.join().unwrap();
        assert_eq!(lock.read().unwrap().get(), 1);
    }

    pub fn what_a_receiver_was_handed_it_receives() {
        let (into, out) = mpsc::sync_channel(0);
        let other = into.clone();
        let waits = thread::spawn(move || other.send(1).is_ok());
        let hands_over = thread::spawn(move || into.try_send(2).is_ok());
        let got = out.recv().unwrap();
        drop(out);
        let (sent, handed_over) = (waits.join().unwrap(), hands_over.join().unwrap());
        assert_eq!((sent, handed_over), (got == 1, got == 2));
    }

    pub fn a_full_channel_has_its_order() {
        let (into, out) = mpsc::sync_channel(2);
        let other = into.clone();
        let first = thread::spawn(move || [1, 2].map(|message| other.send(message).unwrap()));
        let second = thread::spawn(move || {
            let is_full = into.try_send(0).is_err();
            into.send(3).unwrap();
            is_full
        });
        let got: Vec<_> = out.iter().collect();
        first.join().unwrap();
        // If the channel was full, it was full of the 1 and the 2.
        assert!(!second.join().unwrap() || got == [1, 2, 3]);
    }

    pub fn futex_handshake() {
        use std::futex;
        let word = Arc::new(AtomicU32::new(0));
        let theirs = Arc::clone(&word);
        let thread = thread::spawn(move || {
            theirs.store(1, Release);
            futex::wake_one(&theirs);
        });
        while word.load(Acquire) == 0 { futex::wait(&word, 0); }
        thread.join().unwrap();
    }
}

macro_rules! right {
    ($($name:ident)*) => { $(#[test] fn $name() { holds(scenarios::$name); })* };
}

right! {
    condition_variable_with_while
    condition_variable_wait_while
    a_timed_wait_that_nobody_ends
    a_timed_wait_that_may_be_ended
    waits_in_slices_until_ready
    polls_until_a_deadline
    sleeps
    parks_until_unparked
    parks_for_a_while
    channel
    bounded_channel
    rendezvous_channel
    receives_with_a_timeout
    barrier_twice
    readers_and_a_writer
    what_a_receiver_was_handed_it_receives
    a_full_channel_has_its_order
    futex_handshake
}
