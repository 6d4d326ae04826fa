//! A judgement in one line.

use judging::build::compiled::{Part, Uncompiled};
use judging::judge::Judgement;
use judging::terminal::words::count;
use proctor::Outcome;

use crate::text::{Line, Look};

/// `✓ all 27 tests passed`, `✗ 2 of 27 failed`, and so on.
pub fn status(judgement: &Judgement) -> Line {
    let all = judgement.records.len();
    let (failed, unsure) = (judgement.failed(), judgement.not_judged());
    if let Some(uncompiled) = &judgement.uncompiled {
        return Line::of(format!("✗ {}", obstacle(uncompiled)), Look::Bad);
    }
    if judgement.is_passed() {
        return Line::of(format!("✓ all {} passed", count(all, "test")), Look::Good);
    }
    match (failed, unsure) {
        // What was judged until now has passed.
        (0, 0) => Line::of(format!("✓ {} passed", count(all, "test")), Look::Good),
        (0, unsure) => Line::of(
            format!("? {unsure} of {all} could not be judged"),
            Look::Unsure,
        ),
        (failed, 0) => Line::of(format!("✗ {failed} of {all} failed"), Look::Bad),
        (failed, unsure) => Line::of(format!("✗ {failed} of {all} failed"), Look::Bad)
            .then(format!(", {unsure} could not be judged"), Look::Unsure),
    }
}

/// Why no test ran, in a few words.
fn obstacle(uncompiled: &Uncompiled) -> &'static str {
    match (uncompiled.outcome, &uncompiled.part) {
        (Outcome::Refused, _) => "it uses something that is not allowed here",
        (_, Part::File) => "it does not compile yet",
        (_, Part::Tests) => "the tests cannot use it yet",
        (_, Part::Explored) => "it does not compile for the explorer yet",
    }
}
