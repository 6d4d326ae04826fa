//! What surrounds the page: where the learner is, how the run goes, and which
//! keys there are.

use std::sync::Arc;

use judging::terminal::words;

use crate::live::content::Spot;
use crate::live::state::{Card, Page, Question, State};
use crate::show;
use crate::text::{Line, Look};

/// The words of each question.
const PROMPT: [(Question, &str); 2] = [
    (
        Question::Reset,
        "Replace your file with the stub? A backup is kept. y/n",
    ),
    (
        Question::GiveUp,
        "You have not passed yet; h shows a hint. Show the solution all the same? y/n",
    ),
];

/// The lines above the page.
pub(super) fn head(state: &State) -> Vec<Line> {
    let (columns, rows) = state.size;
    if rows < 4 {
        return Vec::new();
    }
    let mut lines = vec![title(state)];
    if rows >= 14 {
        lines.push(bar(&state.exercises, state.current, columns));
    }
    if rows >= 8
        && let Some(spot) = &state.content.spot
    {
        lines.push(edit(&where_to_look(state, spot), columns));
    }
    if rows >= 14 {
        lines.push(Line::of("─".repeat(columns), Look::Faint));
    }
    lines
}

/// The line to look at, if the learner's file exists.
pub fn place_to_edit(state: &State) -> Option<Spot> {
    let spot = state.content.spot.as_ref()?;
    Some(where_to_look(state, spot))
}

/// The line of the first failure in the learner's file, or else the place where
/// there is something to write.
fn where_to_look(state: &State, spot: &Spot) -> Spot {
    let failed = match &state.report {
        Some(Ok(report)) => report.records.iter().find_map(|record| {
            let place = record.at.as_ref()?;
            (place.file == spot.short).then_some(place.line as usize)
        }),
        _ => None,
    };
    // Or else the last line of the learner's file on the first failing schedule.
    let scheduled = || match &state.report {
        Some(Ok(report)) => {
            let timeline = report
                .records
                .iter()
                .find_map(|one| one.timeline.as_ref())?;
            timeline.steps.iter().rev().find_map(|step| {
                let (file, line) = step.place.rsplit_once(':')?;
                let is_own = spot.short.ends_with(&format!("/{file}"));
                is_own.then(|| line.parse().ok())?
            })
        }
        _ => None,
    };
    Spot {
        line: failed.or_else(scheduled).unwrap_or(spot.line),
        ..spot.clone()
    }
}

fn title(state: &State) -> Line {
    let card = state.card();
    let mut left = Line::of(&card.id, Look::Strong)
        .then(" · ", Look::Faint)
        .then(&card.title, Look::Plain);
    if card.passed && fails_now(state) {
        left = left.then(" · passed before, fails now", Look::Bad);
    }
    let done = state.exercises.iter().filter(|card| card.passed).count();
    let all = state.exercises.len();
    let right = match minutes_left(&state.exercises) {
        0 => format!("{done} of {all} passed"),
        left => format!("{done} of {all} passed · {left} min left"),
    };
    let short = format!("{done}/{all}");
    ends(left, &[&right, &short], state.size.0)
}

/// Whether the learner's file as it is now does not pass.
fn fails_now(state: &State) -> bool {
    match &state.report {
        Some(Ok(report)) => !state.is_old() && (report.failed() > 0 || report.uncompiled.is_some()),
        _ => false,
    }
}

/// A line with `left` at its beginning and the first of `rights` for which
/// there is room at its end.
fn ends(left: Line, rights: &[&str], columns: usize) -> Line {
    let used = left.width();
    let fits = |right: &&&str| used + 2 + crate::text::width(right) <= columns;
    let Some(right) = rights.iter().find(fits) else {
        let least = rights.last().map_or("", |right| *right);
        let room = columns.saturating_sub(crate::text::width(least) + 1);
        return left.clipped(room, 0).then(format!(" {least}"), Look::Faint);
    };
    let gap = columns - used - crate::text::width(right);
    left.then(" ".repeat(gap), Look::Plain)
        .then(right, Look::Faint)
}

/// How many minutes the exercises take that the learner has not passed.
pub fn minutes_left(cards: &[Card]) -> u32 {
    let open = cards.iter().filter(|card| !card.passed);
    open.map(|card| card.minutes).sum()
}

/// The topics, and how far the learner is in each.
pub fn bar(cards: &[Card], current: usize, columns: usize) -> Line {
    let mut topics: Vec<(&str, usize, usize, bool)> = Vec::new();
    for (index, card) in cards.iter().enumerate() {
        if topics.last().is_none_or(|(topic, ..)| *topic != card.topic) {
            topics.push((&card.topic, 0, 0, false));
        }
        if let Some((_, done, all, here)) = topics.last_mut() {
            *done += usize::from(card.passed);
            *all += 1;
            *here |= index == current;
        }
    }
    let drawn = |short: bool| {
        let mut line = Line::empty();
        for (topic, done, all, here) in &topics {
            let (mark, look) = match (done == all, here) {
                (true, _) => ("✓", Look::Good),
                (false, true) => ("▸", Look::Strong),
                (false, false) => ("·", Look::Faint),
            };
            let name: String = topic.chars().take(if short { 3 } else { 99 }).collect();
            let count = match all {
                1 => String::new(),
                all => format!(" {done}/{all}"),
            };
            let gap = if line.spans.is_empty() { "" } else { "  " };
            let name_look = if *here { Look::Strong } else { look };
            line = line
                .then(format!("{gap}{mark} "), look)
                .then(format!("{name}{count}"), name_look);
        }
        line
    };
    let long = drawn(false);
    if long.width() <= columns {
        long
    } else {
        drawn(true)
    }
}

fn edit(spot: &Spot, columns: usize) -> Line {
    let place = format!("{}:{}", spot.short, spot.line);
    let room = columns.saturating_sub(5);
    let chars: Vec<char> = place.chars().collect();
    // The end of a path says more than its beginning.
    let seen: String = if chars.len() > room && room > 0 {
        let tail = &chars[chars.len() - (room - 1)..];
        std::iter::once(&'…').chain(tail).collect()
    } else {
        place
    };
    Line::of("edit ", Look::Faint).linked(seen, Look::Code, Some(link(spot)))
}

/// A file URL, in which unusual characters of the path are encoded (RFC 3986).
fn link(spot: &Spot) -> Arc<str> {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut url = String::from("file://");
    for &byte in spot.path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                url.push(char::from(byte));
            }
            other => _ = write!(url, "%{other:02X}"),
        }
    }
    url.into()
}

/// The lines below the page.
pub(super) fn foot(state: &State, hidden: usize) -> Vec<Line> {
    let (columns, rows) = state.size;
    if rows < 2 {
        return Vec::new();
    }
    let more = match hidden {
        0 => String::new(),
        more => format!("↓ {more} more"),
    };
    let arrow = if hidden == 0 { "" } else { "↓" };
    let mut said = Vec::new();
    if let Some(notice) = notice(state) {
        // The learner must be able to read all of it, so it may take several lines.
        said = notice.wrapped(columns);
        said.truncate(if rows >= 10 { 4 } else { 1 });
    }
    if said.is_empty() || rows >= 10 {
        said.push(ends(status(state), &[&more, arrow], columns));
    }
    if rows >= 20 {
        said.insert(0, Line::empty());
    }
    if rows >= 6 {
        said.push(footer(state));
    }
    said
}

/// A question, or an answer to the last key.
pub fn notice(state: &State) -> Option<Line> {
    let words = match (&state.question, &state.notice) {
        (Some(question), _) => PROMPT.iter().find(|(asked, _)| asked == question)?.1,
        (None, notice) => notice.as_deref()?,
    };
    Some(Line::of(words, Look::Unsure))
}

/// The line that says what is going on.
pub fn status(state: &State) -> Line {
    if let Some(running) = &state.running {
        let doing = match running.doing.as_str() {
            "" => "building",
            doing => doing,
        };
        let time = match running.elapsed.as_millis() {
            ..500 => String::new(),
            _ => format!(" · {:.1} s", running.elapsed.as_secs_f64()),
        };
        return Line::of("● ", Look::Unsure).then(format!("judging: {doing}{time}"), Look::Plain);
    }
    if let Some(missing) = &state.missing {
        return Line::of(missing.lines().next().unwrap_or_default(), Look::Bad);
    }
    match &state.report {
        None => Line::of("waiting for you to save", Look::Faint),
        Some(Err(_)) => Line::of("? could not judge (v shows why)", Look::Unsure),
        Some(Ok(report)) => {
            let line = show::status(report);
            if report.failed() == 0 || report.uncompiled.is_some() {
                return line;
            }
            let left = words::count(report.unrun.len(), "test");
            let more = match report.unrun.as_slice() {
                _ if state.content.untouched && state.page == Page::Task => {
                    " · red is where you start".to_owned()
                }
                [] => " · watching".to_owned(),
                _ => format!(" · {left} not run yet (g)"),
            };
            line.then(more, Look::Faint)
        }
    }
}

fn footer(state: &State) -> Line {
    let keys: &[(&str, &str)] = match (state.page, state.question) {
        (_, Some(_)) => &[("y", "yes"), ("n", "no")],
        (Page::Welcome, _) => &[("any key", "begin"), ("q", "quit")],
        (Page::List, _) => &[("enter", "go"), ("↑↓", "choose"), ("esc", "back")],
        (Page::Passed, _) => &[
            ("n", "next"),
            ("l", "list"),
            ("b", "book"),
            ("e", "explain"),
            ("t", "task"),
            ("?", "keys"),
            ("q", "quit"),
        ],
        (Page::Task, _) => &[
            ("h", "hint"),
            ("v", "verdict"),
            ("w", "words"),
            ("o", "editor"),
            ("n", "next"),
            ("l", "list"),
            ("b", "book"),
            ("?", "keys"),
            ("q", "quit"),
        ],
        (
            Page::Hints | Page::Explain | Page::Mistake | Page::Words | Page::Solution | Page::Help,
            _,
        ) => &[
            ("esc", "back"),
            ("h", "hint"),
            ("t", "task"),
            ("n", "next"),
            ("l", "list"),
            ("?", "keys"),
            ("q", "quit"),
        ],
        _ => &[
            ("h", "hint"),
            ("e", "explain"),
            ("w", "words"),
            ("o", "editor"),
            ("t", "task"),
            ("n", "next"),
            ("l", "list"),
            ("b", "book"),
            ("?", "keys"),
            ("q", "quit"),
        ],
    };
    // What there is to see or to do only for this verdict comes first.
    let mut keys = keys.to_vec();
    if let (Page::Verdict, None, Some(Ok(report))) = (state.page, state.question, &state.report) {
        let has_schedule = report.records.iter().any(|one| one.schedule.is_some());
        let own = [
            (has_schedule, ("x", "schedule")),
            (report.known.is_some(), ("m", "mistake")),
            (!report.unrun.is_empty(), ("g", "go on")),
        ];
        for (_, key) in own.into_iter().filter(|(is_there, _)| *is_there) {
            keys.insert(0, key);
        }
    }
    // On a narrow screen, the help (the last key but one) names the others.
    loop {
        let line = listed(&keys);
        if line.width() <= state.size.0 || keys.len() <= 3 {
            return line;
        }
        keys.remove(keys.len() - 3);
    }
}

fn listed(keys: &[(&str, &str)]) -> Line {
    let mut line = Line::empty();
    for (key, does) in keys {
        let gap = if line.spans.is_empty() { "" } else { "  " };
        line = line
            .then(gap, Look::Plain)
            .then(key, Look::Strong)
            .then(format!(" {does}"), Look::Faint);
    }
    line
}
