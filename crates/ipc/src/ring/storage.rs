//! Where the parts of a ring lie in its memory.

use super::Plain;
use super::patience::Linux;
use crate::turns::Turns;
use crate::{SharedMemory, membarrier};
use std::marker::PhantomData;
use std::mem::{align_of, size_of};
use std::sync::Arc;

/// The shared memory of a ring: its [`Turns`], then its slots.
#[derive(Clone)]
pub(super) struct Storage<T> {
    pub(super) view: View<T>,
    /// Whether the ends may rely on [`membarrier`]; settled before there are two.
    asymmetric: bool,
    /// Keeps the view's memory mapped.
    _memory: Arc<SharedMemory>,
}

/// Where everything lies. Every value needs it, so it is copied into registers
/// first: after each look at the other side's counter, what lies in memory would
/// have to be loaded again.
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

// SAFETY: `base` is the memory's, which may be used by any thread; what lies in
// the slots, and whose turn it is there, does not depend on threads.
unsafe impl<T: Plain> Send for Storage<T> {}

impl<T: Plain> Storage<T> {
    /// Of a memory with room for so many slots, a power of two.
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
    /// Where the slots begin: a multiple of every alignment up to 128.
    pub(super) const BEGIN: usize = {
        assert!(align_of::<T>() <= 128 && size_of::<T>() > 0);
        size_of::<Turns>()
    };

    #[inline]
    pub(super) fn turns(&self) -> &Turns {
        // SAFETY: the mapping begins on a page and is larger than `Turns`,
        // which is atomics only: whoever writes to them, they stay valid.
        unsafe { &*self.base.cast::<Turns>() }
    }

    /// The slot of an index.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> *mut T {
        // A power of two divides 2³², so indices wrap without a seam.
        let slot = (index & (self.capacity - 1)) as usize;
        let begin = self.base.wrapping_add(Self::BEGIN);
        begin.cast::<T>().wrapping_add(slot)
    }

    /// How many slots lie from this one to the end of the memory.
    pub(super) fn until_end(&self, index: u32) -> usize {
        (self.capacity - (index & (self.capacity - 1))) as usize
    }
}
