//! The table of clauses: what the contract says, which tests check it, and
//! which mistakes break it.

use std::collections::{BTreeMap, BTreeSet};

use judging::exercise::catalogue::Exercise;
use judging::exercise::expected::{self, Test};
use judging::exercise::originals;
use judging::exercise::probes;
use judging::files;
use judging::mistake::{self, Mistake};
use judging::signatures::{Signature, Signatures};
use proctor::Outcome;

use super::Complaint;
use crate::contract::{self, Clause};

/// At least this many mistakes must break a clause and no other clause.
const MISTAKES: usize = 2;

/// One exercise's clauses, tests and mistakes.
pub(crate) struct Table {
    clauses: Vec<Clause>,
    tests: Vec<Test>,
    mistakes: Vec<Mistake>,
    /// What every test said about every mistake.
    known: BTreeMap<String, Signature>,
}

impl Table {
    /// Reads the table. What cannot be read is left out, because other checks
    /// complain about it.
    pub(crate) fn of(exercise: &Exercise) -> Table {
        let text = |path: std::path::PathBuf| files::text(&path).unwrap_or_default();
        let patches = mistake::patches(exercise).unwrap_or_default();
        let mut tests = expected::described(&text(exercise.tests())).unwrap_or_default();
        let probes = originals::files_of(exercise)
            .ok()
            .and_then(|given| probes::probes(&given).ok());
        tests.extend(probes.unwrap_or_default().into_iter().map(|probe| Test {
            name: probe.name,
            clauses: probe.clauses,
            is_slow: false,
        }));
        Table {
            clauses: contract::clauses(&text(exercise.source())),
            tests,
            mistakes: patches
                .iter()
                .flat_map(|path| mistake::read(path))
                .collect(),
            known: Signatures::read(exercise).0,
        }
    }

    fn tests_of(&self, number: u32) -> impl Iterator<Item = &Test> {
        let looks = move |test: &&Test| test.clauses.contains(&number);
        self.tests.iter().filter(looks)
    }

    /// The mistakes that break this clause alone.
    fn mistakes_of(&self, number: u32) -> impl Iterator<Item = &Mistake> {
        let breaks = move |mistake: &&Mistake| mistake.clauses == [number];
        self.mistakes.iter().filter(breaks)
    }

    /// Where contract, tests and mistakes do not agree.
    fn disagreements(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.clauses.is_empty() {
            return vec![
                "src/lib.rs has no numbered clauses: write `C1: …` in its documentation".to_owned(),
            ];
        }
        let numbers: Vec<u32> = self.clauses.iter().map(|clause| clause.number).collect();
        for (number, due) in numbers.iter().zip(1..) {
            if *number != due {
                found.push(format!(
                    "src/lib.rs: clause C{number} comes where C{due} is expected"
                ));
                break;
            }
        }
        let numbers: BTreeSet<u32> = numbers.into_iter().collect();
        for number in &numbers {
            if self.tests_of(*number).next().is_none() {
                found.push(format!("clause C{number}: no test names it"));
            }
            let alone = self.mistakes_of(*number).count();
            if alone < MISTAKES {
                let mistakes = match alone {
                    1 => "1 mistake breaks".to_owned(),
                    _ => format!("{alone} mistakes break"),
                };
                found.push(format!(
                    "clause C{number}: {mistakes} only it, but at least {MISTAKES} are needed"
                ));
            }
        }
        let unknown = |named: &[u32]| named.iter().copied().find(|n| !numbers.contains(n));
        for test in &self.tests {
            let name = &test.name;
            if test.clauses.is_empty() {
                found.push(format!("the test `{name}` names no clause"));
            }
            if let Some(number) = unknown(&test.clauses) {
                found.push(format!(
                    "the test `{name}` names C{number}, which does not exist"
                ));
            }
        }
        for mistake in &self.mistakes {
            let name = &mistake.name;
            if let Some(number) = unknown(&mistake.clauses) {
                found.push(format!(
                    "the mistake `{name}` names C{number}, which does not exist"
                ));
            }
            found.extend(self.strays(mistake));
        }
        found
    }

    /// Tests that reject a mistake although they do not check any clause that it breaks.
    fn strays(&self, mistake: &Mistake) -> Vec<String> {
        let looks = |test: &Test| {
            test.clauses
                .iter()
                .any(|number| mistake.clauses.contains(number))
        };
        if mistake.outcome == Outcome::CompileError {
            // Nothing runs, so every test rejects it.
            return Vec::new();
        }
        let said = self.known.get(&mistake.name);
        let rejects = |test: &Test| {
            test.name == mistake.test
                || said
                    .and_then(|said| said.get(&test.name))
                    .is_some_and(|line| !line.starts_with("pass"))
        };
        let strays = self
            .tests
            .iter()
            .filter(|test| rejects(test) && !looks(test));
        strays
            .map(|test| {
                format!(
                    "the mistake `{}` is rejected by `{}`, which names none of its clauses ({})",
                    mistake.name,
                    test.name,
                    named(&mistake.clauses)
                )
            })
            .collect()
    }

    /// As text: each clause with its tests and mistakes.
    pub(crate) fn shown(&self) -> String {
        let mut text = String::new();
        for clause in &self.clauses {
            let tests: Vec<_> = self.tests_of(clause.number).collect();
            text.push_str(&format!("C{}: {}\n", clause.number, clause.says));
            for test in tests {
                text.push_str(&format!("    test     {}\n", test.name));
            }
            for mistake in &self.mistakes {
                if mistake.clauses.contains(&clause.number) {
                    let others = match mistake.clauses.len() {
                        1 => String::new(),
                        _ => format!(" ({})", named(&mistake.clauses)),
                    };
                    text.push_str(&format!("    mistake  {}{others}\n", mistake.name));
                }
            }
        }
        text
    }
}

/// `C1, C4`
fn named(clauses: &[u32]) -> String {
    let names: Vec<_> = clauses.iter().map(|number| format!("C{number}")).collect();
    names.join(", ")
}

/// Where an exercise's contract, tests and mistakes do not agree.
pub(crate) fn clauses(exercise: &Exercise) -> Vec<Complaint> {
    Table::of(exercise)
        .disagreements()
        .into_iter()
        .map(|what| Complaint::new(&exercise.id, what))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(name: &str, clauses: &[u32]) -> Mistake {
        let text = format!(
            "What: w\nClause: {}\nTempts: t\nTest: one\nOutcome: fail\nCause: c\nExplain: e\n\n--- a\n+++ b\n",
            clauses
                .iter()
                .map(u32::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        );
        Mistake::parse(name, &text).unwrap()
    }

    fn test(name: &str, clauses: &[u32]) -> Test {
        Test {
            name: name.to_owned(),
            clauses: clauses.to_vec(),
            is_slow: false,
        }
    }

    fn table() -> Table {
        Table {
            clauses: contract::clauses("/// - C1: one\n/// - C2: two\n"),
            tests: vec![test("one", &[1, 2]), test("two", &[2])],
            mistakes: vec![
                mistake("a", &[1]),
                mistake("b", &[1]),
                mistake("c", &[2]),
                mistake("d", &[2]),
            ],
            known: BTreeMap::new(),
        }
    }

    #[test]
    fn a_table_in_which_everything_has_its_row_is_fine() {
        assert_eq!(table().disagreements(), [""; 0]);
    }

    #[test]
    fn each_gap_is_named() {
        let complains = |change: fn(&mut Table), about: &str| {
            let mut table = table();
            change(&mut table);
            let found = table.disagreements();
            assert!(found.iter().any(|what| what.contains(about)), "{found:?}");
        };
        complains(|t| t.clauses.clear(), "no numbered clauses");
        complains(|t| t.clauses[1].number = 3, "C3 comes where C2 is expected");
        complains(|t| t.tests[0].clauses = vec![2], "C1: no test");
        complains(|t| t.tests[1].clauses.clear(), "`two` names no clause");
        complains(|t| t.tests[1].clauses.push(7), "names C7");
        complains(|t| _ = t.mistakes.pop(), "C2: 1 mistake breaks only it");
        complains(
            |t| t.mistakes[0].clauses.push(2),
            "C1: 1 mistake breaks only it",
        );
        complains(|t| t.mistakes[0].clauses = vec![9], "`a` names C9");
        complains(
            |t| {
                let line = format!("{}: why", Outcome::Fail);
                let said = BTreeMap::from([("two".to_owned(), line)]);
                t.known.insert("a".to_owned(), said);
            },
            "`a` is rejected by `two`, which names none of its clauses (C1)",
        );
    }
}
