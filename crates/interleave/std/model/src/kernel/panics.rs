//! Panics of modelled threads: a hook notes them and prints nothing, and the exploration reports
//! them in one line.

use std::panic::{Location, PanicHookInfo};
use std::sync::Once;

use super::{
    NOBODY, Run, State,
    failure::{At, FailureKind},
    object::Kind,
    thread::{PanicNote, Status, Thread, letter},
};

/// Puts our hook in front of the present hook. Our hook notes panics of modelled threads and prints
/// nothing; it passes all other panics to the hook that was there.
pub fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let theirs = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !note(info) {
                theirs(info);
            }
        }));
    });
}

fn note(info: &PanicHookInfo<'_>) -> bool {
    let Some(run) = super::run() else {
        return false;
    };
    let me = run.current.get();
    if me == NOBODY {
        return false;
    }
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    let at = info.location().map(|location| At {
        file: location.file().to_owned(),
        line: location.line(),
        column: location.column(),
    });
    if let Ok(mut state) = run.state.try_borrow_mut()
        && let Some(thread) = state.threads.get_mut(me)
    {
        thread.panic = Some(PanicNote { message, at });
        thread.unwinding = true;
    }
    true
}

/// A panic in the scenario's file is a failed assertion; any other panic belongs to the code under
/// test.
pub(super) fn kind(state: &State, note: &PanicNote) -> FailureKind {
    if note.at.as_ref().is_some_and(|at| at.file == state.scenario) {
        FailureKind::Assertion
    } else {
        FailureKind::Panic
    }
}

impl Run {
    /// Whether the current modelled thread is unwinding. `std::thread::panicking` cannot tell: all
    /// modelled threads share one operating-system thread.
    #[must_use]
    pub fn panicking(&self) -> bool {
        let me = self.me();
        let mut state = self.state.borrow_mut();
        if !std::thread::panicking() {
            for thread in &mut state.threads {
                thread.unwinding = false;
            }
            return false;
        }
        if state.threads.iter().all(|thread| !thread.unwinding)
            && let Some(thread) = state.threads.get_mut(me)
        {
            // `resume_unwind` does not call the hook.
            thread.unwinding = true;
        }
        state.threads.get(me).is_some_and(|thread| thread.unwinding)
    }

    /// The current thread has caught a panic.
    pub(crate) fn caught(&self) {
        let me = self.me();
        if let Some(thread) = self.state.borrow_mut().threads.get_mut(me) {
            thread.unwinding = false;
        }
    }

    /// The current thread's body has caught the panic that ended it.
    pub(crate) fn ended_by_panic(&self) {
        let me = self.me();
        let mut state = self.state.borrow_mut();
        if let Some(thread) = state.threads.get_mut(me) {
            thread.unwinding = false;
            thread.unobserved_panic = true;
        }
    }

    /// Makes the first thread known, which will run the scenario.
    #[track_caller]
    pub(super) fn begin_main(&self) {
        let here = Location::caller();
        let object = self.register(Kind::Thread, here, &crate::thread::WORDS);
        let main = Thread::new(object, Some("main".to_owned()), here);
        self.state.borrow_mut().threads.push(main);
    }

    /// Runs the scenario as the first thread of the execution.
    pub(super) fn run_scenario(&self, scenario: &(dyn Fn() + Send + Sync)) {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scenario));
        if result.is_err() {
            self.scenario_panicked();
        }
        crate::thread::destroy_locals();
        self.end_thread();
        self.state.borrow_mut().scenario_ended = true;
    }

    /// The current thread has ended.
    pub(crate) fn end_thread(&self) {
        self.loop_is_over();
        let me = self.me();
        self.state.borrow_mut().threads[me].status = Status::Finished;
    }

    /// The scenario itself panicked: that ends the exploration.
    fn scenario_panicked(&self) -> ! {
        let state = self.state.borrow();
        let own = state.threads.first().and_then(|main| main.panic.clone());
        let own = own.unwrap_or(PanicNote {
            message: "a panic without a message".to_owned(),
            at: None,
        });
        // `join().unwrap()` on a thread that panicked, or a scope that re-raises: the first panic
        // is the cause.
        let is_echo = own.message.contains("a scoped thread panicked")
            || (own.message.contains("on an `Err` value: Any"));
        let cause = state
            .threads
            .iter()
            .enumerate()
            .skip(1)
            .filter_map(|(number, thread)| Some((number, thread.panic.clone()?)))
            .find(|_| is_echo);
        let (message, note) = match cause {
            Some((number, note)) => (
                format!("thread {} panicked: {}", letter(number), note.message),
                note,
            ),
            None => (own.message.clone(), own),
        };
        let kind = kind(&state, &note);
        drop(state);
        self.fail(kind, message, note.at)
    }

    /// At the very end of an execution: if an assertion of the scenario failed in a thread that no
    /// thread joined, that is still a failure. (A panic of the code under test there is silent, as
    /// in std.)
    pub fn end_of_execution(&self) -> Option<super::failure::Failure> {
        let state = self.state.borrow();
        state
            .threads
            .iter()
            .enumerate()
            .find_map(|(number, thread)| {
                let note = thread.panic.as_ref().filter(|_| thread.unobserved_panic)?;
                (kind(&state, note) == FailureKind::Assertion).then(|| super::failure::Failure {
                    kind: FailureKind::Assertion,
                    message: format!("thread {} panicked: {}", letter(number), note.message),
                    at: note.at.clone(),
                })
            })
    }
}
