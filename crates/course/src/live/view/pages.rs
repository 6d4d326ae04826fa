//! The pages that need no verdict: welcome, task, hints, list, help.

use crate::live::glossary;
use crate::live::keys::KEYS;
use crate::live::markdown;
use crate::live::state::State;
use crate::text::{Line, Look, width};

/// The first screen that a learner sees.
pub(super) fn welcome(state: &State) -> Vec<Line> {
    let mut lines = vec![
        Line::of("Roommates", Look::Strong),
        Line::plain("A hands-on course on processes, threads and coroutines."),
        Line::empty(),
        Line::plain(
            "Keep this terminal open next to your editor. Write your code in the file that the course \
             names. Each time you save it, the course shows here which tests fail, why, and on \
             which line.",
        ),
        Line::empty(),
        Line::empty()
            .then("Red is where you start. ", Look::Bad)
            .then(
                "Every exercise begins with `todo!()`, so every test fails at first. \
                 If your code deadlocks, crashes or leaks, you get a verdict that names the cause. \
                 Nothing that you write can hang or break the course.",
                Look::Plain,
            ),
        Line::empty(),
        Line::of("Your machine", Look::Strong),
    ];
    lines.extend(machine(&state.machine));
    lines.push(Line::empty());
    lines.push(Line::of("Press any key to begin.", Look::Strong));
    lines
}

/// One line with everything that works, and one line for each thing that does
/// not, with what follows from it.
fn machine(findings: &[String]) -> Vec<Line> {
    let parts = |finding: &str| {
        let (mark, rest) = finding.trim().split_once(' ')?;
        let (name, said) = rest.trim_start().split_once(' ')?;
        Some([mark, name, said.trim_start()].map(str::to_owned))
    };
    let found: Vec<[String; 3]> = findings.iter().filter_map(|f| parts(f)).collect();
    let fine = found.iter().filter(|[mark, ..]| mark == "ok");
    let fine: Vec<&str> = fine.map(|[_, name, _]| name.as_str()).collect();
    let mut lines = vec![Line::of("✓ ", Look::Good).then(fine.join(", "), Look::Plain)];
    for [mark, name, said] in found.iter().filter(|[mark, ..]| mark != "ok") {
        let (sign, look) = match mark.as_str() {
            "skip" => ("? ", Look::Unsure),
            _ => ("✗ ", Look::Bad),
        };
        lines.push(Line::of(sign, look).then(format!("{name}: {said}"), Look::Plain));
    }
    lines
}

/// What to build.
pub(super) fn task(state: &State) -> Vec<Line> {
    markdown::lines(&state.content.task, state.size.0)
}

/// The hints that are shown, the newest one last.
pub(super) fn hints(state: &State) -> Vec<Line> {
    let all = state.content.hints.len();
    let mut lines = hints_up_to(state, state.hints);
    let left = all - state.hints.min(all);
    lines.push(Line::empty());
    lines.push(match left {
        0 => Line::of("That was the last hint.", Look::Faint),
        1 => Line::of("h shows one more hint.", Look::Faint),
        left => Line::of(
            format!("h shows the next hint ({left} are left)."),
            Look::Faint,
        ),
    });
    lines
}

/// The lines above the newest hint.
pub(super) fn hints_before_last(state: &State) -> Vec<Line> {
    let mut lines = hints_up_to(state, state.hints.saturating_sub(1));
    if !lines.is_empty() {
        lines.push(Line::empty());
    }
    lines
}

fn hints_up_to(state: &State, number: usize) -> Vec<Line> {
    let all = state.content.hints.len();
    let mut lines = Vec::new();
    for (index, hint) in state.content.hints.iter().take(number).enumerate() {
        if index > 0 {
            lines.push(Line::empty());
        }
        lines.push(Line::of(
            format!("Hint {} of {all}", index + 1),
            Look::Strong,
        ));
        lines.extend(markdown::lines(hint, state.size.0));
    }
    lines
}

/// All exercises that the filter lets through.
pub(super) fn list(state: &State) -> Vec<Line> {
    entries(state).0
}

/// The same entries up to the chosen one.
pub(super) fn list_to_chosen(state: &State) -> Vec<Line> {
    let (mut lines, chosen) = entries(state);
    lines.truncate(chosen + 1);
    lines
}

fn entries(state: &State) -> (Vec<Line>, usize) {
    let mut lines = vec![match state.filter.as_str() {
        "" if state.in_lines => Line::of(
            "type the name of an exercise and press enter to open it",
            Look::Faint,
        ),
        "" => Line::of("type to filter", Look::Faint),
        filter => Line::of("filter: ", Look::Faint).then(filter, Look::Strong),
    }];
    let found = state.filtered();
    let widest = |text: &dyn Fn(usize) -> usize| found.iter().map(|&index| text(index)).max();
    let ids = widest(&|index| width(&state.exercises[index].id)).unwrap_or(0);
    let titles = widest(&|index| width(&state.exercises[index].title)).unwrap_or(0);
    let mut topic = "";
    let mut at = 0;
    for (place, &index) in found.iter().enumerate() {
        let card = &state.exercises[index];
        if card.topic != topic {
            topic = &card.topic;
            lines.push(Line::of(topic, Look::Strong));
        }
        let is_chosen = place == state.chosen;
        let (mark, look) = match (card.passed, index == state.current) {
            (true, _) => ("✓", Look::Good),
            (false, true) => ("▸", Look::Strong),
            (false, false) => (" ", Look::Plain),
        };
        let name = if is_chosen { Look::Chosen } else { Look::Plain };
        let pad = |text: &str, to: usize| " ".repeat(to.saturating_sub(width(text)));
        let needs = match card.needs.as_slice() {
            [] => String::new(),
            needs => format!("  after {}", needs.join(", ")),
        };
        if is_chosen {
            at = lines.len();
        }
        let mut line = Line::of(if is_chosen { "› " } else { "  " }, Look::Strong)
            .then(format!("{mark} "), look)
            .then(format!("{}{}", card.id, pad(&card.id, ids)), name)
            .then(
                format!("  {}{}", card.title, pad(&card.title, titles)),
                Look::Plain,
            )
            .then(format!("  {:>3} min{needs}", card.minutes), Look::Faint);
        line.fixed = true;
        lines.push(line);
    }
    if found.is_empty() {
        lines.push(Line::plain(
            "no exercise has that in its name, title or topic",
        ));
    }
    (lines, at)
}

/// The terms in the verdict, the task and the hints so far, each with what it
/// means. The terms of the verdict come first.
pub(super) fn words(state: &State) -> Vec<Line> {
    let all = &state.content.terms;
    let text = |lines: Vec<Line>| {
        let lines: Vec<String> = lines.iter().map(Line::text).collect();
        lines.join(" ")
    };
    let verdict = glossary::terms_in(all, &text(super::verdict::page(state)));
    let task = format!(
        "{} {}",
        state.content.task,
        text(hints_up_to(state, state.hints))
    );
    let task: Vec<_> = glossary::terms_in(all, &task)
        .into_iter()
        .filter(|term| !verdict.contains(term))
        .collect();
    let mut lines = Vec::new();
    for (title, terms) in [
        ("Terms in the verdict", verdict),
        ("Terms in the task", task),
    ] {
        if terms.is_empty() {
            continue;
        }
        if !lines.is_empty() {
            lines.push(Line::empty());
        }
        lines.push(Line::of(title, Look::Strong));
        for term in terms {
            let mut line = Line::plain("- ");
            let words = format!("**{}**: {}", term.name, term.means);
            for span in markdown::lines(&words, usize::MAX)
                .into_iter()
                .flat_map(|line| line.spans)
            {
                line.spans.push(span);
            }
            lines.push(line);
        }
    }
    if lines.is_empty() {
        lines.push(Line::plain(
            "The glossary of the book explains no term on this page.",
        ));
    }
    lines.push(Line::empty());
    lines.push(Line::of("b opens the chapter of the book.", Look::Faint));
    lines
}

/// The keys.
pub(super) fn help() -> Vec<Line> {
    let widest = KEYS.iter().map(|(key, _)| width(key)).max().unwrap_or(0);
    let mut lines = vec![Line::of("Keys", Look::Strong)];
    lines.extend(KEYS.iter().map(|(key, does)| {
        let pad = " ".repeat(widest - width(key));
        Line::of(format!("  {key}{pad}  "), Look::Strong).then(*does, Look::Plain)
    }));
    lines.push(Line::empty());
    lines.push(Line::plain(
        "You can do the same in a shell: `cargo course check`, `hint`, `list`, `reset`, `solution`, \
         `progress`. `cargo test -p EXERCISE` runs the same tests, except for programs that must not \
         compile.",
    ));
    lines
}
