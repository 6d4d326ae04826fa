//! The experiments, a family a file: each file begins with its claims.
//!
//! An experiment is a function that writes down what it finds and returns a
//! verdict with a reason. It runs in a process of its own, with one thread, and
//! may do there what it likes. Three rules keep its verdict the same from run
//! to run:
//!
//! - ask the kernel rather than the clock, wherever a yes or no will do;
//! - compare times only with times of the same rounds, as a ratio, and let the
//!   whole interval decide, with a margin: "clearly" is half as much again;
//! - where neither side of the margin can be shown, say "too noisy".

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

use crate::Claim;
use std::sync::LazyLock;

/// One line of a family's list.
macro_rules! claim {
    ($number:literal $truth:ident [$($lesson:ident)*] $says:literal $measure:ident) => {
        $crate::Claim {
            number: $number,
            says: $says,
            lessons: &[$($crate::Lesson::$lesson),*],
            truth: $crate::Truth::$truth,
            measure: $measure,
            name: stringify!($measure),
            file: file!(),
            source: SOURCE,
        }
    };
}
use claim;

/// Every claim that has an experiment, in the order of their numbers.
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

/// The claim of this number, if it has an experiment.
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
                "claim {} explains nothing",
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
