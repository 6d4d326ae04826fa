//! Compares our fibers with those of corosensei and may, and our executor with pollster and the
//! executors of tokio and smol.
//!
//! `cargo bench -p peers --bench coroutines` measures everything, and `… -- fiber` only the
//! comparisons with `fiber` in their names. may's fibers are the crate `generator`, and smol's
//! executor is the crate `async-executor`.

use std::hint::black_box;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use context_switch::sampling::Comparison;
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use coroutines::fiber::{Fiber, Stack, StackPool, Step};

/// The size of every stack in bytes.
const STACK: usize = 256 * 1024;

/// The number of tasks or fibers that take turns.
const CROWD: u64 = 100;

fn main() {
    peers::run(
        &[
            ("fiber, resumed and suspended", switch),
            ("fiber, with a number each way", switch_with_values),
            ("fiber, made on a used stack, run, dropped", made_again),
            ("fiber, made on a new stack, run, dropped", made_anew),
            ("fiber scheduler, a hundred take turns", fibers_take_turns),
            ("block_on, ready at once", ready_at_once),
            ("block_on, woken while it is polled", woken),
            ("executor, spawn and await", spawn),
            ("executor, yield alone", yield_alone),
            ("executor, a hundred take turns", tasks_take_turns),
        ],
        Duration::from_secs(1),
    );
}

fn switch() -> Comparison<'static> {
    let mut ours = Fiber::<(), (), ()>::new(|fiber, ()| {
        loop {
            fiber.suspend(());
        }
    })
    .unwrap();
    let mut theirs = Coroutine::<(), (), ()>::new(|fiber, ()| {
        loop {
            fiber.suspend(());
        }
    });
    let mut mays = generator::Gn::<()>::new_scoped_opt(STACK / size_of::<usize>(), |mut fiber| {
        loop {
            fiber.yield_with(());
        }
    });
    Comparison::of("ours", move || ours.resume(()))
        .against("corosensei", move || theirs.resume(()))
        .against("may", move || mays.resume())
}

fn switch_with_values() -> Comparison<'static> {
    let mut ours = Fiber::<u64, u64, ()>::new(|fiber, mut n| {
        loop {
            n = fiber.suspend(n + 1);
        }
    })
    .unwrap();
    let mut theirs = Coroutine::<u64, u64, ()>::new(|fiber, mut n| {
        loop {
            n = fiber.suspend(n + 1);
        }
    });
    let (mut n, mut m) = (0, 0);
    Comparison::of("ours", move || {
        if let Step::Yield(next) = ours.resume(n) {
            n = next;
        }
        n
    })
    .against("corosensei", move || {
        if let CoroutineResult::Yield(next) = theirs.resume(m) {
            m = next;
        }
        m
    })
}

fn made_again() -> Comparison<'static> {
    let pool = StackPool::new(STACK).unwrap();
    let mut stacks = vec![DefaultStack::new(STACK).unwrap()];
    Comparison::of("ours", move || {
        let mut fiber = Fiber::<u64, (), u64>::on(pool.stack().unwrap(), |_, n| n).unwrap();
        fiber.resume(black_box(7))
    })
    .against("corosensei", move || {
        let stack = stacks.pop().unwrap();
        let mut fiber = Coroutine::<u64, (), u64>::with_stack(stack, |_, n| n);
        let end = fiber.resume(black_box(7));
        stacks.push(fiber.into_stack());
        end
    })
}

fn made_anew() -> Comparison<'static> {
    Comparison::of("ours", || {
        let stack = Stack::new(STACK).unwrap();
        let mut fiber = Fiber::<u64, (), u64>::on(stack, |_, n| n).unwrap();
        fiber.resume(black_box(7))
    })
    .against("corosensei", || {
        let stack = DefaultStack::new(STACK).unwrap();
        let mut fiber = Coroutine::<u64, (), u64>::with_stack(stack, |_, n| n);
        fiber.resume(black_box(7))
    })
    .against("may", || {
        let words = STACK / size_of::<usize>();
        let mut fiber = generator::Gn::<()>::new_opt(words, || black_box(7_u64));
        fiber.resume()
    })
}

/// Measures turns: one operation is one turn of one of [`CROWD`] fibers. may runs its fibers on
/// threads of its own, and is configured to use one thread.
fn fibers_take_turns() -> Comparison<'static> {
    may::config()
        .set_workers(1)
        .set_stack_size(STACK / size_of::<usize>());
    Comparison::of_timed("ours", |times| {
        let mut fibers = coroutines::round_robin::RoundRobin::new();
        for _ in 0..CROWD {
            fibers
                .spawn(move |turn| (0..times.div_ceil(CROWD)).for_each(|_| turn.yield_now()))
                .unwrap();
        }
        let start = Instant::now();
        fibers.run().unwrap();
        per_turn(start, times)
    })
    .against_timed("may", |times| {
        let started = std::sync::Arc::new(std::sync::OnceLock::new());
        let fibers: Vec<_> = (0..CROWD)
            .map(|_| {
                let started = std::sync::Arc::clone(&started);
                // SAFETY: the body does not overflow its stack and uses no thread-local of its own.
                unsafe {
                    may::coroutine::spawn(move || {
                        started.get_or_init(Instant::now);
                        (0..times.div_ceil(CROWD)).for_each(|_| may::coroutine::yield_now());
                    })
                }
            })
            .collect();
        for fiber in fibers {
            fiber.join().unwrap();
        }
        per_turn(*started.get().unwrap(), times)
    })
}

/// Returns the time for `times` turns. Only whole rounds were done, so there may have been more
/// turns.
fn per_turn(start: Instant, times: u64) -> Duration {
    let done = times.div_ceil(CROWD) * CROWD;
    start.elapsed().mul_f64(times as f64 / done as f64)
}

/// A future whose type the compiler does not know.
type Opaque = Box<dyn Future<Output = u64> + Unpin>;

/// Measures what it costs to enter and to leave `block_on`, with a future that is ready at once. The
/// time includes two calls through a pointer: of a function with `block_on` in it, and of `poll`. If
/// the compiler knew the future, it would see that the thread never sleeps, and nothing would be left
/// to measure. If it knew the function, it could do a part of the work once for the whole loop.
fn ready_at_once() -> Comparison<'static> {
    let [mut ours, mut pollsters, mut smols] = [(); 3].map(|()| -> Opaque {
        let ready = std::future::poll_fn(|_| Poll::Ready(black_box(7)));
        black_box(Box::new(ready))
    });
    let opaque = black_box::<fn(&mut Opaque) -> u64>;
    let run = opaque(|future| coroutines::block_on(future));
    let run_pollster = opaque(|future| pollster::block_on(future));
    let run_smol = opaque(|future| futures_lite::future::block_on(future));
    Comparison::of("ours", move || run(&mut ours))
        .against("pollster", move || run_pollster(&mut pollsters))
        .against("smol", move || run_smol(&mut smols))
}

/// Returns a future that is pending `times` times and wakes itself at once each time.
fn waking(mut times: u64) -> impl Future<Output = ()> {
    std::future::poll_fn(move |context| {
        if times == 0 {
            return Poll::Ready(());
        }
        times -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

fn woken() -> Comparison<'static> {
    Comparison::of_timed("ours", |times| {
        timed(|| coroutines::block_on(waking(times)))
    })
    .against_timed("pollster", |times| {
        timed(|| pollster::block_on(waking(times)))
    })
    .against_timed("smol", |times| {
        timed(|| futures_lite::future::block_on(waking(times)))
    })
}

fn timed<R>(run: impl FnOnce() -> R) -> Duration {
    let start = Instant::now();
    black_box(run());
    start.elapsed()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

fn spawn() -> Comparison<'static> {
    let ours = coroutines::executor::Executor::new();
    let (tokio, local) = (runtime(), tokio::task::LocalSet::new());
    let smol = Rc::new(async_executor::LocalExecutor::new());
    Comparison::of_timed("ours", move |times| {
        timed(|| {
            ours.block_on(async {
                for n in 0..times {
                    black_box(ours.spawn(async move { n }).await.unwrap());
                }
            });
        })
    })
    .against_timed("tokio", move |times| {
        timed(|| {
            local.block_on(&tokio, async {
                for n in 0..times {
                    black_box(tokio::task::spawn_local(async move { n }).await.unwrap());
                }
            });
        })
    })
    .against_timed("smol", move |times| {
        let spawner = Rc::clone(&smol);
        timed(|| {
            futures_lite::future::block_on(smol.run(async {
                for n in 0..times {
                    black_box(spawner.spawn(async move { n }).await);
                }
            }));
        })
    })
}

fn yield_alone() -> Comparison<'static> {
    let ours = coroutines::executor::Executor::new();
    let tokio = runtime();
    let smol = async_executor::LocalExecutor::new();
    Comparison::of_timed("ours", move |times| {
        timed(|| {
            let task = ours.spawn(async move {
                for _ in 0..times {
                    coroutines::budget::yield_now().await;
                }
            });
            ours.block_on(task).unwrap();
        })
    })
    .against_timed("tokio", move |times| {
        timed(|| {
            let task = tokio.spawn(async move {
                for _ in 0..times {
                    tokio::task::yield_now().await;
                }
            });
            tokio.block_on(task).unwrap();
        })
    })
    .against_timed("smol", move |times| {
        timed(|| {
            let task = smol.spawn(async move {
                for _ in 0..times {
                    futures_lite::future::yield_now().await;
                }
            });
            futures_lite::future::block_on(smol.run(task));
        })
    })
}

fn tasks_take_turns() -> Comparison<'static> {
    let ours = coroutines::executor::Executor::new();
    let tokio = runtime();
    let smol = async_executor::LocalExecutor::new();
    Comparison::of_timed("ours", move |times| {
        let turns = times.div_ceil(CROWD);
        let tasks: Vec<_> = (0..CROWD)
            .map(|_| {
                ours.spawn(async move {
                    for _ in 0..turns {
                        coroutines::budget::yield_now().await;
                    }
                })
            })
            .collect();
        let start = Instant::now();
        ours.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        per_turn(start, times)
    })
    .against_timed("tokio", move |times| {
        let turns = times.div_ceil(CROWD);
        let tasks: Vec<_> = (0..CROWD)
            .map(|_| {
                tokio.spawn(async move {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let start = Instant::now();
        tokio.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        per_turn(start, times)
    })
    .against_timed("smol", move |times| {
        let turns = times.div_ceil(CROWD);
        let tasks: Vec<_> = (0..CROWD)
            .map(|_| {
                smol.spawn(async move {
                    for _ in 0..turns {
                        futures_lite::future::yield_now().await;
                    }
                })
            })
            .collect();
        let start = Instant::now();
        futures_lite::future::block_on(smol.run(async {
            for task in tasks {
                task.await;
            }
        }));
        per_turn(start, times)
    })
}
