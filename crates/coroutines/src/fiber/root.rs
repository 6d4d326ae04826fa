//! What lies at the top of a fiber's stack, and how values cross over it.
//!
//! ```text
//!   Root      = Exchange + the body          known to Fiber::on and `entry`
//!   Exchange  = Crossing + how it ended      known to Fiber
//!   Crossing  = link, input, yielded value   known to Suspender
//! ```
//!
//! Each begins with the next (`repr(C)`), so that one address is all four: the
//! link's address is what the switch hands from stack to stack.
//!
//! The side that runs owns all of it. The switch is the hand-over: before it,
//! one side writes what the other will read after it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::abort;
use std::ptr::NonNull;

use super::arch::{self, STACK_ALIGNMENT, StackPointer};
use super::{MIN_STACK_SIZE, Panic, Stack, StackError, Step, Suspender};

/// What must be left of a stack below its root, in bytes.
const ROOM_FOR_FRAMES: usize = MIN_STACK_SIZE / 4 * 3;

/// What a panic carries that unwinds a dropped fiber.
pub(super) struct ForcedUnwind;

#[repr(C)]
pub(super) struct Crossing<Input, Yield> {
    link: StackPointer,
    /// From the resumer to the fiber; none if the fiber is to unwind.
    input: Option<Input>,
    /// From the fiber to the resumer; none if the fiber has ended.
    yielded: Option<Yield>,
}

#[repr(C)]
pub(super) struct Exchange<Input, Yield, Return> {
    crossing: Crossing<Input, Yield>,
    /// What the body returned, or what it panicked with.
    end: Option<Result<Return, Panic>>,
}

#[repr(C)]
pub(super) struct Root<F, Input, Yield, Return> {
    exchange: Exchange<Input, Yield, Return>,
    body: Option<F>,
}

impl<F, Input, Yield, Return> Root<F, Input, Yield, Return>
where
    F: FnOnce(&Suspender<Input, Yield>, Input) -> Return + 'static,
{
    /// Puts a root at the top of `stack` and makes the stack ready to run `body`.
    pub(super) fn place(
        stack: &Stack,
        body: F,
    ) -> Result<NonNull<Exchange<Input, Yield, Return>>, StackError> {
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
            let root = root.cast::<Self>();
            root.write(Self {
                exchange: Exchange {
                    crossing: Crossing {
                        link: arch::prepare(root.cast(), Self::entry),
                        input: None,
                        yielded: None,
                    },
                    end: None,
                },
                body: Some(body),
            });
            Ok(NonNull::new_unchecked(root).cast())
        }
    }

    /// The first frame on the stack: runs the body, catches its panic, tells how
    /// it ended, and leaves for good.
    ///
    /// # Safety
    ///
    /// Called once, by the first switch to the stack, with the link of a root
    /// of this very type.
    unsafe extern "C" fn entry(link: *mut StackPointer) -> ! {
        // SAFETY: the link is the first field of the root, which lies above
        // this frame and so lives longer.
        let root: *mut Self = link.cast();
        let end = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: this side runs, so it may use the root; no reference to
            // it lives on over a switch.
            let (body, input) =
                unsafe { ((*root).body.take(), take_input::<Input, Yield>(root.cast())) };
            match (body, input) {
                (Some(body), Some(input)) => {
                    // SAFETY: see above; an address within a live object is not null.
                    let crossing = unsafe { NonNull::new_unchecked(root) }.cast();
                    body(&Suspender { crossing }, input)
                }
                // Dropped before it began: the body is dropped here, not run.
                _ => std::panic::resume_unwind(Box::new(ForcedUnwind)),
            }
        }));
        // SAFETY: as above. Nothing that needs dropping is left in this frame,
        // as the stack may be freed or given to another fiber from now on.
        unsafe {
            (&raw mut (*root).exchange.end).write(Some(end));
            (&raw mut (*root).exchange.crossing.yielded).write(None);
            arch::leave(link);
        }
        // Nobody enters a fiber that has ended.
        abort()
    }
}

impl<Input, Yield, Return> Exchange<Input, Yield, Return> {
    /// From the resumer's stack to the fiber's and back. No input means: unwind.
    ///
    /// # Safety
    ///
    /// `this` is from [`Root::place`], its stack is still there, the fiber has
    /// not ended and waits to be entered, on this thread.
    #[inline(always)]
    pub(super) unsafe fn switch(
        this: NonNull<Self>,
        input: Option<Input>,
    ) -> Result<Step<Yield, Return>, Panic> {
        let this = this.as_ptr();
        // SAFETY: the fiber waits, so this side owns the exchange, before the
        // switch and after it. What is overwritten was moved out by the other
        // side. The link is what `prepare` or the last `leave` put there.
        unsafe {
            (&raw mut (*this).crossing.input).write(input);
            arch::enter(this.cast());
            if let Some(value) = (&raw const (*this).crossing.yielded).read() {
                return Ok(Step::Yield(value));
            }
            match (*this).end.take() {
                Some(Ok(value)) => Ok(Step::Return(value)),
                Some(Err(panic)) => Err(panic),
                // Neither suspended nor ended: `entry` and `suspend` do one of them.
                None => abort(),
            }
        }
    }
}

impl<Input, Yield> Crossing<Input, Yield> {
    /// From the fiber's stack to its resumer's and back. No input means: unwind.
    ///
    /// # Safety
    ///
    /// Called on the fiber's own stack, or on one that was entered from it.
    #[inline(always)]
    pub(super) unsafe fn suspend(this: NonNull<Self>, value: Yield) -> Option<Input> {
        let this = this.as_ptr();
        // SAFETY: the fiber runs, so this side owns the crossing, before the
        // switch and after it. The old value was moved out by the resumer.
        unsafe {
            (&raw mut (*this).yielded).write(Some(value));
            arch::leave(this.cast());
            take_input(this)
        }
    }
}

/// Moves the input out; the resumer writes a new one before it enters again.
///
/// # Safety
///
/// The caller's side runs, and takes it once for each time that it was entered.
#[inline(always)]
unsafe fn take_input<Input, Yield>(this: *mut Crossing<Input, Yield>) -> Option<Input> {
    // SAFETY: the caller says so.
    unsafe { (&raw const (*this).input).read() }
}
