//! The top of a fiber's stack, and how values pass from one stack to another.
//!
//! The word that crosses with a switch is the address of a value, on the stack
//! of the side that gives the value. That side does not run meanwhile, so the
//! other side can move the value out of that stack.
//!
//! ```text
//!   to the fiber      the address of an Input     or null: unwind the stack
//!   to the resumer    the address of a Yield      or, with the last switch, the
//!                                                 address of the body's result
//! ```

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

use super::arch::{self, Link, STACK_ALIGNMENT, StackPointer, Word};
use super::{MIN_STACK_SIZE, Panic, Stack, StackError, Step, Suspender};

/// The number of bytes that must be left on a stack below its root.
const ROOM_FOR_FRAMES: usize = MIN_STACK_SIZE / 4 * 3;

/// The payload of the panic that unwinds a dropped fiber.
pub(super) struct ForcedUnwind;

/// The first data on the stack. The address of the link is also the address of
/// the root.
#[repr(C)]
pub(super) struct Root<F, Input, Yield> {
    link: Link,
    /// Moved out when the stack is first entered.
    body: ManuallyDrop<F>,
    crossing: PhantomData<fn(Input) -> Yield>,
}

impl<F, Input, Yield, Return> Root<F, Input, Yield>
where
    F: FnOnce(&Suspender<Input, Yield>, Input) -> Return + 'static,
{
    /// Puts a root at the top of `stack` and makes the stack ready to run
    /// `body`. Returns the link and the stack pointer at which the fiber waits
    /// to begin.
    pub(super) fn place(
        stack: &Stack,
        body: F,
    ) -> Result<(NonNull<Link>, StackPointer), StackError> {
        let alignment = align_of::<Self>().max(STACK_ALIGNMENT);
        // Aligning the address downwards takes at most `alignment` bytes.
        let taken = size_of::<Self>().saturating_add(alignment);
        let least = taken.saturating_add(ROOM_FOR_FRAMES);
        let size = stack.size();
        if size < least {
            return Err(StackError::TooSmall { size, least });
        }
        let unaligned = stack.top().wrapping_byte_sub(size_of::<Self>());
        let root = unaligned.map_addr(|address| address & !(alignment - 1));
        // SAFETY: `root` is aligned. It and the room below it lie within the
        // stack, which we borrow and on which nothing runs.
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

    /// The first frame on the stack: runs the body, catches its panic, gives
    /// the result to the resumer, and leaves for good.
    ///
    /// # Safety
    ///
    /// Only the first switch to the stack calls this. `link` belongs to a root
    /// of exactly this type. `word` is null or comes from [`give`] of an
    /// `Input`.
    unsafe extern "C" fn entry(link: *mut Link, word: Word) -> ! {
        let root: *mut Self = link.cast();
        let end = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the link is the first field of the root, which lies above
            // this frame and so outlives it. The body is moved out only here.
            let body = ManuallyDrop::into_inner(unsafe { (&raw const (*root).body).read() });
            if word.is_null() {
                // The fiber was dropped before it began: we drop the body here
                // without running it.
                resume_unwind(Box::new(ForcedUnwind));
            }
            // SAFETY: the resumer gives an Input and does not run meanwhile.
            let input = unsafe { receive(word) };
            let suspender = Suspender {
                // SAFETY: this is the address of an object, so it is not null.
                link: unsafe { NonNull::new_unchecked(link) },
                crossing: PhantomData,
            };
            body(&suspender, input)
        }));
        let mut end: ManuallyDrop<Result<Return, Panic>> = ManuallyDrop::new(end);
        // SAFETY: the resumer waits at the stack pointer in the link. It moves
        // `end` out, and nothing else in this frame needs dropping.
        unsafe { arch::finish(link, give(&mut end)) }
    }
}

/// Switches from the resumer's stack to the fiber's and back. Returns the stack
/// pointer at which the fiber waits now (null if it has ended) and what it
/// gave.
///
/// # Safety
///
/// `word` is null, which tells the fiber to unwind, or it comes from [`give`]
/// of an `Input` that the caller owns and that has no other owner from then on.
/// `link` comes from [`Root::place`] with these types. `fiber` comes from there
/// or from the last switch to this fiber, and is not null. The fiber's stack
/// still exists. All of this happens on one thread.
#[inline(always)]
pub(super) unsafe fn switch<Yield, Return>(
    link: NonNull<Link>,
    fiber: StackPointer,
    word: Word,
) -> (StackPointer, Result<Step<Yield, Return>, Panic>) {
    // SAFETY: the fiber waits. It gives a Yield in `suspend`, where it can be
    // entered again, and its result in `entry`, where it cannot.
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

/// Switches from the fiber's stack to its resumer's and back. Returns `None` if
/// the fiber must unwind.
///
/// # Safety
///
/// The caller runs on the fiber's own stack, or on a stack that was entered
/// from it. `Input` and `Yield` are the fiber's own types.
#[inline(always)]
pub(super) unsafe fn suspend<Input, Yield>(link: NonNull<Link>, value: Yield) -> Option<Input> {
    let mut value = ManuallyDrop::new(value);
    // SAFETY: the fiber runs. Its resumer gives an Input or null, in `switch`.
    unsafe {
        let word = arch::leave(link.as_ptr(), give(&mut value));
        (!word.is_null()).then(|| receive(word))
    }
}

/// Returns the word for a value that the other side will move out.
#[inline(always)]
pub(super) fn give<T>(value: &mut ManuallyDrop<T>) -> Word {
    ptr::from_mut(value).cast()
}

/// Moves a value out of the other side's stack.
///
/// # Safety
///
/// `word` comes from [`give`] of a `T` on the side that the last switch left,
/// and it is received only once.
#[inline(always)]
unsafe fn receive<T>(word: Word) -> T {
    // SAFETY: the caller promises that a `T` is there. Its giver does not drop it.
    unsafe { word.cast::<T>().read() }
}
