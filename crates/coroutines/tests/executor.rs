//! What block_on and the executor promise.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{catch_unwind, panic_any};
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::thread;

use coroutines::block_on;
use coroutines::budget::{self, yield_now};
use coroutines::executor::{Executor, JoinError};

/// Pending once, and gives its waker away.
fn handing_over(mut give: impl FnMut(Waker)) -> impl Future<Output = ()> {
    let mut polled = false;
    poll_fn(move |context| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        give(context.waker().clone());
        Poll::Pending
    })
}

#[test]
fn block_on_is_woken_by_another_thread() {
    let (sender, wakers) = mpsc::channel::<Waker>();
    let thread = thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
    block_on(async {
        for _ in 0..100 {
            handing_over(|waker| sender.send(waker).unwrap()).await;
        }
    });
    drop(sender);
    thread.join().unwrap();
}

#[test]
fn a_wake_up_during_the_poll_is_not_lost() {
    block_on(handing_over(Waker::wake));
    let executor = Executor::new();
    let task = executor.spawn(handing_over(Waker::wake));
    executor.block_on(task).unwrap();
}

#[test]
fn a_nested_block_on_does_not_take_the_outer_ones_wake_up() {
    let (sender, wakers) = mpsc::channel::<Waker>();
    let thread = thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
    let mut polled = false;
    block_on(poll_fn(|outer| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        outer.waker().wake_by_ref();
        // Sleeps in the middle of the outer poll, until the other thread wakes it.
        block_on(handing_over(|waker| sender.send(waker).unwrap()));
        Poll::Pending
    }));
    drop(sender);
    thread.join().unwrap();
    assert!(polled);
}

#[test]
fn block_on_works_where_thread_locals_are_gone() {
    struct AtTheEnd(mpsc::Sender<i32>);
    impl Drop for AtTheEnd {
        fn drop(&mut self) {
            let _ = self.0.send(block_on(async { 7 }));
        }
    }
    thread_local!(static LAST: Cell<Option<AtTheEnd>> = const { Cell::new(None) });
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        LAST.set(Some(AtTheEnd(sender)));
        block_on(async {});
    });
    thread.join().unwrap();
    assert_eq!(receiver.recv(), Ok(7));
}

#[test]
fn a_panic_in_block_on_is_the_callers() {
    let panic = catch_unwind(|| block_on(async { panic_any(7_u8) })).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&7_u8));
}

#[test]
fn tasks_take_turns_in_the_order_of_their_coming() {
    let executor = Executor::new();
    let log = Rc::new(RefCell::new(Vec::new()));
    for id in 0..3 {
        let log = Rc::clone(&log);
        executor.spawn(async move {
            for round in 0..2 {
                log.borrow_mut().push((round, id));
                yield_now().await;
            }
        });
    }
    executor.block_on(async {
        for _ in 0..4 {
            yield_now().await;
        }
    });
    assert_eq!(
        *log.borrow(),
        [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    );
}

#[test]
fn a_task_is_queued_once_however_often_it_is_woken() {
    let executor = Executor::new();
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    let task = executor.spawn(poll_fn(move |context| {
        counted.set(counted.get() + 1);
        if counted.get() > 3 {
            return Poll::Ready(());
        }
        for _ in 0..10 {
            context.waker().wake_by_ref();
        }
        Poll::Pending
    }));
    executor.block_on(task).unwrap();
    assert_eq!(polls.get(), 4);
}

#[test]
fn a_late_wake_up_does_not_poll_a_task_that_was_ready() {
    let executor = Executor::new();
    let kept = Rc::new(RefCell::new(None));
    let keep = Rc::clone(&kept);
    let task = executor.spawn(poll_fn(move |context| {
        assert!(keep.borrow().is_none(), "polled again after Ready");
        *keep.borrow_mut() = Some(context.waker().clone());
        context.waker().wake_by_ref();
        Poll::Ready(())
    }));
    executor.block_on(task).unwrap();
    kept.take().unwrap().wake();
    // The place is used again; the old waker must not poll the new task.
    let polls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&polls);
    let _waits = executor.spawn(poll_fn(move |_| {
        counted.set(counted.get() + 1);
        Poll::<()>::Pending
    }));
    executor.block_on(async {
        for _ in 0..5 {
            yield_now().await;
        }
    });
    assert_eq!(polls.get(), 1);
}

#[test]
fn tasks_spawn_tasks_and_await_them() {
    let executor = Executor::new();
    let spawner = executor.spawner();
    let sum = executor.spawn(async move {
        let parts: Vec<_> = (1..=10)
            .map(|n| {
                spawner.spawn(async move {
                    yield_now().await;
                    n * n
                })
            })
            .collect();
        let mut sum = 0;
        for part in parts {
            sum += part.await.unwrap();
        }
        sum
    });
    assert_eq!(executor.block_on(sum).unwrap(), 385);
}

#[test]
fn a_task_is_woken_by_another_thread_while_the_executor_sleeps() {
    let executor = Executor::new();
    let (sender, wakers) = mpsc::channel::<Waker>();
    let thread = thread::spawn(move || wakers.into_iter().for_each(Waker::wake));
    let task = executor.spawn(async move {
        for _ in 0..100 {
            handing_over(|waker| sender.send(waker).unwrap()).await;
        }
    });
    executor.block_on(task).unwrap();
    thread.join().unwrap();
}

#[test]
fn a_panic_ends_one_task_and_is_told_to_who_awaits_it() {
    let executor = Executor::new();
    let fails = executor.spawn(async {
        yield_now().await;
        panic!("it failed");
    });
    let works = executor.spawn(async { 7 });
    let error: JoinError = executor.block_on(fails).unwrap_err();
    assert_eq!(error.to_string(), "the task panicked: it failed");
    assert_eq!(executor.block_on(works).unwrap(), 7);
}

#[test]
fn a_cancelled_task_runs_its_destructors() {
    let executor = Executor::new();
    let token = Rc::new(());
    let theirs = Rc::clone(&token);
    let task = executor.spawn(async move {
        let _theirs = theirs;
        pending::<()>().await;
    });
    executor.block_on(yield_now());
    assert_eq!(Rc::strong_count(&token), 2);
    task.cancel();
    assert_eq!(Rc::strong_count(&token), 1);
}

#[test]
fn a_task_that_cancels_itself_is_dropped_at_its_next_pause() {
    let executor = Executor::new();
    let own = Rc::new(Cell::new(None::<coroutines::executor::JoinHandle<()>>));
    let handle = Rc::clone(&own);
    let steps = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&steps);
    let task = executor.spawn(async move {
        handle.take().unwrap().cancel();
        log.borrow_mut().push("cancelled");
        yield_now().await;
        log.borrow_mut().push("went on");
    });
    own.set(Some(task));
    executor.block_on(async {
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(*steps.borrow(), ["cancelled"]);
    assert_eq!(Rc::strong_count(&steps), 1);
}

#[test]
fn a_dropped_executor_drops_its_tasks_and_cancels_those_that_are_awaited() {
    let executor = Executor::new();
    let spawner = executor.spawner();
    let token = Rc::new(());
    let theirs = Rc::clone(&token);
    let inner = spawner.clone();
    executor.block_on(executor.spawn(async {})).unwrap(); // its place is free
    let task = executor.spawn(async move {
        // A task that holds its own executor's spawner is no cycle.
        let _held = (theirs, inner);
        pending::<()>().await;
    });
    executor.block_on(yield_now());
    drop(executor);
    assert_eq!(Rc::strong_count(&token), 1);
    assert!(matches!(block_on(task), Err(JoinError::Cancelled)));
    let late = spawner.spawn(async { 7 });
    assert!(matches!(block_on(late), Err(JoinError::Cancelled)));
}

#[test]
fn block_on_within_a_task_of_the_same_executor_is_refused() {
    let executor = Rc::new(Executor::new());
    let inner = Rc::clone(&executor);
    let task = executor.spawn(async move { inner.block_on(async {}) });
    let error = executor.block_on(task).unwrap_err();
    assert!(error.to_string().contains("same executor"), "{error}");
    executor.block_on(async {});
}

#[test]
fn a_task_waits_over_several_block_ons() {
    let executor = Executor::new();
    let count = Rc::new(Cell::new(0));
    let counted = Rc::clone(&count);
    let _task = executor.spawn(async move {
        loop {
            counted.set(counted.get() + 1);
            yield_now().await;
        }
    });
    for _ in 0..3 {
        executor.block_on(yield_now());
    }
    assert!(count.get() >= 3);
}

#[test]
fn a_task_that_is_always_ready_pauses_when_its_budget_is_used_up() {
    let executor = Executor::new();
    let steps = Rc::new(Cell::new(0));
    let counted = Rc::clone(&steps);
    executor.spawn(async move {
        loop {
            budget::step().await;
            counted.set(counted.get() + 1);
        }
    });
    // It was there first, so it is polled before each of the two polls of this
    // future, and each of its own has a whole budget.
    executor.block_on(yield_now());
    assert_eq!(steps.get(), 2 * budget::PER_POLL);
}

#[test]
fn outside_of_an_executor_there_is_no_budget() {
    block_on(async {
        for _ in 0..10 * budget::PER_POLL {
            budget::step().await;
        }
    });
}
