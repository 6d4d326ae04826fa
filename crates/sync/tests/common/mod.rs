//! What the tests share: threads that are known to be asleep, without sleeping to find out.
#![allow(dead_code, unreachable_pub)]

pub mod signals;

use std::sync::mpsc;
use std::thread::{self, Scope, ScopedJoinHandle};

/// A thread that is expected to fall asleep.
pub struct Sleeper<'scope, T> {
    thread: ScopedJoinHandle<'scope, T>,
    tid: libc::pid_t,
}

impl<'scope, T: Send + 'scope> Sleeper<'scope, T> {
    /// Runs `f` in a thread of its own, which falls asleep in it; returns when it has.
    pub fn spawn<'env>(
        scope: &'scope Scope<'scope, 'env>,
        f: impl FnOnce() -> T + Send + 'scope,
    ) -> Self {
        let (send, receive) = mpsc::channel();
        let thread = scope.spawn(move || {
            // SAFETY: no arguments, no memory.
            send.send(unsafe { libc::gettid() }).unwrap();
            f()
        });
        let sleeper = Self {
            thread,
            tid: receive.recv().unwrap(),
        };
        sleeper.until_asleep();
        sleeper
    }

    /// Returns when the kernel says that the thread sleeps (proc_pid_stat(5), field 3).
    pub fn until_asleep(&self) {
        loop {
            let stat = std::fs::read_to_string(format!("/proc/self/task/{}/stat", self.tid))
                .expect("it ended instead of falling asleep");
            if stat[stat.rfind(')').unwrap()..].starts_with(") S") {
                return;
            }
            thread::yield_now();
        }
    }

    /// Its number, for tgkill(2).
    pub fn tid(&self) -> libc::pid_t {
        self.tid
    }

    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// What it returned.
    pub fn join(self) -> T {
        self.thread.join().unwrap()
    }
}

/// Whether a type implements a trait, as a constant: a method of the type itself goes before one of
/// a trait, and it is there only if the bound holds.
#[macro_export]
macro_rules! implements {
    ($type:ty: $trait:path) => {{
        struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code)]
        trait Otherwise {
            const YES: bool = false;
        }
        impl<T: ?Sized> Otherwise for Probe<T> {}
        #[allow(dead_code)]
        impl<T: ?Sized + $trait> Probe<T> {
            const YES: bool = true;
        }
        Probe::<$type>::YES
    }};
}
