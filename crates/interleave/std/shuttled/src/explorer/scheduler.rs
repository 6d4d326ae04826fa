//! Shuttle's questions, which the campaign answers.

use std::cell::RefCell;
use std::rc::Rc;

use interleave_model::kernel::{NOBODY, Run};
use shuttle_engine::scheduler::{Schedule, Task, TaskId};

use super::campaign::Campaign;

/// Unwinds shuttle's own frames out of an execution in which a thread is unwinding.
struct Stop;

/// Shuttle's scheduler: asks the campaign.
pub(super) struct Scheduler {
    run: Rc<Run>,
    campaign: Rc<RefCell<Campaign>>,
}

impl Scheduler {
    pub(super) fn new(run: Rc<Run>, campaign: Rc<RefCell<Campaign>>) -> Self {
        Self { run, campaign }
    }
}

impl shuttle_engine::scheduler::Scheduler for Scheduler {
    fn new_execution(&mut self) -> Option<Schedule> {
        let mut campaign = self.campaign.borrow_mut();
        if campaign.executing {
            campaign.executing = false;
            self.run.current.set(NOBODY);
            if !campaign.end_execution(&self.run) {
                return None;
            }
        }
        campaign.executing = true;
        campaign.begin();
        self.run.begin();
        Some(Schedule::new(0))
    }

    fn next_task(&mut self, _: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        let mut state = self.run.state.borrow_mut();
        if state.threads.is_empty() {
            return Some(TaskId::from(0));
        }
        let chosen = if state.stopping {
            None
        } else {
            self.campaign.borrow_mut().choose(&mut state)
        };
        if chosen.is_none() {
            state.stopping = true;
            if std::thread::panicking() {
                // Shuttle would let the unwinding thread run on. If the execution fails instead,
                // shuttle abandons all threads.
                drop(state);
                std::panic::resume_unwind(Box::new(Stop));
            }
        }
        chosen.map(TaskId::from)
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}

/// Runs one execution with one thread, so that shuttle can set itself up.
pub(super) struct Once {
    done: bool,
}

impl Once {
    pub(super) fn new() -> Self {
        Self { done: false }
    }
}

impl shuttle_engine::scheduler::Scheduler for Once {
    fn new_execution(&mut self) -> Option<Schedule> {
        let first = !std::mem::replace(&mut self.done, true);
        first.then(|| Schedule::new(0))
    }

    fn next_task(&mut self, tasks: &[&Task], _: Option<TaskId>, _: bool) -> Option<TaskId> {
        tasks.first().map(|task| task.id())
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}
