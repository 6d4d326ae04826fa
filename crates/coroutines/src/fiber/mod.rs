//! A fiber from scratch: a function that can stop in the middle and go on later.
//!
//! A fiber has a stack of its own. [`Fiber::resume`] moves the processor onto
//! that stack until the body calls [`Suspender::suspend`], which moves it back.
//! Both carry a value. The kernel knows nothing of it: to it, all of this is
//! one thread.
//!
//! ```
//! use coroutines::fiber::{Fiber, Step};
//!
//! let mut adder = Fiber::new(|fiber, first: i32| {
//!     let second = fiber.suspend("one more, please");
//!     first + second
//! })?;
//!
//! assert_eq!(adder.resume(40), Step::Yield("one more, please"));
//! assert_eq!(adder.resume(2), Step::Return(42));
//! # Ok::<(), coroutines::fiber::StackError>(())
//! ```
//!
//! How it works, from the ground up: `arch` switches between two stacks
//! (assembly, a page for each processor), `stack` makes and keeps the memory,
//! and this module makes it safe: values, panics, and destructors.
//!
//! ```text
//!   the top of a fiber's stack
//!  ┌───────────────────────────────────────────────┐
//!  │ Root: the link, where the resumer waits,      │  made by Fiber::on
//!  │       and the body that is to run             │
//!  ├───────────────────────────────────────────────┤
//!  │ frame of `entry`, which catches every panic   │
//!  │ frame of the body                             │
//!  │ frame of whatever the body calls …            │
//!  │ what `suspend` has pushed                     │◀── kept in the Fiber
//!  └───────────────────────────────────────────────┘
//! ```

mod arch;
mod root;
mod stack;

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::resume_unwind;
use std::ptr::NonNull;

use arch::{Link, StackPointer, Word};
use root::{ForcedUnwind, Root};
pub use stack::{DEFAULT_STACK_SIZE, MIN_STACK_SIZE, Stack, StackError, StackPool};

/// A function on a stack of its own, which is given values of `Input`, yields
/// values of `Yield` on its way, and ends with a `Return`.
///
/// It stays on the thread that made it (it is not `Send`): what lives on its
/// stack may belong to that thread. All that it is given or gives is `'static`,
/// since a fiber that is forgotten ([`std::mem::forget`]) never runs the
/// destructors on its stack, such as the end of a [`std::thread::scope`], and
/// what they protect must not go away.
///
/// ```compile_fail,E0277
/// # use coroutines::fiber::Fiber;
/// let mut fiber = Fiber::<(), (), ()>::new(|_, ()| ()).unwrap();
/// std::thread::spawn(move || fiber.resume(())); // it cannot be sent
/// ```
///
/// # Dropping
///
/// A fiber that is dropped before its end is unwound: its `suspend` ends in a
/// panic of a special kind that no hook prints, so the destructors of all that
/// lives on its stack run. A body that catches this panic and suspends again is
/// unwound again. A body that suspends in a *destructor* while it is unwound
/// aborts the process, as every panic in such a place does.
pub struct Fiber<Input: 'static, Yield: 'static, Return: 'static> {
    /// At the top of the stack.
    link: NonNull<Link>,
    /// Where the body goes on; null when it has come to its end.
    body: StackPointer,
    /// Freed after the body has come to its end, or never.
    stack: ManuallyDrop<Stack>,
    crossing: PhantomData<fn(Input) -> (Yield, Return)>,
}

/// What a fiber gave when it was resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<Yield, Return> {
    /// It is suspended; it can be resumed.
    Yield(Yield),
    /// It has come to its end.
    Return(Return),
}

/// A fiber that has come to its end was to be resumed; here is what it was to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished<Input>(pub Input);

impl<Input, Yield, Return> Fiber<Input, Yield, Return> {
    /// A fiber on a new stack of [`DEFAULT_STACK_SIZE`]. Nothing of `body` runs
    /// yet: it gets the first `resume`'s value as its second argument.
    ///
    /// # Errors
    ///
    /// As [`Stack::new`], and as [`on`](Self::on).
    pub fn new<F>(body: F) -> Result<Self, StackError>
    where
        F: FnOnce(&Suspender<Input, Yield>, Input) -> Return + 'static,
    {
        Self::on(Stack::new(DEFAULT_STACK_SIZE)?, body)
    }

    /// A fiber on a stack that is already there, such as one of a [`StackPool`].
    ///
    /// # Errors
    ///
    /// [`StackError::TooSmall`] if `body` itself, which lies at the top of the
    /// stack, leaves less than three quarters of [`MIN_STACK_SIZE`].
    pub fn on<F>(stack: Stack, body: F) -> Result<Self, StackError>
    where
        F: FnOnce(&Suspender<Input, Yield>, Input) -> Return + 'static,
    {
        let (link, body) = Root::place(&stack, body)?;
        Ok(Self {
            link,
            body,
            stack: ManuallyDrop::new(stack),
            crossing: PhantomData,
        })
    }

    /// Runs the body until it suspends or ends.
    ///
    /// # Panics
    ///
    /// With the body's own panic if it panics: the fiber is then at its end,
    /// and its stack is unwound. And if it had come to its end before; see
    /// [`try_resume`](Self::try_resume).
    #[inline]
    pub fn resume(&mut self, input: Input) -> Step<Yield, Return> {
        match self.try_resume(input) {
            Ok(step) => step,
            Err(Finished(_)) => panic!("a fiber was resumed after its end: ask is_done() first"),
        }
    }

    /// Runs the body until it suspends or ends.
    ///
    /// # Errors
    ///
    /// [`Finished`], with the input, if it had come to its end before.
    ///
    /// # Panics
    ///
    /// With the body's own panic, as [`resume`](Self::resume).
    #[inline]
    pub fn try_resume(&mut self, input: Input) -> Result<Step<Yield, Return>, Finished<Input>> {
        if self.is_done() {
            return Err(Finished(input));
        }
        let mut input = ManuallyDrop::new(input);
        // SAFETY: the input is ours, and is not used here again.
        match unsafe { self.switch(root::give(&mut input)) } {
            Ok(step) => Ok(step),
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Whether the body has come to its end, by returning or by a panic.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.body.is_null()
    }

    /// Runs the body until it suspends, returns or panics.
    ///
    /// # Safety
    ///
    /// The word is from [`root::give`] of an `Input`, which has no other owner
    /// then, or null: unwind your stack. The fiber is not done.
    #[inline(always)]
    unsafe fn switch(&mut self, word: Word) -> Result<Step<Yield, Return>, Panic> {
        // SAFETY: not done, so the body waits, on its stack that is still
        // there: `&mut self` means that nobody else resumes it, and it does not
        // run itself, else this call could not be made through the borrow of
        // its resumer. It is on this thread, as it is not Send.
        let (body, step) = unsafe { root::switch(self.link, self.body, word) };
        self.body = body;
        step
    }
}

/// What a panic carries.
type Panic = Box<dyn Any + Send>;

impl<Input, Yield, Return> Drop for Fiber<Input, Yield, Return> {
    fn drop(&mut self) {
        let mut panic = None;
        // More than once only if the body catches the unwinding and suspends again.
        while !self.is_done() {
            // SAFETY: no input, and not done.
            panic = unsafe { self.switch(std::ptr::null_mut()) }.err();
        }
        // SAFETY: the body is at its end: nothing lives on the stack any more.
        // Not used again, as this is the destructor.
        unsafe { ManuallyDrop::drop(&mut self.stack) };
        // A destructor on the stack may have panicked by itself. That is told,
        // unless a panic is being told already.
        if let Some(payload) = panic
            && !payload.is::<ForcedUnwind>()
            && !std::thread::panicking()
        {
            resume_unwind(payload);
        }
    }
}

impl<Input, Yield, Return> fmt::Debug for Fiber<Input, Yield, Return> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fiber")
            .field("done", &self.is_done())
            .field("stack_size", &self.stack.size())
            .finish_non_exhaustive()
    }
}

impl<Input> fmt::Display for Finished<Input> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the fiber has come to its end: it cannot be resumed")
    }
}

impl<Input: fmt::Debug> std::error::Error for Finished<Input> {}

/// The body's way back to whoever resumed it.
///
/// It lives on the fiber's stack and cannot leave it, nor the thread.
pub struct Suspender<Input, Yield> {
    link: NonNull<Link>,
    crossing: PhantomData<fn(Yield) -> Input>,
}

impl<Input, Yield> Suspender<Input, Yield> {
    /// Gives `value` to whoever resumed the fiber, and stops here until the
    /// fiber is resumed again: returns what it is then given.
    ///
    /// It does not return if the fiber is dropped meanwhile: the stack is
    /// unwound from here, as by a panic. Do not call it in a destructor that may
    /// run during a panic: the count of panics is the thread's, not the fiber's,
    /// so the resumer would be taken to be panicking.
    // Inlined for the processor's prediction of returns, see `arch`.
    #[inline(always)]
    pub fn suspend(&self, value: Yield) -> Input {
        // SAFETY: a Suspender is reachable from its fiber's stack only, and so
        // this is called while the fiber runs. Its types are the fiber's.
        match unsafe { root::suspend(self.link, value) } {
            Some(input) => input,
            None => resume_unwind(Box::new(ForcedUnwind)),
        }
    }
}

impl<Input, Yield> fmt::Debug for Suspender<Input, Yield> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suspender").finish_non_exhaustive()
    }
}
