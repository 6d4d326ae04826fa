//! The background task.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::Duration;

use sync::TimedOut;
use threads::{BackgroundTask, Cancelled, Progress, Task, message_of};

const LONG: Duration = Duration::from_secs(3600);

/// Works until it is told to stop.
fn endless(task: &Task) -> Cancelled {
    for done in 1.. {
        task.report(done, 0);
        if let Err(cancelled) = task.sleep(LONG) {
            return cancelled;
        }
    }
    unreachable!()
}

#[test]
fn its_result_is_joined() {
    let task = BackgroundTask::spawn("name", |_| std::thread::current().name().map(str::to_owned));
    assert_eq!(task.unwrap().join().unwrap().as_deref(), Some("name"));
}

#[test]
fn progress_is_told_while_it_works() {
    let (go_on, wait) = mpsc::channel::<()>();
    let task = BackgroundTask::spawn("steps", move |task| {
        for done in 1..=3 {
            task.report(done, 3);
            wait.recv().unwrap();
        }
    })
    .unwrap();
    for done in 1..=3 {
        let progress = task.wait_for(|progress| progress.done == done);
        assert_eq!(
            (progress, task.progress()),
            (Progress { done, total: 3 }, progress)
        );
        assert!(!task.is_finished());
        go_on.send(()).unwrap();
    }
    assert_eq!(task.wait_timeout(LONG), Ok(()));
    assert!(task.is_finished());
    task.join().unwrap();
}

#[test]
fn who_waits_for_progress_is_woken_by_the_end() {
    let task = BackgroundTask::spawn("short", |task| task.report(1, 10)).unwrap();
    assert_eq!(task.wait_for(|progress| progress.done == 10).done, 1);
}

#[test]
fn cancelling_wakes_a_sleeping_task_at_once() {
    let task = BackgroundTask::spawn("endless", endless).unwrap();
    task.wait_for(|progress| progress.done == 1);
    assert_eq!(task.wait_timeout(Duration::from_millis(1)), Err(TimedOut));
    task.cancel();
    assert_eq!(task.join().unwrap(), Cancelled);
}

#[test]
fn a_task_that_asks_learns_that_it_is_cancelled() {
    let (tell, cancelled) = mpsc::channel::<()>();
    let task = BackgroundTask::spawn("asks", move |task| {
        let before = task.check();
        cancelled.recv().unwrap();
        (before, task.is_cancelled(), task.check())
    })
    .unwrap();
    task.cancel();
    task.cancel();
    tell.send(()).unwrap();
    let (before, is_cancelled, after) = task.join().unwrap();
    assert!(is_cancelled && after == Err(Cancelled));
    assert!(before.is_ok() || before == Err(Cancelled));
}

#[test]
fn a_sleep_without_a_cancel_lasts_its_time() {
    let task = BackgroundTask::spawn("sleeps", |task| task.sleep(Duration::from_millis(1)));
    assert_eq!(task.unwrap().join().unwrap(), Ok(()));
}

#[test]
fn dropping_it_cancels_and_waits_for_the_end() {
    let ended = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&ended);
    let task = BackgroundTask::spawn("endless", move |task| {
        endless(task);
        theirs.store(true, Relaxed);
    });
    drop(task.unwrap());
    assert!(ended.load(Relaxed));
}

#[test]
fn a_panic_is_joined_and_a_dropped_one_is_contained() {
    let panics = || {
        BackgroundTask::spawn("panics", |_| -> () {
            std::panic::resume_unwind(Box::new("no luck"));
        })
        .unwrap()
    };
    let task = panics();
    assert_eq!(task.wait_timeout(LONG), Ok(()), "its end wakes who waits");
    assert_eq!(message_of(&*task.join().unwrap_err()), "no luck");
    drop(panics());
}

#[test]
fn a_task_that_owns_itself_does_not_wait_for_itself() {
    let (send, receive) = mpsc::channel::<BackgroundTask<()>>();
    let (done, wait) = mpsc::channel();
    let task = BackgroundTask::spawn("owns itself", move |_| {
        drop(receive.recv().unwrap());
        done.send(()).unwrap();
    });
    send.send(task.unwrap()).unwrap();
    wait.recv().unwrap();
}
