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
        Some(Ok(judgement)) => show::verdict(
            judgement,
            &Layout {
                columns: state.size.0,
                // What helps most comes first: the details may fill several screens,
                // and one timeline is enough to begin with.
                known_first: true,
                every_timeline: false,
                source: None,
            },
        ),
    }
}

/// Every exchange of every test.
pub(super) fn explained(state: &State) -> Vec<Line> {
    match &state.report {
        Some(Ok(judgement)) if judgement.uncompiled.is_none() => show::explain(judgement),
        _ => page(state),
    }
}
