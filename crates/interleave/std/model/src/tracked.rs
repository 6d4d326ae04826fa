//! `Tracked`: a payload that checks its accesses instead of preventing them.

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use crate::kernel::{
    self, Place, Run,
    engine::{Collision, ObjectId, Seed},
    event::{Event, Returned, Step},
    failure::{FailureKind, short_place},
    object::{Header, Kind},
    thread::letter,
};

/// A value to be protected by the code under test.
///
/// All threads may reach it through `&self`, like a plain variable in C. Each access has a
/// beginning and an end, with a scheduling point before each of them. If another thread begins an
/// access in between, and one of the two accesses writes, two threads are inside at once, and the
/// exploration fails. In the orderings world an access must also happen after every earlier one
/// that collides with it, in the sense of the memory model.
///
/// `Drop` is not checked: the last `Arc` orders that access when it drops its value, but loom does
/// not see that.
pub struct Tracked<T> {
    header: Header,
    value: UnsafeCell<T>,
}

// SAFETY: the value moves between threads like any other.
unsafe impl<T: Send> Send for Tracked<T> {}
// SAFETY: only one modelled thread runs at a time, and no reference to the value outlives the
// closure that it is given to; if that closure reaches a scheduling point, an access by another
// thread fails the exploration before it touches the value.
unsafe impl<T: Send> Sync for Tracked<T> {}

impl<T> Tracked<T> {
    /// A payload. Making it counts as an access that writes: every other access must happen after
    /// it.
    #[track_caller]
    pub fn new(value: T) -> Self {
        let tracked = Self::constant(value);
        if kernel::run().is_some_and(|run| run.current.get() != kernel::NOBODY) {
            tracked.enter();
        }
        tracked
    }

    /// A payload for a `static`.
    #[track_caller]
    pub const fn constant(value: T) -> Self {
        Self {
            header: Header::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// Reads the value.
    #[track_caller]
    pub fn get(&self) -> T
    where
        T: Copy,
    {
        self.with(|value| *value)
    }

    /// Looks at the value.
    #[track_caller]
    pub fn with<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        let access = Access::begin(self, "read", false, Location::caller());
        // SAFETY: no other thread is inside to write (`begin` has checked that), and a writer that
        // arrives while `look` runs fails in its own `begin` before it reaches the value.
        let result = look(unsafe { &*self.value.get() });
        access.end();
        result
    }

    /// Replaces the value.
    #[track_caller]
    pub fn set(&self, new: T) {
        self.with_mut(|value| *value = new);
    }

    /// Replaces the value by what `change` makes of it: one access that writes.
    #[track_caller]
    pub fn update(&self, change: impl FnOnce(T) -> T)
    where
        T: Copy,
    {
        self.with_mut(|value| *value = change(*value));
    }

    /// Changes the value in place: one access that writes.
    #[track_caller]
    pub fn with_mut<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let access = Access::begin(self, "write", true, Location::caller());
        // SAFETY: no other thread is inside (`begin` has checked that), and a thread that arrives
        // while `change` runs fails in its own `begin` before it reaches the value.
        let result = change(unsafe { &mut *self.value.get() });
        access.end();
        result
    }

    /// Takes the value out. That is an access too, because the code under test may have moved the
    /// payload here from another thread.
    #[track_caller]
    pub fn into_inner(self) -> T {
        Access::begin(&self, "take", true, Location::caller()).end();
        self.value.into_inner()
    }

    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(Kind::Payload);
        let id = self.header.id(&run, Kind::Payload, || Seed::Cell);
        (run, id)
    }
}

/// An access that has begun. It ends with [`Self::end`], or without a scheduling point if the body
/// panics.
struct Access<'a, T> {
    of: &'a Tracked<T>,
    run: Rc<Run>,
    id: ObjectId,
    write: bool,
    at: Place,
}

impl<'a, T> Access<'a, T> {
    fn begin(of: &'a Tracked<T>, verb: &'static str, write: bool, at: Place) -> Self {
        let (run, id) = of.enter();
        run.point(step(id, write), id, Ordering::Relaxed, at);
        begin(&run, id, run.me(), verb, write, at);
        Self {
            of,
            run,
            id,
            write,
            at,
        }
    }

    fn end(self) {
        self.run.point(
            step(self.id, self.write),
            self.id,
            Ordering::Relaxed,
            self.at,
        );
    }
}

impl<T> Drop for Access<'_, T> {
    fn drop(&mut self) {
        let me = self.run.me();
        if self.of.header.known(&self.run) != Some(self.id) {
            return;
        }
        let mut state = self.run.state.borrow_mut();
        let inside = &mut state.objects[self.id as usize].inside;
        if let Some(mine) = inside.iter().position(|(thread, ..)| *thread == me) {
            inside.swap_remove(mine);
        }
        drop(state);
        if self.write {
            self.run.changed(self.id);
        }
    }
}

fn step(id: ObjectId, write: bool) -> Step {
    if write {
        Step::write(id)
    } else {
        Step::read(id)
    }
}

fn begin(run: &Run, id: ObjectId, me: usize, verb: &'static str, write: bool, at: Place) {
    let mut event = Event::new(me, verb, at);
    event.object = Some(id);
    let other = run.state.borrow().objects[id as usize]
        .inside
        .iter()
        .find(|(thread, theirs, _)| *thread != me && (write || *theirs))
        .copied();
    if let Some((thread, theirs, place)) = other {
        event.returned = Returned::Word("collides");
        run.log(event);
        let message = format!(
            "data race on the payload: two threads were inside at once\n  thread {} {} at {}\n  thread {} {} at {}",
            letter(thread),
            doing(theirs),
            short_place(place),
            letter(me),
            doing(write),
            short_place(at),
        );
        run.fail(FailureKind::Race, message, Some(at.into()));
    }
    if let Err(collision) = run.engine.cell(id, write) {
        event.returned = Returned::Word("collides");
        run.log(event);
        let with_write = collision == Collision::WithWrite;
        let state = run.state.borrow();
        let earlier = state.objects[id as usize]
            .accesses
            .iter()
            .rev()
            .find(|(thread, wrote, _)| *thread != me && *wrote == with_write)
            .copied();
        drop(state);
        let earlier = earlier.map_or_else(
            || "another thread made it".to_owned(),
            |(thread, wrote, place)| {
                format!(
                    "thread {} {} at {}",
                    letter(thread),
                    done(wrote),
                    short_place(place)
                )
            },
        );
        let message = format!(
            "data race on the payload: {earlier}, thread {} {} at {}, and neither access happens before the other",
            letter(me),
            done(write),
            short_place(at),
        );
        run.fail(FailureKind::Race, message, Some(at.into()));
    }
    run.log(event);
    let mut state = run.state.borrow_mut();
    let object = &mut state.objects[id as usize];
    object.inside.push((me, write, at));
    object.accesses.push((me, write, at));
}

fn doing(write: bool) -> &'static str {
    if write { "writes" } else { "reads" }
}

fn done(write: bool) -> &'static str {
    if write { "wrote" } else { "read" }
}

impl<T: Default> Default for Tracked<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Tracked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").finish_non_exhaustive()
    }
}
