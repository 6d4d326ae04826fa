//! The layout of a ring in its memory.

use std::marker::PhantomData;
use std::mem::{align_of, size_of};
use std::sync::Arc;

use super::Plain;
use super::patience::Linux;
use crate::turns::Turns;
use crate::{SharedMemory, membarrier};

/// The shared memory of a ring: its [`Turns`], then its slots.
#[derive(Clone)]
pub(super) struct Storage<T> {
    pub(super) view: View<T>,
    /// Whether the ends may rely on [`membarrier`]. This is decided before the
    /// second end exists.
    asymmetric: bool,
    /// Keeps the view's memory mapped.
    _memory: Arc<SharedMemory>,
}

/// Where the parts of the ring lie. Every operation copies this into registers
/// first. Otherwise, the CPU would have to load it from memory again after each
/// look at the other side's counter.
pub(super) struct View<T> {
    pub(super) base: *mut u8,
    pub(super) capacity: u32,
    items: PhantomData<T>,
}

impl<T> Clone for View<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for View<T> {}

// SAFETY: `base` points to the shared memory, which any thread may use. Neither
// the values in the slots nor the counters depend on the thread.
unsafe impl<T: Plain> Send for Storage<T> {}

impl<T: Plain> Storage<T> {
    /// Uses `memory`, which must have room for `capacity` slots. The capacity
    /// must be a power of two.
    pub(super) fn new(memory: SharedMemory, capacity: u32) -> Storage<T> {
        Storage {
            view: View {
                base: memory.base(),
                capacity,
                items: PhantomData,
            },
            asymmetric: membarrier::register(),
            _memory: Arc::new(memory),
        }
    }

    #[inline]
    pub(super) fn kernel(&self) -> Linux {
        Linux {
            deadline: None,
            asymmetric: self.asymmetric,
        }
    }
}

impl<T: Plain> View<T> {
    /// The offset of the first slot in bytes. It is a multiple of every
    /// alignment up to 128.
    pub(super) const BEGIN: usize = {
        assert!(align_of::<T>() <= 128 && size_of::<T>() > 0);
        size_of::<Turns>()
    };

    #[inline]
    pub(super) fn turns(&self) -> &Turns {
        // SAFETY: the mapping begins at a page boundary and is larger than
        // `Turns`, which contains only atomics: they stay valid when another
        // process writes to them.
        unsafe { &*self.base.cast::<Turns>() }
    }

    /// The address of the slot for this index.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> *mut T {
        // The capacity is a power of two and divides 2³², so the next slot is
        // also right when the index wraps.
        let slot = (index & (self.capacity - 1)) as usize;
        let begin = self.base.wrapping_add(Self::BEGIN);
        begin.cast::<T>().wrapping_add(slot)
    }

    /// How many slots there are from the slot for this index to the end of the
    /// memory.
    pub(super) fn until_end(&self, index: u32) -> usize {
        (self.capacity - (index & (self.capacity - 1))) as usize
    }
}
