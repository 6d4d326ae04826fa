//! What lies at the top of a fiber's stack, and how values cross.
//!
//! A value crosses where it is: the word that goes over with the switch is its
//! address, on the stack of the side that gives it. That side stands still, so
//! the other side moves the value out from there.
//!
//! ```text
//!   to the fiber      the address of an Input     no address: unwind
//!   to the resumer    the address of a Yield      after the last switch: that
//!                                                 of how the body has ended
//! ```

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

use super::arch::{self, Link, STACK_ALIGNMENT, StackPointer, Word};
use super::{MIN_STACK_SIZE, Panic, Stack, StackError, Step, Suspender};

/// What must be left of a stack below its root, in bytes.
const ROOM_FOR_FRAMES: usize = MIN_STACK_SIZE / 4 * 3;

/// What a panic carries that unwinds a dropped fiber.
pub(super) struct ForcedUnwind;

/// The first things on the stack; the link's address is also the root's.
#[repr(C)]
pub(super) struct Root<F, Input, Yield> {
    link: Link,
    /// Taken when the stack is first entered.
    body: ManuallyDrop<F>,
    crossing: PhantomData<fn(Input) -> Yield>,
}

impl<F, Input, Yield, Return> Root<F, Input, Yield>
where
    F: FnOnce(&Suspender<Input, Yield>, Input) -> Return + 'static,
{
    /// Puts a root at the top of `stack` and makes the stack ready to run
    /// `body`: the link, and where the fiber waits to begin.
    pub(super) fn place(
        stack: &Stack,
        body: F,
    ) -> Result<(NonNull<Link>, StackPointer), StackError> {
        let alignment = align_of::<Self>().max(STACK_ALIGNMENT);
        // Aligning the address downwards costs at most the alignment.
        let taken = size_of::<Self>().saturating_add(alignment);
        let least = taken.saturating_add(ROOM_FOR_FRAMES);
        let size = stack.size();
        if size < least {
            return Err(StackError::TooSmall { size, least });
        }
        let unaligned = stack.top().wrapping_byte_sub(size_of::<Self>());
        let root = unaligned.map_addr(|address| address & !(alignment - 1));
        // SAFETY: `root` is aligned, and it and the room below it lie within
        // the stack, which is borrowed and on which nothing runs.
        unsafe {
            let fiber = arch::prepare(root, Self::entry);
            let root = root.cast::<Self>();
            root.write(Self {
                link: ptr::null_mut(),
                body: ManuallyDrop::new(body),
                crossing: PhantomData,
            });
            Ok((NonNull::new_unchecked(root).cast(), fiber))
        }
    }

    /// The first frame on the stack: runs the body, catches its panic, tells how
    /// it ended, and leaves for good.
    ///
    /// # Safety
    ///
    /// Called once, by the first switch to the stack, with the link of a root
    /// of this very type, and a word that is null or of this input.
    unsafe extern "C" fn entry(link: *mut Link, word: Word) -> ! {
        let root: *mut Self = link.cast();
        let end = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the link is the first field of the root, which is above
            // this frame and so lives longer. The body is taken this once.
            let body = ManuallyDrop::into_inner(unsafe { (&raw const (*root).body).read() });
            if word.is_null() {
                // Dropped before it began: the body is dropped here, not run.
                resume_unwind(Box::new(ForcedUnwind));
            }
            // SAFETY: the resumer gives an Input, and stands still.
            let input = unsafe { receive(word) };
            let suspender = Suspender {
                // SAFETY: the address of a living object.
                link: unsafe { NonNull::new_unchecked(link) },
                crossing: PhantomData,
            };
            body(&suspender, input)
        }));
        let mut end: ManuallyDrop<Result<Return, Panic>> = ManuallyDrop::new(end);
        // SAFETY: the resumer waits where the link says. It moves the end out;
        // nothing else in this frame needs dropping.
        unsafe { arch::finish(link, give(&mut end)) }
    }
}

/// From the resumer's stack to the fiber's and back. Gives where the fiber waits
/// now, null if it has ended, and what it gave.
///
/// # Safety
///
/// `word` is null, which means: unwind, or from [`give`] of an Input of the
/// caller's, which has no other owner then. `link` is from [`Root::place`] with these types. `fiber` is from there, or
/// from the last switch to this fiber, and not null. Its stack is still there.
/// All is on this thread.
#[inline(always)]
pub(super) unsafe fn switch<Yield, Return>(
    link: NonNull<Link>,
    fiber: StackPointer,
    word: Word,
) -> (StackPointer, Result<Step<Yield, Return>, Panic>) {
    // SAFETY: the fiber waits. It gives a Yield in `suspend`, where it can be
    // entered again, and its end in `entry`, where it cannot.
    unsafe {
        let (fiber, word) = arch::enter(link.as_ptr(), fiber, word);
        let step = if fiber.is_null() {
            receive::<Result<Return, Panic>>(word).map(Step::Return)
        } else {
            Ok(Step::Yield(receive(word)))
        };
        (fiber, step)
    }
}

/// From the fiber's stack to its resumer's and back. No input means: unwind.
///
/// # Safety
///
/// Called on the fiber's own stack, or on one that was entered from it, with
/// the fiber's own types.
#[inline(always)]
pub(super) unsafe fn suspend<Input, Yield>(link: NonNull<Link>, value: Yield) -> Option<Input> {
    let mut value = ManuallyDrop::new(value);
    // SAFETY: the fiber runs. Its resumer gives an Input or nothing, in `switch`.
    unsafe {
        let word = arch::leave(link.as_ptr(), give(&mut value));
        (!word.is_null()).then(|| receive(word))
    }
}

/// The word for a value that the other side will move out.
#[inline(always)]
pub(super) fn give<T>(value: &mut ManuallyDrop<T>) -> Word {
    ptr::from_mut(value).cast()
}

/// Moves a value out of the other side's stack.
///
/// # Safety
///
/// The word is from [`give`] of a `T` on the side that was left just now, and
/// this is done once.
#[inline(always)]
unsafe fn receive<T>(word: Word) -> T {
    // SAFETY: the caller says so; the giver does not drop it.
    unsafe { word.cast::<T>().read() }
}
