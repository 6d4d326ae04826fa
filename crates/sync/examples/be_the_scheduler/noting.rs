//! A lock and a condition variable like those of std, which note the value behind the lock. So the
//! figure can show it: the explorer knows only who holds a lock.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use interleave::std::sync;

/// The value when the lock was last released. No thread of a level sees it.
static NOTED: AtomicU32 = AtomicU32::new(0);

pub(crate) fn noted() -> u32 {
    NOTED.load(Relaxed)
}

pub(crate) struct Mutex(sync::Mutex<u32>);

impl Mutex {
    pub(crate) fn new(value: u32) -> Self {
        NOTED.store(value, Relaxed);
        Self(sync::Mutex::new(value))
    }

    #[track_caller]
    pub(crate) fn lock(&self) -> Result<Guard<'_>, &'static str> {
        match self.0.lock() {
            Ok(guard) => Ok(Guard(Some(guard))),
            Err(_) => Err("a thread has panicked while it held the lock"),
        }
    }
}

pub(crate) struct Guard<'a>(Option<sync::MutexGuard<'a, u32>>);

impl Deref for Guard<'_> {
    type Target = u32;
    fn deref(&self) -> &u32 {
        self.0.as_deref().expect("it is there until it is dropped")
    }
}

impl DerefMut for Guard<'_> {
    fn deref_mut(&mut self) -> &mut u32 {
        let guard = self.0.as_deref_mut();
        guard.expect("it is there until it is dropped")
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(guard) = &self.0 {
            NOTED.store(**guard, Relaxed);
        }
    }
}

pub(crate) struct Condvar(sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(sync::Condvar::new())
    }

    #[track_caller]
    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    #[track_caller]
    pub(crate) fn wait<'a>(&self, mut guard: Guard<'a>) -> Result<Guard<'a>, &'static str> {
        let inner = guard.0.take().ok_or("it is there until it is dropped")?;
        NOTED.store(*inner, Relaxed);
        match self.0.wait(inner) {
            Ok(guard) => Ok(Guard(Some(guard))),
            Err(_) => Err("a thread has panicked while it held the lock"),
        }
    }
}
