//! The page after a pass: the course's solution next to the learner's, and the
//! known mistakes that the learner avoided.

use judging::exercise::catalogue::NO_SOLUTIONS;
use judging::terminal::words;

use crate::live::content::Solution;
use crate::live::state::State;
use crate::text::{Line, Look, beside};

/// From this many columns on, two texts stand side by side.
const WIDE: usize = 120;

/// The page after a pass.
pub(super) fn page(state: &State) -> Vec<Line> {
    let card = state.card();
    let mut lines = vec![Line::of(format!("✓ You passed {}.", card.id), Look::Good)];
    let open = state.exercises.iter().position(|card| !card.passed);
    lines.push(match (state.exercises.get(state.current + 1), open) {
        (_, None) => Line::of("You have passed every exercise.", Look::Strong),
        (Some(next), _) => Line::of("n goes on to ", Look::Faint)
            .then(&next.id, Look::Strong)
            .then(
                format!(": {} ({} min)", next.title, next.minutes),
                Look::Plain,
            ),
        (None, Some(open)) => Line::of("Still open (l lists them all): ", Look::Faint)
            .then(&state.exercises[open].id, Look::Strong),
    });
    lines.push(Line::empty());
    if let Some(solution) = &state.solution {
        if !solution.mistakes.is_empty() {
            let known = words::count(solution.mistakes.len(), "known mistake");
            lines.push(Line::plain(format!(
                "You avoided {known}. They stand below the solution."
            )));
            lines.push(Line::empty());
        }
        lines.extend(sources(solution, state.size.0, true));
        lines.extend(avoided(solution));
    }
    lines
}

/// The solution alone.
pub(super) fn solution(state: &State) -> Vec<Line> {
    match &state.solution {
        None => vec![Line::of("reading the solution", Look::Faint)],
        Some(solution) => sources(solution, state.size.0, state.card().passed),
    }
}

fn avoided(solution: &Solution) -> Vec<Line> {
    if solution.mistakes.is_empty() {
        return Vec::new();
    }
    let known = words::count(solution.mistakes.len(), "known mistake");
    let mut lines = vec![
        Line::empty(),
        Line::of(format!("You avoided {known}:"), Look::Strong),
    ];
    let mistakes = solution.mistakes.iter();
    lines.extend(mistakes.map(|what| Line::plain(format!("- {}", what.trim_end_matches('.')))));
    lines
}

fn sources(solution: &Solution, columns: usize, with_own: bool) -> Vec<Line> {
    let Some(reference) = &solution.reference else {
        return vec![Line::plain(NO_SOLUTIONS)];
    };
    let code = |title: &str, text: &str| {
        let mut lines = vec![Line::of(title, Look::Strong)];
        lines.extend(text.lines().map(|line| Line::fixed(line, Look::Plain)));
        lines
    };
    let theirs = code(
        &format!("The course's solution: {}", solution.path),
        reference,
    );
    let mut lines = if !with_own {
        theirs
    } else if columns >= WIDE {
        beside(&code("Yours", &solution.own), &theirs, columns.div_ceil(2))
    } else {
        let mut lines = theirs;
        lines.push(Line::empty());
        lines.extend(code("Yours", &solution.own));
        lines
    };
    if solution.alternatives > 0 {
        let others = words::count(solution.alternatives, "other solution");
        lines.push(Line::empty());
        lines.push(Line::of(
            format!("{others} that are right, too: see alternatives/ next to it"),
            Look::Faint,
        ));
    }
    lines
}
