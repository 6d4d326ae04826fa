//! Prints what `verify` finds: a line for each variant, and a table.

use judging::exercise::catalogue::Course;
use judging::terminal::say;
use judging::terminal::words::{BAD, FAINT, GOOD, UNSURE, count, indented, styled};

use super::Complaint;
use super::demand::Demand;
use super::plan::{Plan, Variant};
use super::runs::Runs;
use crate::unwritten::Unwritten;

/// Prints one variant, as soon as it is done.
pub(crate) fn variant(variant: &Variant, runs: &Runs, repeat: u32) {
    let right = runs.right == repeat;
    let (mark, style) = if right { ("✓", GOOD) } else { ("✗", BAD) };
    let how = match &variant.demand {
        Demand::AllPass => "passes".to_owned(),
        Demand::AllFail { outcome, .. } => format!("{outcome} in each test"),
        Demand::Rejected { test, outcome, .. } => format!("{outcome} in {test}"),
        Demand::Wrong { .. } => match &runs.rejected_by {
            Some(rejection) => rejection.clone(),
            None => "passes every test".to_owned(),
        },
        Demand::NotYetRejected { .. } => "not rejected yet".to_owned(),
    };
    let title = variant.title();
    let longest = styled(FAINT, format!("at most {} ms", runs.longest));
    say(&format!(
        "{} {title:<52} {:>2}/{repeat}  {how}  {longest}\n",
        styled(style, mark),
        runs.right
    ));
    for (deviation, times) in &runs.deviations {
        say(&format!("    {times}× {deviation}\n"));
    }
}

/// Prints the complaints about the files.
pub(crate) fn complaints(complaints: &[Complaint]) {
    for complaint in complaints {
        let of = match complaint.exercise.as_str() {
            "" => String::new(),
            exercise => format!("{exercise}: "),
        };
        let what = indented(&complaint.what, "    ");
        say(&format!("{} {of}{}\n", styled(BAD, "✗"), what.trim_start()));
    }
}

/// Prints the exercises that are not written yet, with each place to fill in.
pub(crate) fn unwritten(course: &Course, exercises: &[Unwritten]) {
    for exercise in exercises {
        say(&format!("{} {exercise}\n", styled(UNSURE, "…")));
        for place in &exercise.places {
            let path = course.short(&place.path).display();
            say(&format!("    {path}:{}  {}\n", place.line, place.what));
        }
    }
}

/// Prints what the tests said about right and wrong answers, with one row for
/// each exercise. Returns 0 if the tests agree with all answers, and 1
/// otherwise.
pub(crate) fn answers(plan: &Plan, runs: &[Runs], repeat: u32, complaints: &[Complaint]) -> u8 {
    let mut names: Vec<&str> = plan.variants.iter().map(|v| v.exercise.as_str()).collect();
    names.dedup();
    say(&format!(
        "\n{:<20} {:>14} {:>16} {:>18}\n",
        "", "right accepted", "wrong rejected", "not rejected yet"
    ));
    let mut disagreements = 0;
    for name in names {
        let count = |is: &dyn Fn(&Demand) -> bool| {
            let those = plan
                .variants
                .iter()
                .zip(runs)
                .filter(|(v, _)| v.exercise == name && is(&v.demand));
            those.fold((0, 0), |(right, all), (_, runs)| {
                (right + usize::from(runs.right == repeat), all + 1)
            })
        };
        let right = count(&|demand| *demand == Demand::AllPass);
        let wrong = count(&|demand| matches!(demand, Demand::Wrong { .. }));
        let known = count(&|demand| matches!(demand, Demand::NotYetRejected { .. }));
        disagreements += [right, wrong, known]
            .iter()
            .map(|(right, all)| all - right)
            .sum::<usize>();
        let cell = |(right, all): (usize, usize)| format!("{right}/{all}");
        say(&format!(
            "{name:<20} {:>14} {:>16} {:>18}\n",
            cell(right),
            cell(wrong),
            known.0
        ));
    }
    let agree = disagreements == 0 && complaints.is_empty();
    let (style, verdict) = match disagreements {
        _ if agree => (GOOD, "the tests agree with every answer".to_owned()),
        0 => (BAD, "see the lines with ✗".to_owned()),
        some => (
            BAD,
            format!("{}: see the lines with ✗", count(some, "disagreement")),
        ),
    };
    say(&format!("\n{}\n", styled(style, verdict)));
    u8::from(!agree)
}

/// Prints one row for each exercise. Returns 0 if everything agrees, and 1 otherwise.
pub(crate) fn table(
    plan: &Plan,
    runs: &[Runs],
    repeat: u32,
    complaints: &[Complaint],
    unwritten: &[Unwritten],
) -> u8 {
    let mut names: Vec<&str> = plan.variants.iter().map(|v| v.exercise.as_str()).collect();
    names.dedup();
    say(&format!(
        "\n{:<20} {:>9} {:>9} {:>13} {:>13} {:>7}\n",
        "", "stub", "solution", "alternatives", "mistakes", "files"
    ));
    let mut wrong = !complaints.is_empty();
    for name in names {
        let cell = |kind: &str| {
            let of_kind = plan
                .variants
                .iter()
                .zip(runs)
                .filter(|(v, _)| v.exercise == name && v.name.starts_with(kind));
            let (all, right) = of_kind.fold((0, 0), |(all, right), (_, runs)| {
                (all + 1, right + usize::from(runs.right == repeat))
            });
            (format!("{right}/{all}"), right == all)
        };
        let cells = ["stub", "solution", "alternative", "mistake"].map(cell);
        wrong |= cells.iter().any(|(_, fine)| !fine);
        let files = complaints.iter().filter(|c| c.exercise == name).count();
        let files = if files == 0 {
            "fine".to_owned()
        } else {
            format!("{files} ✗")
        };
        let [stub, solution, alternatives, mistakes] = cells.map(|(cell, _)| cell);
        say(&format!(
            "{name:<20} {stub:>9} {solution:>9} {alternatives:>13} {mistakes:>13} {files:>7}\n"
        ));
    }
    for exercise in unwritten {
        let places = count(exercise.places.len(), "place");
        say(&format!(
            "{:<20} not yet written: {places} to fill in\n",
            exercise.id
        ));
    }
    let repeated = count(repeat as usize, "time");
    let but = match unwritten.len() {
        0 => String::new(),
        1 => "; 1 exercise is not yet written".to_owned(),
        some => format!("; {some} exercises are not yet written"),
    };
    let (style, verdict) = match wrong {
        false if plan.variants.is_empty() => (UNSURE, format!("nothing to run{but}")),
        false if !unwritten.is_empty() => (
            UNSURE,
            format!("everything else agrees, {repeated} out of {repeat}{but}"),
        ),
        false => (
            GOOD,
            format!("everything agrees, {repeated} out of {repeat}"),
        ),
        true => (
            BAD,
            format!("not everything agrees: see the lines with ✗{but}"),
        ),
    };
    say(&format!("\n{}\n", styled(style, verdict)));
    u8::from(wrong)
}
