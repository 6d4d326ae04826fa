//! A fiber from scratch: a function that can pause midway and continue later.
//!
//! A fiber has a stack of its own. [`Fiber::resume`] moves the processor to
//! that stack until the fiber's body calls [`Suspender::suspend`], which moves
//! it back. Each of the two passes a value to the other side. The kernel does
//! not notice: to the kernel, all of this is one thread.
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
//! These are the parts, from the bottom up. `arch` switches between two stacks,
//! with a page of assembly for each processor. `stack` makes and keeps the
//! memory. `root` passes values and panics between two stacks. This module
//! makes all of it safe, including panics and destructors.
//!
//! ```text
//!   the top of a fiber's stack
//!  ┌───────────────────────────────────────────────┐
//!  │ Root: the link, where the resumer waits,      │  made by Fiber::on
//!  │       and the body that is to run             │
//!  ├───────────────────────────────────────────────┤
//!  │ frame of `entry`, which catches every panic   │
//!  │ frame of the body                             │
//!  │ frames of what the body calls …               │
//!  │ what `suspend` has pushed                     │◀── the Fiber points here
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

/// A function on a stack of its own. It receives values of type `Input`, yields
/// values of type `Yield`, and ends with a value of type `Return`.
///
/// A fiber stays on the thread that made it (it is not `Send`), because what
/// lives on its stack may belong to that thread. All values that it receives or
/// gives are `'static`. The reason is that a fiber can be forgotten
/// ([`std::mem::forget`]). Then the destructors on its stack never run, and
/// neither does the end of a [`std::thread::scope`] there. So a fiber must not
/// borrow what these protect.
///
/// ```compile_fail,E0277
/// # use coroutines::fiber::Fiber;
/// let mut fiber = Fiber::<(), (), ()>::new(|_, ()| ()).unwrap();
/// std::thread::spawn(move || fiber.resume(())); // it cannot be sent
/// ```
///
/// # Dropping
///
/// Dropping a fiber before its end unwinds its stack. The `suspend` in which
/// the fiber waits ends in a special panic, which no panic hook prints, and so
/// the destructors of everything on the stack run. If the body catches this
/// panic and suspends again, it is unwound again. If the body suspends in a
/// *destructor* during the unwinding, the process aborts, as with every panic
/// in such a place.
pub struct Fiber<Input: 'static, Yield: 'static, Return: 'static> {
    /// Lies at the top of the stack.
    link: NonNull<Link>,
    /// Where the body continues; null when the body has ended.
    body: StackPointer,
    /// Freed after the body has ended, or never if the fiber is forgotten.
    stack: ManuallyDrop<Stack>,
    crossing: PhantomData<fn(Input) -> (Yield, Return)>,
}

/// What a fiber gives back when it is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<Yield, Return> {
    /// The fiber has suspended itself with this value; it can be resumed.
    Yield(Yield),
    /// The body has returned this value; the fiber has ended.
    Return(Return),
}

/// The fiber could not be resumed, because it has ended. This holds the input
/// that it was to receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished<Input>(pub Input);

impl<Input, Yield, Return> Fiber<Input, Yield, Return> {
    /// Makes a fiber on a new stack of [`DEFAULT_STACK_SIZE`] bytes. Nothing of
    /// `body` runs yet. Its second argument will be the value of the first
    /// `resume`.
    ///
    /// # Errors
    ///
    /// The errors of [`Stack::new`] and of [`on`](Self::on).
    pub fn new<F>(body: F) -> Result<Self, StackError>
    where
        F: FnOnce(&Suspender<Input, Yield>, Input) -> Return + 'static,
    {
        Self::on(Stack::new(DEFAULT_STACK_SIZE)?, body)
    }

    /// Makes a fiber on an existing stack, such as one from a [`StackPool`].
    ///
    /// # Errors
    ///
    /// [`StackError::TooSmall`] if `body` itself, which lies at the top of the
    /// stack, leaves less than three quarters of [`MIN_STACK_SIZE`] below it.
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
    /// Panics with the body's panic if the body panics. Then the fiber has
    /// ended, and its stack has been unwound. Also panics if the fiber had
    /// ended before this call; [`try_resume`](Self::try_resume) returns an
    /// error instead.
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
    /// [`Finished`], with the input, if the fiber had ended before this call.
    ///
    /// # Panics
    ///
    /// Panics with the body's panic if the body panics.
    #[inline]
    pub fn try_resume(&mut self, input: Input) -> Result<Step<Yield, Return>, Finished<Input>> {
        if self.is_done() {
            return Err(Finished(input));
        }
        let mut input = ManuallyDrop::new(input);
        // SAFETY: the fiber is not done. We own the input and use it only here.
        match unsafe { self.switch(root::give(&mut input)) } {
            Ok(step) => Ok(step),
            Err(payload) => resume_unwind(payload),
        }
    }

    /// Returns whether the body has ended, by returning or by a panic.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.body.is_null()
    }

    /// Runs the body until it suspends, returns or panics.
    ///
    /// # Safety
    ///
    /// `word` comes from [`root::give`] of an `Input` that has no other owner
    /// from then on, or it is null, which tells the fiber to unwind its stack.
    /// The fiber is not done.
    #[inline(always)]
    unsafe fn switch(&mut self, word: Word) -> Result<Step<Yield, Return>, Panic> {
        // SAFETY: the fiber is not done, so the body waits, and its stack still
        // exists. `&mut self` means that no other code resumes the fiber. The
        // fiber is not running either: its resumer would still borrow it then,
        // and this call would be impossible. The fiber is not Send, so it is on
        // this thread.
        let (body, step) = unsafe { root::switch(self.link, self.body, word) };
        self.body = body;
        step
    }
}

/// The payload of a panic.
type Panic = Box<dyn Any + Send>;

impl<Input, Yield, Return> Drop for Fiber<Input, Yield, Return> {
    fn drop(&mut self) {
        let mut panic = None;
        // This repeats only if the body catches the panic and suspends again.
        while !self.is_done() {
            // SAFETY: the word is null, and the fiber is not done.
            panic = unsafe { self.switch(std::ptr::null_mut()) }.err();
        }
        // SAFETY: the body has ended, so nothing lives on the stack any more.
        // The field is not used again, because this is the destructor.
        unsafe { ManuallyDrop::drop(&mut self.stack) };
        // A destructor on the fiber's stack may have panicked by itself. We
        // pass that panic on, unless this thread is panicking already.
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
        f.write_str("the fiber has ended: it cannot be resumed again")
    }
}

impl<Input: fmt::Debug> std::error::Error for Finished<Input> {}

/// The body's handle for switching back to its resumer.
///
/// It lives on the fiber's stack, and can leave neither that stack nor the thread.
pub struct Suspender<Input, Yield> {
    link: NonNull<Link>,
    crossing: PhantomData<fn(Yield) -> Input>,
}

impl<Input, Yield> Suspender<Input, Yield> {
    /// Gives `value` to the resumer and waits here until the fiber is resumed
    /// again. Returns the input of that resume.
    ///
    /// If the fiber is dropped meanwhile, this call does not return: the stack
    /// is unwound from here, as by a panic. Do not call it in a destructor that
    /// may run during a panic. Rust counts panics per thread and not per fiber,
    /// so the resumer would then count as panicking.
    // Inlined so that the processor predicts the returns correctly; see `arch`.
    #[inline(always)]
    pub fn suspend(&self, value: Yield) -> Input {
        // SAFETY: a Suspender can be reached only from its fiber's stack, so
        // the fiber is running now. Its types are the fiber's types.
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
