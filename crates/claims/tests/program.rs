//! The program `claims` as its users see it.

use std::process::{Command, Output};

use records::ledger::{Ledger, Truth, Verdict};

fn claims(arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_claims"));
    program.args(arguments).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn chosen_claims_come_as_one_table_in_their_order() {
    let output = claims(&["70", "1", "70"]);
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let (first, second) = (text.find("\n  1  holds "), text.find("\n 70  holds "));
    assert!(first.is_some() && first < second, "{text}");
    for part in [
        "35 heartbeats beside a worker that yields, but\n",
        "only 1 beside a worker that never yields.",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(text.contains("2 claims: 2 hold\n"), "{text}");
    assert!(
        !text.contains('\x1b'),
        "there are no colors if the output is not a terminal"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 96),
        "{text}"
    );
    assert!(
        output.stderr.is_empty(),
        "there is no progress bar without a terminal"
    );
}

#[test]
fn the_json_is_a_whole_ledger() {
    let output = claims(&["only", "66", "--json"]);
    let ledger: Ledger = serde_json::from_slice(&output.stdout).unwrap();
    assert!(ledger.machine.cpus >= 1);
    let [entry] = ledger.entries.as_slice() else {
        panic!("one claim was chosen: {ledger:?}")
    };
    assert_eq!((entry.number, entry.truth), (66, Truth::True));
    assert!(matches!(entry.verdict, Verdict::Holds | Verdict::TooNoisy));
    assert_eq!(entry.notes.facts[0].found, "1000000");
}

#[test]
fn show_explains_with_facts_and_the_code() {
    let output = claims(&["show", "70"]);
    let text = printed(&output);
    for part in [
        "70. A coroutine that never yields starves the other coroutines: they cannot run.",
        "claimed in \"Process vs Thread: A Comprehensive Technical Overview\"",
        "holds: Another coroutine counted 35 heartbeats",
        "heartbeats beside a worker that yields after each piece: 35",
        "crates/claims/src/experiments/coroutines.rs",
        "fn heartbeats_beside_a_worker(record: &mut Record) -> Judged {",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn show_draws_what_was_measured() {
    let text = printed(&claims(&["show", "67"]));
    assert!(
        text.contains("▇") && text.contains("medians with 95 % confidence intervals"),
        "{text}"
    );
    assert!(
        text.contains("a switch between threads / a switch between coroutines: "),
        "{text}"
    );
    let before_code = text.lines().take_while(|line| !line.starts_with("crates/"));
    assert!(
        before_code
            .into_iter()
            .all(|line| line.chars().count() <= 96),
        "{text}"
    );
}

#[test]
fn pictures_are_drawn_for_what_has_figures() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("new").join("pictures");
    let output = claims(&["only", "67", "70", "--svg", pictures.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let picture = std::fs::read_to_string(pictures.join("claim-67.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    assert!(
        !pictures.join("claim-70.svg").exists(),
        "claim 70 has no figures"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = claims(&["only", "67", "--svg", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("cannot write") && said.contains(file.to_str().unwrap()),
        "{said}"
    );
}

#[test]
fn a_number_without_an_experiment_is_refused_with_what_to_do() {
    for arguments in [["show", "4"], ["only", "999"]] {
        let output = claims(&arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2));
        assert!(
            said.contains(arguments[1]) && said.contains("claims list"),
            "{said}"
        );
    }
    assert_eq!(claims(&["show", "soon"]).status.code(), Some(2));
    assert_eq!(claims(&["only"]).status.code(), Some(2));
}

#[test]
fn list_says_what_there_is() {
    let text = printed(&claims(&["list"]));
    assert_eq!(
        text.lines()
            .filter(|line| !line.starts_with("     "))
            .count(),
        ::claims::claims().len()
    );
    assert!(
        text.starts_with("  1  Each process has its own memory"),
        "{text}"
    );
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_claims"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = program.args(["only", "1"]).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
