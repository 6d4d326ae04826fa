//! A pool of processes: order, reuse, backpressure, size, the end.

mod support;

use std::collections::HashSet;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, AsRawFd};

use processes::proc::{self, State};
use processes::{Ending, Pid, PoolError, ProcessPool, Spec};
use support::{has_ended, me, until};

fn pid() -> Pid {
    std::process::id().cast_signed()
}

#[test]
fn results_come_in_the_order_of_the_items() {
    let mut pool = ProcessPool::new(3, |number: u64| number * number).unwrap();
    for chunk in [0, 1, 2, 7, 1000, usize::MAX] {
        let results = pool.map_chunks(chunk, 0..500).unwrap();
        let squares: Vec<u64> = results.into_iter().map(Result::unwrap).collect();
        assert_eq!(squares, (0..500).map(|n| n * n).collect::<Vec<_>>());
    }
    assert!(pool.map(0..0).unwrap().is_empty());
    assert_eq!(pool.map([9]).unwrap(), [Ok(81)]);
}

#[test]
fn items_may_be_lent_and_of_any_type() {
    let mut pool = ProcessPool::new(2, |words: Vec<String>| words.join(" ")).unwrap();
    let items = [vec!["a".to_owned(), "b".to_owned()], vec![]];
    assert_eq!(
        pool.map(&items).unwrap(),
        [Ok("a b".to_owned()), Ok(String::new())]
    );
}

#[test]
fn workers_are_other_processes_and_are_used_again() {
    let mut pool = ProcessPool::new(2, |(): ()| pid()).unwrap();
    let workers: HashSet<Pid> = pool.workers().into_iter().collect();
    assert_eq!(workers.len(), 2);
    for _ in 0..3 {
        let results = pool.map_chunks(1, vec![(); 50]).unwrap();
        let seen: HashSet<Pid> = results.into_iter().map(Result::unwrap).collect();
        assert!(
            seen.is_subset(&workers) && !seen.contains(&me()),
            "{seen:?}"
        );
    }
}

#[test]
fn the_function_may_borrow_and_change_what_it_captured() {
    let offset = 10;
    let mut calls = 0;
    let mut pool = ProcessPool::new(1, |item: u32| {
        calls += 1;
        (item + offset, calls)
    })
    .unwrap();
    assert_eq!(pool.map([1, 2]).unwrap(), [Ok((11, 1)), Ok((12, 2))]);
    drop(pool);
    assert_eq!(calls, 0, "the workers counted in copies");
}

#[test]
fn large_items_and_results_go_both_ways_at_once() {
    let mut pool = ProcessPool::new(2, |mut block: Vec<u8>| {
        block.reverse();
        block
    })
    .unwrap();
    let blocks: Vec<Vec<u8>> = (0..12_u8)
        .map(|n| (0..1_000_000_u32).map(|at| at as u8 ^ n).collect())
        .collect();
    let results = pool.map_chunks(3, &blocks).unwrap();
    for (block, result) in blocks.into_iter().zip(results) {
        assert!(block.into_iter().rev().eq(result.unwrap()));
    }
}

/// Five jobs that all must run at once: each tells that it is there, and waits
/// for leave.
#[test]
fn as_many_items_as_workers_run_at_the_same_time() {
    let (mut arrived, arrive) = pipe().unwrap();
    let (leave, mut may_leave) = pipe().unwrap();
    let kept = [arrive.as_fd(), leave.as_fd()];
    let mut pool = ProcessPool::keeping(5, &kept, |item: u8| {
        (&arrive).write_all(&[item]).unwrap();
        (&leave).read_exact(&mut [0]).unwrap();
        item * item
    })
    .unwrap();
    let conductor = std::thread::spawn(move || {
        arrived.read_exact(&mut [0; 5]).unwrap();
        may_leave.write_all(&[0; 5]).unwrap();
    });
    let results = pool.map([1, 2, 3, 4, 5]).unwrap();
    assert_eq!(results, [1, 4, 9, 16, 25].map(Ok));
    conductor.join().unwrap();
}

/// One item waits until all others are done: those that were sent to the same
/// worker must get another.
#[test]
fn what_waits_behind_a_long_item_goes_to_an_idle_worker() {
    let (leave, mut may_leave) = pipe().unwrap();
    let mut pool = ProcessPool::keeping(2, &[leave.as_fd()], |item: u8| {
        if item == 0 {
            (&leave).read_exact(&mut [0]).unwrap();
        }
        item
    })
    .unwrap();
    let mut done = Vec::new();
    pool.for_each(1, 0..40_u8, |index, result| {
        assert_eq!(result, Ok(index as u8));
        done.push(index);
        if done.len() == 39 {
            may_leave.write_all(&[0]).unwrap();
        }
    })
    .unwrap();
    assert_eq!(done.last(), Some(&0));
}

#[test]
fn items_are_taken_as_workers_need_them() {
    let mut pool = ProcessPool::new(2, |item: usize| item).unwrap();
    let (taken, mut done) = (std::cell::Cell::new(0), 0);
    let items = (0..2000).inspect(|_| taken.set(taken.get() + 1));
    pool.for_each(5, items, |_, _| {
        done += 1;
        let ahead = taken.get() - done;
        // Four chunks for each worker, one of which is being answered.
        assert!(ahead <= 2 * 4 * 5, "{ahead} items on their way");
    })
    .unwrap();
    assert_eq!(done, 2000);
}

#[test]
fn a_pool_has_at_least_one_worker_and_not_thousands() {
    for workers in [0, 257, usize::MAX] {
        match ProcessPool::new(workers, |item: u8| item) {
            Err(PoolError::Workers(asked)) => assert_eq!(asked, workers),
            other => panic!("{other:?}"),
        }
    }
}

/// The processes of a pool, as they are now: the workers and the one that
/// starts them.
fn family(workers: &[Pid]) -> Vec<proc::Stat> {
    let mut family: Vec<_> = workers
        .iter()
        .map(|&pid| proc::stat(pid).unwrap())
        .collect();
    let zygote = proc::stat(family[0].parent).unwrap();
    assert_eq!(zygote.parent, me());
    family.push(zygote);
    family
}

#[test]
fn dropping_the_pool_leaves_no_process() {
    let pool = ProcessPool::new(2, |item: u8| item).unwrap();
    let unused = family(&pool.workers());
    drop(pool);
    assert!(unused.iter().all(has_ended));

    let mut pool = ProcessPool::new(2, |item: u8| item).unwrap();
    pool.map(0..100).unwrap();
    let used = family(&pool.workers());
    pool.shutdown().unwrap();
    assert!(used.iter().all(has_ended));
}

#[test]
fn what_the_function_started_ends_with_the_pool() {
    let mut pool = ProcessPool::new(1, |(): ()| {
        let child = Spec::new("sleep").arg("1000").spawn().unwrap();
        let pid = child.pid();
        std::mem::forget(child);
        pid
    })
    .unwrap();
    let started = pool.map([()]).unwrap().remove(0).unwrap();
    let stat = proc::stat(started).unwrap();
    assert_ne!(stat.state, State::Zombie);
    drop(pool);
    assert!(has_ended(&stat));
}

#[test]
fn a_killed_program_leaves_no_process() {
    let (mut told, tell) = pipe().unwrap();
    let mut program = processes::fork(|| {
        // The pids go out from the workers; then they compute for ever.
        let mut pool = ProcessPool::keeping(2, &[tell.as_fd()], |(): ()| -> u8 {
            let message = [pid(), std::os::unix::process::parent_id().cast_signed()];
            (&tell)
                .write_all(&message.map(i32::to_le_bytes).concat())
                .unwrap();
            loop {
                std::thread::yield_now();
            }
        })
        .unwrap();
        _ = pool.map([(), ()]);
        0
    })
    .unwrap();
    let mut message = [0; 16];
    told.read_exact(&mut message).unwrap();
    let stats: Vec<_> = message
        .chunks(4)
        .map(|bytes| i32::from_le_bytes(bytes.try_into().unwrap()))
        .map(|pid| proc::stat(pid).unwrap())
        .collect();
    program.signal(processes::Signal::SIGKILL).unwrap();
    assert_eq!(program.wait().unwrap().signal(), Some(9));
    until("all are gone", || stats.iter().all(has_ended));
}

#[test]
fn a_workers_copy_of_a_descriptor_keeps_nothing_open_and_hits_nothing_else() {
    let (mut reader, writer) = pipe().unwrap();
    let number = writer.as_raw_fd();
    let mut pool = ProcessPool::new(1, |(): ()| {
        // A new file must not get the old number.
        let file = std::fs::File::open("/dev/null").unwrap();
        let error = (&writer).write(b"x").unwrap_err();
        (file.as_raw_fd(), error.raw_os_error())
    })
    .unwrap();
    let (file, error) = pool.map([()]).unwrap().remove(0).unwrap();
    assert_ne!(file, number);
    assert_eq!(error, Some(libc::EBADF));
    drop(pool);
    drop(writer);

    let (reader2, writer2): (PipeReader, PipeWriter) = pipe().unwrap();
    let pool = ProcessPool::new(1, |item: u8| item).unwrap();
    drop(writer2);
    reader = {
        drop(reader);
        reader2
    };
    assert_eq!(
        reader.read(&mut [0]).unwrap(),
        0,
        "the end, while workers live"
    );
    drop(pool);
}

#[test]
fn a_panic_in_the_programs_own_code_leaves_the_pool_usable() {
    let mut pool = ProcessPool::new(2, |item: u64| {
        if item == u64::MAX {
            loop {
                std::thread::yield_now();
            }
        }
        item
    })
    .unwrap();
    let before = family(&pool.workers());
    // One worker computes for ever when the panic comes.
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        pool.for_each(1, [u64::MAX, 1, 2, 3], |_, _| panic!("the sink"))
    }));
    assert_eq!(broken.unwrap_err().downcast_ref(), Some(&"the sink"));
    assert!(before.iter().any(has_ended));
    assert_eq!(pool.map([5, 6]).unwrap(), [Ok(5), Ok(6)]);
}

/// The error of a dead worker's item meets a sink that panics: nobody may wait
/// for this worker any more.
#[test]
fn a_panic_about_a_dead_worker_leaves_the_pool_usable() {
    let mut pool = ProcessPool::new(1, |item: u8| -> u8 {
        if item == 1 {
            std::process::exit(3);
        }
        item
    })
    .unwrap();
    for chunk in [1, 4] {
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.for_each(chunk, [0, 1, 2, 3], |_, result| {
                result.unwrap();
            })
        }));
        assert!(broken.is_err());
        assert_eq!(pool.map([5, 6]).unwrap(), [Ok(5), Ok(6)]);
    }
}

#[test]
fn a_pool_whose_zygote_was_killed_says_so() {
    let mut pool = ProcessPool::new(2, |item: u8| item).unwrap();
    let family = family(&pool.workers());
    let zygote = nix::unistd::Pid::from_raw(family[2].pid);
    nix::sys::signal::kill(zygote, nix::sys::signal::Signal::SIGKILL).unwrap();
    until("all are gone", || family[..2].iter().all(has_ended));
    for _ in 0..2 {
        match pool.map([1, 2, 3]) {
            Err(PoolError::Lost(ending)) => {
                assert_eq!(ending.and_then(Ending::signal), Some(9));
            }
            other => panic!("{other:?}"),
        }
    }
    drop(pool);
}
