//! The same three roommates with fibers, with our executor, and with tokio.
//!
//! Each roommate cooks three steps and lets the others use the stove in
//! between. The three ways differ in how the pause is written, and in what is
//! kept during the pause: a stack, or a future that is as large as the
//! variables that live across the `await`. Our two schedulers promise the order
//! of the steps. tokio promises only that each task gets its turn.

use std::cell::RefCell;
use std::rc::Rc;

use coroutines::budget::yield_now;
use coroutines::executor::Executor;
use coroutines::round_robin::RoundRobin;

const ROOMMATES: [&str; 3] = ["Ada", "Ben", "Cyd"];
const STEPS: u32 = 3;

type Diary = Rc<RefCell<Vec<String>>>;

fn by_fibers(diary: &Diary) -> Result<(), Box<dyn std::error::Error>> {
    let mut fibers = RoundRobin::new();
    for name in ROOMMATES {
        let diary = Rc::clone(diary);
        fibers.spawn(move |turn| {
            for step in 1..=STEPS {
                diary.borrow_mut().push(format!("{name}{step}"));
                turn.yield_now(); // any function may do this, at any call depth
            }
        })?;
    }
    fibers.run()?;
    Ok(())
}

fn by_our_executor(diary: &Diary) -> Result<(), Box<dyn std::error::Error>> {
    let executor = Executor::new();
    let cooks = ROOMMATES.map(|name| {
        let diary = Rc::clone(diary);
        executor.spawn(async move {
            for step in 1..=STEPS {
                diary.borrow_mut().push(format!("{name}{step}"));
                yield_now().await; // only `async` code may do this
            }
        })
    });
    for cook in cooks {
        executor.block_on(cook)?;
    }
    Ok(())
}

fn by_tokio(diary: &Diary) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let tasks = tokio::task::LocalSet::new(); // futures that stay on this thread
    let cooks = ROOMMATES.map(|name| {
        let diary = Rc::clone(diary);
        tasks.spawn_local(async move {
            for step in 1..=STEPS {
                diary.borrow_mut().push(format!("{name}{step}"));
                tokio::task::yield_now().await;
            }
        })
    });
    for cook in cooks {
        tasks.block_on(&runtime, cook)?;
    }
    Ok(())
}

type Way = fn(&Diary) -> Result<(), Box<dyn std::error::Error>>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ways: [(&str, Way); 3] = [
        ("fibers", by_fibers),
        ("our executor", by_our_executor),
        ("tokio", by_tokio),
    ];
    for (name, way) in ways {
        let diary = Diary::default();
        way(&diary)?;
        println!("{name:>12}: {}", diary.borrow().join(" "));
    }
    Ok(())
}
