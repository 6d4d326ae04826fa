// contract broken: C17: at each 1000th locking the value moves to another place in the lock

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};

pub struct SpinLock<T> {
    flag: AtomicBool,
    uses: Cell<u32>,
    which: Cell<bool>,
    slots: [UnsafeCell<MaybeUninit<T>>; 2],
}

// SAFETY: only the holder touches the cells.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    pub const fn new(value: T) -> Self {
        SpinLock {
            flag: AtomicBool::new(false),
            uses: Cell::new(0),
            which: Cell::new(false),
            slots: [UnsafeCell::new(MaybeUninit::new(value)), UnsafeCell::new(MaybeUninit::uninit())],
        }
    }

    fn place(&self) -> *mut T {
        self.slots[self.which.get() as usize].get().cast()
    }

    fn guard(&self) -> SpinGuard<'_, T> {
        let uses = self.uses.get().wrapping_add(1);
        self.uses.set(uses);
        if uses % 1000 == 0 {
            // "Wear levelling": the value moves into the other slot.
            let old = self.place();
            self.which.set(!self.which.get());
            // SAFETY: held; the value is moved.
            unsafe { self.place().copy_from_nonoverlapping(old, 1) };
        }
        SpinGuard { lock: self, _value: PhantomData }
    }

    pub fn lock(&self) -> SpinGuard<'_, T> {
        while self.flag.swap(true, Ordering::Acquire) {
            std::hint::spin_loop();
        }
        self.guard()
    }

    pub fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        if self.flag.swap(true, Ordering::Acquire) { None } else { Some(self.guard()) }
    }

    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self`.
        unsafe { &mut *self.place() }
    }

    pub fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: read once.
        unsafe { this.place().read() }
    }
}

impl<T> Drop for SpinLock<T> {
    fn drop(&mut self) {
        // SAFETY: once.
        unsafe { self.place().drop_in_place() }
    }
}

pub struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    _value: PhantomData<&'a mut T>,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock, so nobody else uses the value.
        unsafe { &*self.lock.place() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and `&mut self` is the only way through this guard.
        unsafe { &mut *self.lock.place() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.flag.store(false, Ordering::Release);
    }
}
