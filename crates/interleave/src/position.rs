//! Positions: runs that stand in the middle, as [`records::position`] describes them.

use std::path::Path;

use interleave_model::kernel::running::{Ended, Guide};
use interleave_model::kernel::{
    Run, State, failure::short_place, object::Kind, thread::Status, thread::letter,
};
use interleave_search::{Op, Step};
pub use records::position::{
    Below, End, Object, POSITION, Position, Request, Thread, ThreadState, Way,
};
use records::schedule;

use crate::campaign::{Campaign, Counted, of_another};
use crate::exploration::{kind, place};
use crate::source::Sources;
use crate::timeline::{name, operation, timeline, told};

/// Why an exploration that was asked for a position has no verdict.
pub(crate) const TOLD: &str = "this run answered a request for a position, so it has no verdict";

/// Reads a request.
///
/// # Errors
/// With a sentence, if the text is not a request.
pub fn read(text: &str) -> Result<Request, String> {
    serde_json::from_str(text)
        .map_err(|error| format!("the request in {POSITION} cannot be read: {error}"))
}

/// Stands still after the planned steps, or where there is something to choose.
#[derive(Clone)]
struct Stand {
    run_on: bool,
}

impl Guide for Stand {
    fn goes_on(&mut self, run: &Run, next: &[(usize, Op)]) -> bool {
        if run.search.borrow().is_planned() {
            return true;
        }
        // That a thread ends is no choice, and there is nothing to see.
        let ends = next.iter().find(|(thread, _)| run.only_ends(*thread));
        if let Some((thread, _)) = ends {
            run.search.borrow_mut().decide(Step {
                thread: *thread,
                ..Step::default()
            });
            return true;
        }
        let ways = ways(run, next);
        match &ways[..] {
            // The run is over.
            [] => true,
            [only] if self.run_on => {
                run.search.borrow_mut().decide(*only);
                true
            }
            _ => false,
        }
    }
}

/// All steps that are possible now.
fn ways(run: &Run, next: &[(usize, Op)]) -> Vec<Step> {
    let able = next
        .iter()
        .filter(|(thread, op)| run.can_go_on(*thread, *op) || has_other_ways(run, *thread, *op));
    able.flat_map(|(thread, op)| {
        let steps = run.search.borrow_mut().options(*thread, *op);
        steps.into_iter().map(|(step, _)| step)
    })
    .collect()
}

/// Whether a thread that cannot go on with the newest value can with an older one, or for no reason.
fn has_other_ways(run: &Run, thread: usize, op: Op) -> bool {
    run.search.borrow().must_wait(op) && !run.search.borrow_mut().options(thread, op).is_empty()
}

/// Where a run stands.
struct Standing {
    position: Position,
    /// The steps that are possible.
    ways: Vec<Step>,
    steps: Vec<Step>,
    graph: interleave_search::Graph,
    /// How many events the log had.
    logged: usize,
    is_other: Option<String>,
}

fn stand(campaign: &Campaign, steps: &[Step], run_on: bool) -> Standing {
    campaign.by_hand(steps, Stand { run_on }, |run, ended| {
        let next: Vec<(usize, Op)> = {
            let state = run.state.borrow();
            let threads = state.threads.iter().enumerate();
            threads
                .filter_map(|(number, thread)| Some((number, thread.is_about_to()?)))
                .collect()
        };
        let ways = match ended {
            Ended::Standing => ways(run, &next),
            _ => Vec::new(),
        };
        let is_other = (*ended == Ended::Other).then(|| of_another(&run.state.borrow()));
        let search = run.search.borrow();
        Standing {
            position: position_of(run, ended, &ways),
            ways,
            steps: search.steps().to_vec(),
            graph: search.graph().clone(),
            logged: run.state.borrow().log.len(),
            is_other,
        }
    })
}

/// What a step does: it runs the execution one step further.
fn in_words(campaign: &Campaign, before: &Standing, step: Step, is_only: bool) -> String {
    let mut steps = before.steps.clone();
    steps.push(step);
    campaign.by_hand(&steps, Stand { run_on: false }, |run, _| {
        let state = run.state.borrow();
        let mut events = state.log.iter().skip(before.logged);
        let event = events.find(|event| event.thread == step.thread);
        match event {
            Some(event) if is_only => operation(&state, event),
            Some(event) => told(&state, event),
            None => String::new(),
        }
    })
}

/// Runs what is needed.
pub(crate) fn find(request: &Request, campaign: &Campaign) -> Result<Position, String> {
    let steps = match request.schedule.as_str() {
        "" => Vec::new(),
        steps => interleave_search::schedule::read(steps)?,
    };
    let standing = stand(campaign, &steps, request.run_on);
    if let Some(reason) = standing.is_other {
        return Err(reason);
    }
    let mut position = standing.position.clone();
    if request.count == 0 {
        return Ok(position);
    }
    for step in &standing.ways {
        let thread = &mut position.threads[step.thread];
        let words = in_words(campaign, &standing, *step, thread.ways.len() == 1);
        let mut ways = thread.ways.iter_mut();
        let text = interleave_search::schedule::write(&[*step]);
        if let Some(way) = ways.find(|way| way.step == text)
            && way.words.is_empty()
        {
            way.words = words;
        }
    }
    if !standing.ways.is_empty() {
        position.below = Some(below(campaign.count(&standing.graph)));
    }
    Ok(position)
}

/// Writes the answer: all of it, or nothing.
pub(crate) fn write(position: &Position, path: &Path) -> Result<(), String> {
    let partial = path.with_extension("partial");
    serde_json::to_vec(position)
        .map_err(std::io::Error::from)
        .and_then(|answer| std::fs::write(&partial, answer))
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))
}

fn position_of(run: &Run, ended: &Ended, ways: &[Step]) -> Position {
    let state = run.state.borrow();
    let end = end(ended, &state);
    let failed = matches!(end, Some(End::Failed { .. }));
    let mut sources = Sources::default();
    let threads = (0..state.threads.len())
        .map(|number| thread_of(number, run, &state, ways, &mut sources))
        .collect();
    let objects = (0..state.objects.len())
        .filter_map(|id| object_of(id, run, &state))
        .collect();
    let search = run.search.borrow();
    let steps = search.steps();
    let decided = search.decided().max(1).min(steps.len());
    let write = interleave_search::schedule::write;
    Position {
        replay: schedule::named(state.named, &write(&steps[..decided])),
        schedule: write(steps),
        threads,
        objects,
        timeline: timeline(&state, failed),
        end,
        below: None,
    }
}

fn end(ended: &Ended, state: &State) -> Option<End> {
    match ended {
        Ended::Failed => {
            let failure = state.failure.as_ref()?;
            Some(End::Failed {
                kind: kind(failure.kind),
                message: failure.message.clone(),
                at: failure.at.clone().map(place),
            })
        }
        Ended::NotJudged(reason) => Some(End::NotJudged(reason.clone())),
        Ended::Cut => Some(End::NotJudged(format!(
            "this run has taken {} steps, which is more than the explorer follows",
            state.steps
        ))),
        Ended::Held => Some(End::Held),
        // A thread waits that only a time limit could wake, and its time is up no more often.
        Ended::Repeated => Some(End::Held),
        Ended::Standing | Ended::Other | Ended::Again => None,
    }
}

fn thread_of(
    number: usize,
    run: &Run,
    state: &State,
    ways: &[Step],
    sources: &mut Sources,
) -> Thread {
    let thread = &state.threads[number];
    let words = |step: &Step| thread.ways[step.choice.min(1)].to_owned();
    let ways: Vec<Way> = ways
        .iter()
        .filter(|step| step.thread == number)
        .map(|step| Way {
            step: interleave_search::schedule::write(&[*step]),
            words: words(step),
        })
        .collect();
    let waits = thread.is_about_to().is_some_and(|op| {
        let search = run.search.borrow();
        search.must_wait(op) || run.is_held(state, &search, number)
    });
    Thread {
        name: name(state, number),
        state: match thread.status {
            Status::Finished => ThreadState::Ended,
            _ if waits && thread.spins() => ThreadState::Spins,
            _ if waits && thread.is_timed => ThreadState::WaitsForTime,
            _ if waits => ThreadState::Waits,
            _ => ThreadState::Ready,
        },
        waits_for: if waits { state.waits_for(number) } else { None },
        place: short_place(thread.at),
        source: sources.line(thread.at.file(), thread.at.line()),
        ways,
    }
}

/// `None` if it has nothing to show.
fn object_of(id: usize, run: &Run, state: &State) -> Option<Object> {
    let object = &state.objects[id];
    let number = u32::try_from(id).ok()?;
    let letters = |threads: &[usize]| {
        let letters: Vec<_> = threads.iter().map(|thread| letter(*thread)).collect();
        letters.join(", ")
    };
    let value = match object.kind {
        Kind::AtomicBool | Kind::AtomicInt(..) | Kind::AtomicPtr => object
            .kind
            .show(run.search.borrow().newest_value(object.word)),
        Kind::Mutex | Kind::RwLock => match object.owner {
            Some(owner) => format!("held by {}", letter(owner)),
            None if !object.readers.is_empty() => {
                format!("read by {}", letters(&object.readers))
            }
            None => "free".to_owned(),
        },
        Kind::Payload if !object.inside.is_empty() => {
            let inside: Vec<_> = object.inside.iter().map(|(thread, ..)| *thread).collect();
            format!("in use by {}", letters(&inside))
        }
        _ => return None,
    };
    Some(Object {
        name: state.object_name(number),
        made: short_place(object.made),
        value,
    })
}

fn below(counted: Counted) -> Below {
    Below {
        executions: counted.executions,
        failing: counted.failing,
        complete: counted.complete,
    }
}
