//! Wrong: nothing can ever wake what waits here, and the verdict comes long
//! before the deadline. Where the judge cannot prove that, the verdict is a
//! timeout.

use std::io::{Read, Write};
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::pipe;
use proctor::Outcome::{Deadlock, Timeout};
use proctor::Subject;

use crate::driver::{Expect, check, ends};
use crate::kit::{
    child, expect_twice, futex_set, futex_until_set, reap, set_on, shared_word, sleep_long,
};

const TABLE: &[Expect] = &[
    ends(&[Deadlock], "", "two_locks_in_opposite_order").within(500),
    ends(&[Deadlock], "", "five_philosophers").within(500),
    ends(&[Deadlock], "", "locks_its_own_lock_again").within(500),
    ends(&[Deadlock], "", "upgrades_a_read_lock").within(500),
    ends(&[Deadlock], "", "a_condition_that_nobody_notifies").within(500),
    ends(&[Deadlock], "", "a_notification_before_the_wait").within(500),
    ends(&[Deadlock], "", "two_threads_join_each_other").within(500),
    ends(&[Deadlock], "", "a_channel_whose_sender_is_kept").within(500),
    ends(&[Deadlock], "", "a_full_channel_whose_receiver_is_kept").within(500),
    ends(&[Deadlock], "", "a_barrier_with_one_missing").within(500),
    ends(&[Deadlock], "", "a_park_without_unpark").within(500),
    ends(&[Deadlock], "", "a_once_inside_itself").within(500),
    ends(&[Deadlock], "", "a_raw_futex").within(500),
    ends(&[Deadlock], "", "a_notifier_that_panicked").within(500),
    ends(&[Deadlock], "", "forty_waiters").within(500),
    ends(&[Deadlock], "", "after_a_right_answer").within(500),
    ends(&[Deadlock], "", "after_a_timed_wait"),
    ends(&[Deadlock], "", "a_child_that_waits_for_a_shared_futex").within(500),
    ends(&[Deadlock], "", "a_child_that_is_deadlocked").within(500),
    ends(&[Deadlock], "", "a_fork_that_copied_a_locked_lock").within(500),
    ends(
        &[Deadlock],
        "pipe",
        "reads_a_pipe_that_it_could_only_write_itself",
    )
    .within(500),
    ends(
        &[Deadlock],
        "pipe",
        "a_child_keeps_the_write_end_of_its_own_pipe",
    )
    .within(500),
    ends(&[Deadlock], "pipe", "parent_and_child_read_from_each_other").within(500),
    ends(
        &[Deadlock],
        "pipe",
        "writes_a_full_pipe_that_it_could_only_read_itself",
    )
    .within(500),
    // A handled signal could still come, a heartbeat could still do something.
    ends(&[Deadlock, Timeout], "", "with_a_signal_handler"),
    // SIGCHLD could not come: there is no child, or none that will ever end.
    ends(&[Deadlock], "", "with_a_handler_of_sigchld").within(500),
    ends(
        &[Deadlock],
        "",
        "with_a_handler_of_sigchld_and_a_child_that_is_deadlocked",
    )
    .within(500),
    ends(&[Deadlock, Timeout], "", "hidden_from_its_own_user"),
    ends(&[Deadlock, Timeout], "", "waits_for_a_child_that_stopped"),
    ends(&[Timeout], "", "beside_a_heartbeat"),
    ends(&[Timeout], "", "a_wait_for_a_signal_that_nobody_sends"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 2);
}

/// Returns when both hold one lock and are about to ask for the other's.
pub(crate) fn two_locks_taken_in_opposite_order() -> [JoinHandle<()>; 2] {
    let locks = [Arc::new(Mutex::new(())), Arc::new(Mutex::new(()))];
    let both_hold = Arc::new(Barrier::new(3));
    let threads = [(0, 1), (1, 0)].map(|(first, second)| {
        let (first, second) = (Arc::clone(&locks[first]), Arc::clone(&locks[second]));
        let both_hold = Arc::clone(&both_hold);
        thread::spawn(move || {
            let _first = first.lock().unwrap();
            both_hold.wait();
            let _second = second.lock().unwrap();
        })
    });
    both_hold.wait();
    threads
}

case!(two_locks_in_opposite_order, |n| {
    for thread in two_locks_taken_in_opposite_order() {
        thread.join().unwrap();
    }
    2 * n
});

case!(five_philosophers, |n| {
    let forks = [const { Mutex::new(()) }; 5];
    let all_hold_one = Barrier::new(5);
    thread::scope(|scope| {
        for seat in 0..5 {
            let (forks, all_hold_one) = (&forks, &all_hold_one);
            scope.spawn(move || {
                let _left = forks[seat].lock().unwrap();
                all_hold_one.wait();
                let _right = forks[(seat + 1) % 5].lock().unwrap();
            });
        }
    });
    2 * n
});

case!(with_a_handler_of_sigchld, |n| {
    set_on(Signal::SIGCHLD);
    reap(child(|| ()));
    let lock = Mutex::new(n);
    let held = lock.lock().unwrap();
    *held + *lock.lock().unwrap()
});

case!(
    with_a_handler_of_sigchld_and_a_child_that_is_deadlocked,
    |n| {
        set_on(Signal::SIGCHLD);
        reap(child(|| {
            let lock = Mutex::new(());
            let _held = lock.lock().unwrap();
            drop(lock.lock().unwrap());
        }));
        2 * n
    }
);

case!(locks_its_own_lock_again, |n| {
    let lock = Mutex::new(n);
    let held = lock.lock().unwrap();
    *held + *lock.lock().unwrap()
});

case!(upgrades_a_read_lock, |n| {
    let lock = RwLock::new(n);
    let held = lock.read().unwrap();
    *lock.write().unwrap() += *held;
    *held
});

case!(a_condition_that_nobody_notifies, |n| {
    let (lock, condition) = (Mutex::new(false), Condvar::new());
    drop(
        condition
            .wait_while(lock.lock().unwrap(), |ready| !*ready)
            .unwrap(),
    );
    2 * n
});

case!(a_notification_before_the_wait, |n| {
    let pair = Arc::new((Mutex::new(()), Condvar::new()));
    let notifier = Arc::clone(&pair);
    thread::spawn(move || notifier.1.notify_one())
        .join()
        .unwrap();
    drop(pair.1.wait(pair.0.lock().unwrap()).unwrap());
    2 * n
});

case!(two_threads_join_each_other, |n| {
    fn join_the_other(handles: Receiver<JoinHandle<()>>) -> JoinHandle<()> {
        thread::spawn(move || handles.recv().unwrap().join().unwrap())
    }
    let ((to_first, first), (to_second, second)) = (mpsc::channel(), mpsc::channel());
    let ended = Arc::new((Mutex::new(()), Condvar::new()));
    to_second.send(join_the_other(first)).unwrap();
    to_first.send(join_the_other(second)).unwrap();
    drop(ended.1.wait(ended.0.lock().unwrap()).unwrap());
    2 * n
});

case!(a_channel_whose_sender_is_kept, |n| {
    let (sender, receiver): (Sender<u64>, _) = mpsc::channel();
    thread::scope(|scope| {
        let sender = sender.clone();
        scope.spawn(move || sender.send(n).unwrap());
    });
    // The loop ends when the last sender is gone: this function holds one.
    let sum: u64 = receiver.iter().sum();
    drop(sender);
    2 * sum
});

case!(a_full_channel_whose_receiver_is_kept, |n| {
    let (sender, receiver) = mpsc::sync_channel(1);
    sender.send(n).unwrap();
    sender.send(n).unwrap();
    receiver.iter().sum()
});

case!(a_barrier_with_one_missing, |n| {
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| barrier.wait());
        }
    });
    2 * n
});

case!(a_park_without_unpark, |n| {
    thread::spawn(|| {
        loop {
            thread::park();
        }
    })
    .join()
    .unwrap();
    2 * n
});

case!(a_once_inside_itself, |n| {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| ONCE.call_once(|| ()));
    2 * n
});

case!(a_raw_futex, |n| {
    futex_until_set(&AtomicU32::new(0));
    2 * n
});

case!(a_notifier_that_panicked, |n| {
    let word = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(n, n + 1, "it panics before it sets the word");
            futex_set(&word);
        });
        futex_until_set(&word);
    });
    2 * n
});

case!(forty_waiters, |n| {
    let word = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| futex_until_set(&word));
        }
    });
    2 * n
});

#[proctor::test(subject = |n: u64| -> u64 {
    if n == 0 {
        futex_until_set(&AtomicU32::new(0));
    }
    2 * n
})]
#[ignore = "a case of the corpus: run by every_case_gets_its_verdict"]
fn after_a_right_answer(mut subject: Subject) {
    expect_twice(&mut subject);
    subject.ask(&0);
}

case!(after_a_timed_wait, |n| {
    sleep_long();
    futex_until_set(&AtomicU32::new(0));
    2 * n
});

case!(a_child_that_waits_for_a_shared_futex, |n| {
    let word = shared_word();
    child(|| futex_until_set(word));
    futex_until_set(word);
    2 * n
});

case!(a_child_that_is_deadlocked, |n| {
    reap(child(|| futex_until_set(&AtomicU32::new(0))));
    2 * n
});

case!(a_fork_that_copied_a_locked_lock, |n| {
    let lock = Mutex::new(());
    let held = lock.lock().unwrap();
    let waiter = child(|| drop(lock.lock()));
    drop(held);
    reap(waiter);
    2 * n
});

case!(reads_a_pipe_that_it_could_only_write_itself, |n| {
    let (reader, writer) = pipe().unwrap();
    std::fs::File::from(reader)
        .read_to_end(&mut Vec::new())
        .unwrap();
    drop(writer);
    2 * n
});

case!(a_child_keeps_the_write_end_of_its_own_pipe, |n| {
    let (reader, writer) = pipe().unwrap();
    // The copy of `writer` in the child keeps the end of file from coming.
    let counter = child(|| {
        let mut text = Vec::new();
        std::fs::File::from(reader.try_clone().unwrap())
            .read_to_end(&mut text)
            .unwrap();
    });
    std::fs::File::from(writer.try_clone().unwrap())
        .write_all(b"all of it")
        .unwrap();
    drop((reader, writer));
    reap(counter);
    2 * n
});

case!(parent_and_child_read_from_each_other, |n| {
    let ((mine, to_me), (theirs, to_them)) = (pipe().unwrap(), pipe().unwrap());
    let ask = |reader: std::os::fd::OwnedFd, writer: std::os::fd::OwnedFd| {
        let mut byte = [0];
        std::fs::File::from(reader).read_exact(&mut byte).unwrap();
        std::fs::File::from(writer).write_all(&byte).unwrap();
    };
    let (reader, writer) = (theirs.try_clone().unwrap(), to_me.try_clone().unwrap());
    let other = child(move || ask(reader, writer));
    drop((theirs, to_me));
    ask(mine, to_them);
    reap(other);
    2 * n
});

case!(writes_a_full_pipe_that_it_could_only_read_itself, |n| {
    let (reader, writer) = pipe().unwrap();
    std::fs::File::from(writer)
        .write_all(&[0; 1 << 21])
        .unwrap();
    drop(reader);
    2 * n
});

case!(with_a_signal_handler, deadline = 2.0, |n| {
    set_on(Signal::SIGUSR1);
    futex_until_set(&AtomicU32::new(0));
    2 * n
});

case!(hidden_from_its_own_user, deadline = 2.0, |n| {
    // An ordinary user may then read less of /proc.
    nix::sys::prctl::set_dumpable(false).unwrap();
    futex_until_set(&AtomicU32::new(0));
    2 * n
});

case!(waits_for_a_child_that_stopped, deadline = 2.0, |n| {
    reap(child(|| nix::sys::signal::raise(Signal::SIGSTOP).unwrap()));
    2 * n
});

case!(beside_a_heartbeat, deadline = 2.0, |n| {
    thread::spawn(|| {
        loop {
            thread::sleep(Duration::from_millis(10));
        }
    });
    futex_until_set(&AtomicU32::new(0));
    2 * n
});

case!(a_wait_for_a_signal_that_nobody_sends, deadline = 2.0, |n| {
    set_on(Signal::SIGUSR1);
    nix::unistd::pause();
    2 * n
});
