//! The experiments that a yes or no from the kernel decides: on no machine may their
//! verdict contradict the course. The experiments that compare times are not tested
//! here, because on a busy machine they try three times and then give no answer.

use claims::{Runner, claims};
use records::ledger::Verdict;

const COMPARE_TIMES: [u16; 10] = [18, 20, 21, 43, 63, 64, 65, 67, 76, 82];

#[test]
fn what_the_kernel_answers_is_what_the_course_says() {
    let runner = Runner::new(env!("CARGO_BIN_EXE_claims").into());
    for claim in claims() {
        if COMPARE_TIMES.contains(&claim.number) {
            continue;
        }
        let entry = runner.run(claim);
        assert!(!entry.contradicts(), "{entry:#?}");
        if !entry.verdict.says_something() {
            println!(
                "claim {}: {}, {}",
                claim.number, entry.verdict, entry.reason
            );
        }
    }
}

#[test]
fn a_deterministic_experiment_says_the_same_every_time() {
    let runner = Runner::new(env!("CARGO_BIN_EXE_claims").into());
    for number in [1, 24, 35, 40, 47, 49, 55, 57, 70] {
        let claim = claims::find(number).unwrap();
        let (first, second) = (runner.run(claim), runner.run(claim));
        assert_eq!(first.verdict, claim.truth.expected(), "{first:#?}");
        assert_eq!(
            (first.verdict, first.reason),
            (second.verdict, second.reason)
        );
    }
}

#[test]
fn a_program_that_measures_nothing_ends_in_an_entry_that_says_why() {
    let claim = claims::find(1).unwrap();
    let entry = |program: &str| Runner::new(program.into()).run(claim);
    let missing = entry("/no/such/program");
    assert_eq!(missing.verdict, Verdict::Skipped);
    assert!(
        missing.reason.contains("/no/such/program"),
        "{}",
        missing.reason
    );
    let fails = entry("/bin/false");
    assert_eq!(fails.verdict, Verdict::Unfinished);
    assert!(
        fails.reason.contains("exited with status 1"),
        "{}",
        fails.reason
    );
    assert_eq!((missing.number, missing.attempts), (1, 1));
}

#[test]
fn an_experiment_that_hangs_is_a_result_after_one_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let endless = folder.path().join("endless");
    // Written by another process: a child that another test forks while this
    // one had the file open would make executing it fail (ETXTBSY).
    let script = "printf '#!/bin/sh\\nexec sleep 1000\\n' > \"$0\" && chmod +x \"$0\"";
    let written = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(&endless)
        .status();
    assert!(written.unwrap().success());
    // Long enough for the program to fall asleep, however busy the machine is.
    let runner = Runner::new(endless).deadline(std::time::Duration::from_secs(10));
    let entry = runner.run(claims::find(1).unwrap());
    assert_eq!((entry.verdict, entry.attempts), (Verdict::Unfinished, 1));
    assert!(entry.contradicts());
    assert!(
        entry.reason.contains("its only thread slept"),
        "{}",
        entry.reason
    );
}
