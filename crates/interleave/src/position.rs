//! Positions: runs that stand in the middle, as [`records::position`] describes them.

use std::path::Path;

use interleave_model::kernel::{
    Run, State, failure::short_place, object::Kind, thread::Status, thread::letter,
};
use interleave_shuttled::explorer::{Counted, Found, Plan, Then};
pub use records::position::{Below, End, Object, POSITION, Position, Request, Thread, ThreadState};
use records::schedule;

use crate::exploration::{kind, place};
use crate::source::Sources;
use crate::timeline::{name, operation, timeline};

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

fn plan(request: &Request, prefix: Vec<u8>, then: Then) -> Plan {
    Plan {
        scenario: request.scenario.clone(),
        prefix,
        then,
    }
}

/// What `thread` would do next. To find out, it runs one step further.
fn next_of(thread: usize, found: &Found, explore: impl Fn(Vec<u8>) -> Found) -> Option<String> {
    if std::thread::panicking() {
        return None;
    }
    let until_now = found.run.state.borrow().log.len();
    let mut prefix = found.schedule.clone();
    prefix.push(u8::try_from(thread).ok()?);
    let further = explore(prefix);
    let state = further.run.state.borrow();
    let mut events = state.log.iter().skip(until_now);
    events
        .find(|event| event.thread == thread)
        .map(|event| operation(&state, event))
}

/// Runs what is needed with `explore`.
pub(crate) fn find(request: &Request, explore: impl Fn(Plan) -> Found) -> Result<Position, String> {
    let prefix = match request.schedule.as_str() {
        "" => Vec::new(),
        steps => schedule::read(steps)?,
    };
    let run_on = request.run_on;
    let found = explore(plan(request, prefix, Then::Stand { run_on }));
    if found.is_other {
        return Err(found.not_judged.unwrap_or_default());
    }
    let mut position = position_of(&found);
    if request.count == 0 {
        return Ok(position);
    }
    for &thread in found.standing.iter().flatten() {
        position.threads[thread].next = next_of(thread, &found, |prefix| {
            explore(plan(request, prefix, Then::Stand { run_on: false }))
        });
    }
    // After a run that was given up while it unwound, this thread cannot run another one.
    if found.standing.is_some() && !std::thread::panicking() {
        let counted = explore(plan(request, found.schedule.clone(), Then::Count)).counted;
        position.below = Some(below(counted));
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

fn position_of(found: &Found) -> Position {
    let state = found.run.state.borrow();
    let end = end(found, &state);
    let failed = matches!(end, Some(End::Failed { .. }));
    let able = found.standing.as_deref().unwrap_or_default();
    let mut sources = Sources::default();
    let threads = (0..state.threads.len())
        .map(|number| thread_of(number, &state, able, &mut sources))
        .collect();
    let objects = (0..state.objects.len())
        .filter_map(|id| object_of(id, &found.run, &state))
        .collect();
    let decided = found.decided.max(1).min(found.schedule.len());
    Position {
        schedule: schedule::write(&found.schedule),
        replay: schedule::write_named(state.named, &found.schedule[..decided]),
        threads,
        objects,
        timeline: timeline(&state, failed),
        end,
        below: None,
    }
}

fn end(found: &Found, state: &State) -> Option<End> {
    match (&found.failure, &found.not_judged) {
        (Some((failure, _)), _) => Some(End::Failed {
            kind: kind(failure.kind),
            message: failure.message.clone(),
            at: failure.at.clone().map(place),
        }),
        (None, Some(reason)) => Some(End::NotJudged(reason.clone())),
        (None, None) if found.standing.is_some() => None,
        (None, None) if state.cut => Some(End::NotJudged(format!(
            "this run has taken {} steps, which is more than the explorer follows",
            state.steps
        ))),
        (None, None) => Some(End::Held),
    }
}

fn thread_of(number: usize, state: &State, able: &[usize], sources: &mut Sources) -> Thread {
    let thread = &state.threads[number];
    Thread {
        name: name(state, number),
        can_run: able.contains(&number),
        state: match thread.status {
            Status::Ready if thread.spinning => ThreadState::Spins,
            Status::Ready => ThreadState::Ready,
            Status::Blocked(_) => ThreadState::Waits,
            Status::Timed(..) => ThreadState::WaitsForTime,
            Status::Finished => ThreadState::Ended,
        },
        waits_for: state.waits_for(number),
        place: short_place(thread.at),
        source: sources.line(thread.at.file(), thread.at.line()),
        next: None,
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
        Kind::AtomicBool | Kind::AtomicInt(..) | Kind::AtomicPtr => {
            object.kind.show(run.engine.peek(number))
        }
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
        schedules: counted.schedules,
        failing: counted.failing,
        complete: counted.complete,
    }
}
