//! Scenarios with names, so that a schedule can say to which scenario it belongs.

use super::{NOBODY, State, run};

/// Tells the kernel the name of the scenario. It must be the first call in a scenario; outside of
/// an exploration it does nothing.
///
/// If another scenario is wanted, the execution ends here: none of the code under test has run.
pub fn named(name: &'static str) {
    let Some(run) = run().filter(|run| run.current.get() != NOBODY) else {
        return;
    };
    let is_other = {
        let mut state = run.state.borrow_mut();
        // A scenario that is made of others has its own name.
        state.named.get_or_insert(name);
        let is_other = state.is_other();
        state.stopping |= is_other;
        is_other
    };
    if is_other {
        run.stop();
    }
}

impl State {
    /// Whether another scenario than this one is wanted.
    #[must_use]
    pub fn is_other(&self) -> bool {
        self.wanted.is_some() && self.wanted.as_deref() != self.named
    }
}
