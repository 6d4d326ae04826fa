//! `Tracked`: a payload that checks its accesses instead of preventing them.

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::kernel::{
    self, Place, Run,
    event::Returned,
    failure::{FailureKind, short_place},
    object::{self, Header, Kind, ObjectId},
    thread::letter,
};

/// A value to be protected by the code under test.
///
/// All threads may reach it through `&self`, like a plain variable in C. If two threads access it,
/// one of them writes, and neither access happens before the other in the sense of the memory model,
/// the exploration fails.
///
/// `Drop` is not checked: the last `Arc` orders that access when it drops its value, but the model
/// does not see that.
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
            drop(Access::begin(&tracked, "new", true, Location::caller()));
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
        drop(access);
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
        drop(access);
        result
    }

    /// Takes the value out. That is an access too, because the code under test may have moved the
    /// payload here from another thread.
    #[track_caller]
    pub fn into_inner(self) -> T {
        drop(Access::begin(&self, "take", true, Location::caller()));
        self.value.into_inner()
    }

    fn enter(&self) -> (Rc<Run>, ObjectId) {
        let run = kernel::must_run(Kind::Payload);
        let id = self.header.id(&run, Kind::Payload, || []);
        (run, id)
    }
}

/// An access that has begun. It ends when this is dropped.
struct Access {
    run: Rc<Run>,
    id: ObjectId,
    writes: bool,
    at: Place,
}

impl Access {
    fn begin<T>(of: &Tracked<T>, verb: &'static str, writes: bool, at: Place) -> Self {
        let (run, id) = of.enter();
        run.loop_is_over();
        run.check(id, verb, writes, at);
        let me = run.me();
        {
            let mut state = run.state.borrow_mut();
            if at.file() != state.scenario {
                state.points += 1;
            }
            state.objects[id as usize].inside.push((me, writes, at));
        }
        if writes {
            run.acted();
        }
        Self {
            run,
            id,
            writes,
            at,
        }
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        let thread = self.run.me();
        let end = self.run.search.borrow().now(thread);
        let mut state = self.run.state.borrow_mut();
        let Some(object) = state.objects.get_mut(self.id as usize) else {
            return;
        };
        if let Some(mine) = object
            .inside
            .iter()
            .rposition(|(theirs, ..)| *theirs == thread)
        {
            object.inside.swap_remove(mine);
        }
        object.accesses.push(object::Access {
            thread,
            writes: self.writes,
            at: self.at,
            end,
        });
    }
}

impl Run {
    /// Checks an access that begins against all others.
    fn check(&self, id: ObjectId, verb: &'static str, writes: bool, at: Place) {
        let me = self.me();
        let mut event = self.event(id, verb, "", at);
        let state = self.state.borrow();
        let object = &state.objects[id as usize];
        let inside = object
            .inside
            .iter()
            .find(|(thread, theirs, _)| *thread != me && (writes || *theirs))
            .copied();
        let search = self.search.borrow();
        let unordered = object.accesses.iter().rev().find(|access| {
            access.thread != me && (writes || access.writes) && !search.is_ordered(access.end, me)
        });
        // Where nothing makes one access wait for the other, both can be under way at once.
        let at_once = unordered.filter(|access| !search.is_after(access.end, me));
        let at_once = at_once.map(|access| (access.thread, access.writes, access.at));
        let message = match (inside.or(at_once), unordered) {
            (Some((thread, theirs, place)), _) => format!(
                "data race on the payload: two threads were inside at once\n  thread {} {} at {}\n  thread {} {} at {}",
                letter(thread),
                doing(theirs),
                short_place(place),
                letter(me),
                doing(writes),
                short_place(at),
            ),
            (None, Some(earlier)) => format!(
                "data race on the payload: thread {} {} at {}, thread {} {} at {}, and neither access happens before the other",
                letter(earlier.thread),
                done(earlier.writes),
                short_place(earlier.at),
                letter(me),
                done(writes),
                short_place(at),
            ),
            (None, None) => {
                drop((search, state));
                self.log(event);
                return;
            }
        };
        drop((search, state));
        event.returned = Returned::Word("collides");
        self.log(event);
        self.fail(FailureKind::Race, message, Some(at.into()));
    }
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
