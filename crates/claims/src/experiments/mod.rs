//! The experiments, in one file for each family of claims. Each file begins with
//! the claims of its family.
//!
//! An experiment is a function that writes down what it finds and returns a
//! verdict with a reason. It runs in a process of its own, which begins with one
//! thread, and it may change everything there. Three rules give the same verdict
//! in every run:
//!
//! - If a yes or a no decides the claim, the experiment asks the kernel and not
//!   the clock.
//! - A time is compared only with times of the same rounds, as a ratio. The whole
//!   confidence interval decides, with a margin: "clearly longer" means more than
//!   1.5 times as long.
//! - If the interval lies on neither side of the margin, the verdict is "too noisy
//!   to say".

mod coroutines;
mod counter;
mod crashes;
mod creation;
mod execution;
mod files;
mod helpers;
mod limits;
mod locks;
mod memory;
mod messages;
mod namespaces;
mod order;
mod paging;
mod parallel;
mod schedules;
mod shared;
mod switching;

use std::sync::LazyLock;

use crate::Claim;

/// Makes one claim for the list of a family.
macro_rules! claim {
    ($number:literal $truth:ident [$($lesson:ident)*] $says:literal $measure:ident) => {
        $crate::Claim {
            number: $number,
            says: $says,
            lessons: &[$(records::ledger::Lesson::$lesson),*],
            truth: records::ledger::Truth::$truth,
            measure: $measure,
            name: stringify!($measure),
            file: file!(),
            source: SOURCE,
        }
    };
}
use claim;

/// Returns all claims that have an experiment, in the order of their numbers.
#[must_use]
pub fn claims() -> &'static [Claim] {
    static ALL: LazyLock<Vec<Claim>> = LazyLock::new(|| {
        let mut all = Vec::new();
        all.extend(memory::CLAIMS);
        all.extend(files::CLAIMS);
        all.extend(execution::CLAIMS);
        all.extend(paging::CLAIMS);
        all.extend(crashes::CLAIMS);
        all.extend(namespaces::CLAIMS);
        all.extend(limits::CLAIMS);
        all.extend(parallel::CLAIMS);
        all.extend(creation::CLAIMS);
        all.extend(shared::CLAIMS);
        all.extend(order::CLAIMS);
        all.extend(messages::CLAIMS);
        all.extend(locks::CLAIMS);
        all.extend(counter::CLAIMS);
        all.extend(schedules::CLAIMS);
        all.extend(switching::CLAIMS);
        all.extend(coroutines::CLAIMS);
        all.sort_by_key(|claim| claim.number);
        all
    });
    &ALL
}

/// Returns the claim with this number, if it has an experiment.
#[must_use]
pub fn find(number: u16) -> Option<&'static Claim> {
    claims().iter().find(|claim| claim.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_course_promises_these() {
        let promised = [
            1, 2, 3, 5, 7, 8, 10, 12, 17, 18, 19, 20, 21, 22, 24, 25, 26, 27, 30, 35, 38, 39, 40,
            41, 43, 47, 48, 49, 52, 54, 55, 57, 63, 64, 65, 66, 67, 70, 76, 82,
        ];
        let numbers: Vec<u16> = claims().iter().map(|claim| claim.number).collect();
        assert_eq!(numbers, promised);
    }

    #[test]
    fn every_claim_shows_the_code_of_its_experiment() {
        for claim in claims() {
            let code = claim.code();
            assert!(
                code.contains(&format!("\nfn {}(", claim.name)),
                "claim {}",
                claim.number
            );
            assert!(
                code.starts_with("///"),
                "the code of claim {} does not begin with a comment",
                claim.number
            );
            assert!(code.len() < claim.source.len() && code.ends_with("}\n"));
        }
    }

    #[test]
    fn every_claim_is_a_sentence() {
        for claim in claims() {
            assert!(
                claim.says.ends_with('.') && claim.says.len() > 20,
                "{}",
                claim.says
            );
            assert_eq!(find(claim.number).map(|found| found.says), Some(claim.says));
        }
        assert!(find(0).is_none());
    }
}
