//! Compares exploring with ours, shuttle's depth-first search and loom. All of them run small
//! programs that hold, so each explores everything that it tells apart.
//!
//! Shuttle and ours explore schedules; loom, and ours for memory orderings, explore executions. So
//! compare the times of one explorer with those of another only within one comparison.

use std::time::Duration;

use context_switch::sampling::Comparison;
use interleave::Explore;

fn main() {
    // Loom ends the threads of an execution by panics without a message.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload_as_str().is_some() {
            print(info);
        }
    }));
    peers::run(
        &[
            ("explorer, schedules of 2 threads that add 2 each", || {
                schedules(2, 2)
            }),
            ("explorer, schedules of 3 threads that add 1 each", || {
                schedules(3, 1)
            }),
            ("explorer, orderings of 2 threads that add 2 each", || {
                orderings(2, 2)
            }),
            ("explorer, orderings of 3 threads that add 1 each", || {
                orderings(3, 1)
            }),
        ],
        Duration::from_secs(4),
    );
}

/// `threads` threads each add one to a counter, `times` times, with this explorer's version of std.
macro_rules! adding {
    ($name:ident, $($std:ident)::+) => {
        fn $name(threads: u32, times: u32) {
            use $($std)::+::sync::Arc;
            use $($std)::+::sync::atomic::{AtomicU32, Ordering::SeqCst};
            use $($std)::+::thread;

            let counter = Arc::new(AtomicU32::new(0));
            let all: Vec<_> = (0..threads)
                .map(|_| {
                    let counter = Arc::clone(&counter);
                    thread::spawn(move || {
                        for _ in 0..times {
                            counter.fetch_add(1, SeqCst);
                        }
                    })
                })
                .collect();
            for thread in all {
                thread.join().unwrap();
            }
            assert_eq!(counter.load(SeqCst), threads * times);
        }
    };
}
adding!(ours_scheduled, interleave::shuttled);
adding!(ours_ordered, interleave::loomed);
adding!(shuttles, shuttle);
adding!(looms, loom);

fn schedules(threads: u32, times: u32) -> Comparison<'static> {
    let ours = move || {
        let found = Explore::new()
            .scenario_file("")
            .schedules_of(move || ours_scheduled(threads, times));
        assert!(found.failure.is_none() && found.not_judged.is_none());
    };
    let shuttle = move || shuttle::check_dfs(move || shuttles(threads, times), None);
    Comparison::of("ours", ours).against("shuttle", shuttle)
}

fn orderings(threads: u32, times: u32) -> Comparison<'static> {
    let ours = move || {
        let found = Explore::new()
            .scenario_file("")
            .orderings_of(move || ours_ordered(threads, times));
        assert!(found.failure.is_none() && found.not_judged.is_none());
    };
    let loom = move || {
        let mut builder = loom::model::Builder::new();
        // Ours allows two interruptions, too.
        builder.preemption_bound = Some(2);
        builder.check(move || looms(threads, times));
    };
    Comparison::of("ours", ours).against("loom", loom)
}
