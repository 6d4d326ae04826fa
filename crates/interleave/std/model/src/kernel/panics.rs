//! Panics of modelled threads: a hook notes them and prints nothing, and the exploration reports
//! them in one line.

use std::panic::PanicHookInfo;
use std::sync::{Mutex, Once, PoisonError};

use super::{
    NOBODY, Run, State,
    failure::{At, FailureKind},
    thread::{PanicNote, letter},
};

/// Puts our hook in front of the present hook. Our hook notes panics of modelled threads and prints
/// nothing; it passes all other panics to the hook that was there.
///
/// `before` runs first: a library that installs a hook of its own, once, does it there. Each such
/// library has its own `once`.
pub fn install_hook(once: &'static Once, before: impl FnOnce()) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    once.call_once(|| {
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = std::panic::take_hook();
        before();
        // The hooks that `before` left are dropped: what they print helps only their authors.
        drop(std::panic::take_hook());
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
        // This panic is the engine's own: loom ends its threads with a panic that it catches.
        return true;
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

    /// The current thread's body has caught the panic that ended it.
    pub(crate) fn ended_by_panic(&self) {
        let me = self.me();
        let mut state = self.state.borrow_mut();
        if let Some(thread) = state.threads.get_mut(me) {
            thread.unwinding = false;
            thread.unobserved_panic = true;
        }
    }

    /// Runs the scenario as the first thread of the execution.
    #[track_caller]
    pub fn run_scenario(&self, scenario: &(dyn Fn() + Send + Sync)) {
        self.begin_main();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scenario));
        if result.is_err() {
            self.scenario_panicked();
        }
        crate::thread::destroy_locals();
        self.state.borrow_mut().scenario_ended = true;
        self.end_thread();
        self.current.set(NOBODY);
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
