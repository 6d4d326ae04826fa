//! Right: work that takes long without a system call, and busy waiting that
//! something ends. None of it is a spin for ever.
#![allow(
    clippy::missing_spin_loop,
    reason = "a spin without a hint is right too"
)]

use std::hint::spin_loop;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use proctor::Subject;

use crate::driver::{Expect, check, passes};
use crate::kit::{LONG, SIGNALLED, child, labour, reap, set_on, shared_word, sleep_long, timer};

const TABLE: &[Expect] = &[
    passes("whole_numbers_for_long"),
    passes("floating_numbers_for_long"),
    passes("memory_for_long"),
    passes("a_counter_in_memory_for_long"),
    passes("a_short_loop_in_a_long_loop"),
    passes("four_threads_that_work"),
    passes("four_threads_that_share_a_lock"),
    passes("four_threads_that_share_a_spin_lock"),
    passes("a_thread_that_works_while_one_spins"),
    passes("many_system_calls"),
    passes("short_epoll_waits_between_work"),
    passes("short_semaphore_waits_between_work"),
    passes("short_signal_waits_between_work"),
    passes("a_spin_until_a_sleeper_sets_a_flag"),
    passes("a_spin_until_a_sleeper_sets_a_flag_under_a_lock"),
    passes("a_spin_until_a_time"),
    passes("a_spin_on_the_time_stamp_counter"),
    passes("a_spin_until_a_handler_sets_a_flag"),
    passes("a_spin_until_a_child_sets_a_flag"),
    passes("yields_until_a_child_has_ended"),
    passes("reads_that_would_block_until_a_child_writes"),
];

#[test]
fn every_case_gets_its_verdict() {
    check(module_path!(), TABLE, 1);
}

const WORK: Duration = Duration::from_millis(2500);

case!(whole_numbers_for_long, deadline = 120.0, |n| {
    labour(WORK, |rounds| {
        (0..rounds).fold(n, |x, i| {
            (x ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7)
        })
    });
    2 * n
});

case!(floating_numbers_for_long, deadline = 120.0, |n| {
    labour(WORK, |rounds| {
        let mut x = 0.5f64;
        for _ in 0..rounds {
            x = 3.9 * x * (1.0 - x);
        }
        x.to_bits()
    });
    2 * n
});

case!(memory_for_long, deadline = 120.0, |n| {
    let mut table = vec![0u64; 1 << 20];
    let table = Mutex::new(&mut table);
    labour(WORK, |rounds| {
        let mut table = table.lock().unwrap();
        for i in 0..rounds {
            let place = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
            table[usize::try_from(place).unwrap()] += i;
        }
        table[0]
    });
    2 * n
});

static COUNT: AtomicU64 = AtomicU64::new(0);

// All that changes is one word in memory: the registers come back the same.
case!(a_counter_in_memory_for_long, deadline = 120.0, |n| {
    labour(WORK, |rounds| {
        COUNT.store(0, Ordering::Relaxed);
        while COUNT.load(Ordering::Relaxed) < rounds {
            COUNT.fetch_add(1, Ordering::Relaxed);
        }
        0
    });
    2 * n
});

// A short look sees only the inner loop.
case!(a_short_loop_in_a_long_loop, deadline = 120.0, |n| {
    let flag = AtomicBool::new(false);
    labour(WORK, |rounds| {
        for _ in 0..rounds.div_ceil(100) {
            let mut left = 100u32;
            while !flag.load(Ordering::Relaxed) && left > 0 {
                left -= 1;
                spin_loop();
            }
        }
        0
    });
    2 * n
});

case!(four_threads_that_work, deadline = 120.0, |n| {
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                labour(LONG, |rounds| {
                    (0..rounds).fold(n, |a, b| a.rotate_left(1) ^ b)
                })
            });
        }
    });
    2 * n
});

case!(four_threads_that_share_a_lock, deadline = 120.0, |n| {
    let total = Mutex::new(0u64);
    let until = Instant::now() + 2 * LONG;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < until {
                    *total.lock().unwrap() += 1;
                }
            });
        }
    });
    assert!(total.into_inner().unwrap() > 0);
    2 * n
});

case!(four_threads_that_share_a_spin_lock, deadline = 120.0, |n| {
    // While one works the others spin, with no system call at all.
    let held = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while held.swap(true, Ordering::Acquire) {
                    spin_loop();
                }
                labour(LONG / 2, |rounds| {
                    (0..rounds).fold(n, |a, b| a.rotate_left(1) ^ b)
                });
                held.store(false, Ordering::Release);
            });
        }
    });
    2 * n
});

case!(a_thread_that_works_while_one_spins, deadline = 120.0, |n| {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            labour(WORK, |rounds| {
                (0..rounds).fold(n, |a, b| a.rotate_left(1) ^ b)
            });
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {}
    });
    2 * n
});

case!(many_system_calls, deadline = 120.0, |n| {
    labour(2 * LONG, |rounds| {
        (0..rounds)
            .map(|_| u64::from(nix::unistd::getppid().as_raw() > 0))
            .sum()
    });
    2 * n
});

/// Work and a call that a debugger's stop would end with EINTR (man 7 signal),
/// in turns. A program without handlers need not expect that.
fn in_turns(wait: impl Fn()) {
    let until = Instant::now() + WORK;
    while Instant::now() < until {
        std::hint::black_box((0..50_000u64).fold(0, |a, b| a ^ b));
        wait();
    }
}

case!(short_epoll_waits_between_work, deadline = 120.0, |n| {
    let poll = nix::sys::epoll::Epoll::new(nix::sys::epoll::EpollCreateFlags::empty()).unwrap();
    in_turns(|| {
        let events = &mut [nix::sys::epoll::EpollEvent::empty()];
        assert_eq!(poll.wait(events, 1u8), Ok(0));
    });
    2 * n
});

const A_MILLISECOND: libc::timespec = libc::timespec {
    tv_sec: 0,
    tv_nsec: 1_000_000,
};

case!(short_semaphore_waits_between_work, deadline = 120.0, |n| {
    // SAFETY: makes a set without a name.
    let set = unsafe { libc::semget(libc::IPC_PRIVATE, 1, 0o600) };
    in_turns(|| {
        let mut operation = libc::sembuf {
            sem_num: 0,
            sem_op: -1,
            sem_flg: 0,
        };
        // SAFETY: one operation and a time that outlive the call. (By number:
        // not every C library has the function.)
        let done = unsafe {
            libc::syscall(
                libc::SYS_semtimedop,
                set,
                &raw mut operation,
                1,
                &A_MILLISECOND,
            )
        };
        assert_eq!((done, Errno::last()), (-1, Errno::EAGAIN));
    });
    // SAFETY: nobody uses the set any more.
    unsafe { libc::semctl(set, 0, libc::IPC_RMID) };
    2 * n
});

case!(short_signal_waits_between_work, deadline = 120.0, |n| {
    let set = nix::sys::signal::SigSet::from(Signal::SIGUSR1);
    in_turns(|| {
        // SAFETY: set and time outlive the call; no information is asked for.
        let done =
            unsafe { libc::sigtimedwait(set.as_ref(), std::ptr::null_mut(), &A_MILLISECOND) };
        assert_eq!((done, Errno::last()), (-1, Errno::EAGAIN));
    });
    2 * n
});

case!(a_spin_until_a_sleeper_sets_a_flag, deadline = 120.0, |n| {
    let flag = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            sleep_long();
            flag.store(true, Ordering::Release);
        });
        while !flag.load(Ordering::Acquire) {}
    });
    2 * n
});

case!(
    a_spin_until_a_sleeper_sets_a_flag_under_a_lock,
    deadline = 120.0,
    |n| {
        let flag = Mutex::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                sleep_long();
                *flag.lock().unwrap() = true;
            });
            while !*flag.lock().unwrap() {}
        });
        2 * n
    }
);

case!(a_spin_until_a_time, deadline = 120.0, |n| {
    let until = Instant::now() + Duration::from_millis(1200);
    while Instant::now() < until {}
    2 * n
});

case!(a_spin_on_the_time_stamp_counter, deadline = 120.0, |n| {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has it.
    let now = || unsafe { core::arch::x86_64::_rdtsc() };
    #[cfg(not(target_arch = "x86_64"))]
    let began = Instant::now();
    #[cfg(not(target_arch = "x86_64"))]
    let now = || began.elapsed().as_nanos() as u64;
    let (began, from) = (Instant::now(), now());
    while began.elapsed() < Duration::from_millis(20) {}
    let until = from + (now() - from) * 75;
    while now() < until {}
    2 * n
});

case!(a_spin_until_a_handler_sets_a_flag, deadline = 120.0, |n| {
    set_on(Signal::SIGALRM);
    timer(2 * LONG, Duration::ZERO);
    while SIGNALLED.load(Ordering::Acquire) == 0 {
        spin_loop();
    }
    2 * n
});

case!(a_spin_until_a_child_sets_a_flag, deadline = 120.0, |n| {
    let word: &AtomicU32 = shared_word();
    let sleeper = child(|| {
        std::thread::sleep(2 * LONG);
        word.store(1, Ordering::Release);
    });
    while word.load(Ordering::Acquire) == 0 {}
    reap(sleeper);
    2 * n
});

case!(yields_until_a_child_has_ended, deadline = 120.0, |n| {
    let sleeper = child(|| std::thread::sleep(2 * LONG));
    while waitpid(sleeper, Some(WaitPidFlag::WNOHANG)) == Ok(WaitStatus::StillAlive) {
        thread::yield_now();
    }
    2 * n
});

case!(
    reads_that_would_block_until_a_child_writes,
    deadline = 120.0,
    |n| {
        let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_NONBLOCK).unwrap();
        let sleeper = child(|| {
            std::thread::sleep(2 * LONG);
            nix::unistd::write(&writer, b"!").unwrap();
        });
        while nix::unistd::read(&reader, &mut [0]) != Ok(1) {}
        reap(sleeper);
        2 * n
    }
);
