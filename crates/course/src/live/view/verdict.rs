//! What the judge found, as `cargo course check` shows it, in the width of the
//! screen.

use crate::live::state::State;
use crate::show::{self, Layout};
use crate::text::{Line, Look};

/// The verdict, or why there is none.
pub(super) fn page(state: &State) -> Vec<Line> {
    if let Some(missing) = &state.missing {
        let id = &state.card().id;
        return vec![
            Line::of(missing, Look::Bad),
            Line::empty(),
            Line::plain(format!(
                "It was renamed or deleted. Put it back, and the course goes on by itself. Or press r, which \
                 restores {id} as the course gave it to you, without what you wrote."
            )),
        ];
    }
    match &state.report {
        None => vec![Line::of("No verdict yet.", Look::Faint)],
        Some(Err(trouble)) => trouble
            .lines()
            .map(|line| Line::of(line, Look::Unsure))
            .collect(),
        Some(Ok(judgement)) => {
            let layout = Layout {
                columns: state.size.0,
                on_a_page: true,
                explains: false,
                // The details may fill several screens: one timeline is enough
                // to begin with.
                every_timeline: false,
                source: None,
            };
            let lines = show::verdict(judgement, &layout);
            match state.is_old() {
                true => lines.into_iter().map(Line::dimmed).collect(),
                false => lines,
            }
        }
    }
}

/// The known mistake.
pub(super) fn mistake(state: &State) -> Vec<Line> {
    match &state.report {
        Some(Ok(judgement)) => judgement.known.as_ref().map_or_else(
            || {
                vec![Line::plain(
                    "Your code no longer looks like a mistake that the course knows.",
                )]
            },
            show::known_mistake,
        ),
        _ => page(state),
    }
}

/// Every exchange of every test.
pub(super) fn explained(state: &State) -> Vec<Line> {
    match &state.report {
        Some(Ok(judgement)) if judgement.uncompiled.is_none() => show::explain(judgement),
        _ => page(state),
    }
}
