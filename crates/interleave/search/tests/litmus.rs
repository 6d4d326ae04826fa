//! Litmus programs with the number of their executions.

mod common;

use common::explore;
use common::parse::parse;

/// The counts that other checkers of the same model report.
const LITMUS: &[(&str, &str, usize)] = &[
    ("SB", "x:=1 r; y a || y:=1 r; x a", 4),
    ("SB+4sc", "x:=1 sc; y sc || y:=1 sc; x sc", 3),
    ("SB+3sc+acq", "x:=1 sc; y sc || y:=1 sc; x a", 4),
    ("SB+2sc+scf", "x:=1 sc; y sc || y:=1; F sc; x", 3),
    ("SB+scfs", "x:=1; F sc; y || y:=1; F sc; x", 3),
    ("SB+rfis", "x:=1 r; x sc; y sc || y:=1 r; y sc; x sc", 4),
    ("2+2W", "x:=1 r; y:=2 r || y:=1 r; x:=2 r", 4),
    ("2+2W+4sc", "x:=1 sc; y:=2 sc || y:=1 sc; x:=2 sc", 3),
    ("2+2W+scfs", "x:=1; F sc; y:=2 || y:=1; F sc; x:=2", 3),
    ("MP", "x:=1 r; y:=1 r || y a; x a", 3),
    ("MP+rel+acq", "x:=1; y:=1 r || if y a { x }", 2),
    ("MP+rels+acq", "x:=1; y:=0 r; y:=1 || if y a { x }", 4),
    ("MP+relf+acqf", "x:=1; F r; y:=1 || if y { F a; x }", 2),
    (
        "MPU+rel+acq",
        "x:=1; y:=1 r || y+=1 || if y a > 1 { x:=2 }",
        6,
    ),
    (
        "MPU+rels+acq",
        "x:=1; y:=0 r; y:=1 || y+=1 || if y a > 1 { x:=2 }",
        13,
    ),
    ("S", "x:=2; y:=1 || y; x:=1", 4),
    ("S+rel+acq", "x:=1; y:=1 r || if y a { x:=2 }", 2),
    ("CoRR", "x:=1 r; x:=2 r || x a; x a", 6),
    ("CoRR1", "x:=1 r || x:=2 r || x a; x a || x a", 36),
    ("CoRW", "x a; x:=1 r || x:=2 r", 3),
    ("CoWR", "x:=1 r; x a || x:=2 r", 3),
    (
        "IRIW-acq-sc",
        "x:=1 sc || x a; y sc || y a; x sc || y:=1 sc",
        16,
    ),
    (
        "IRIWish",
        "x:=1 || s=x; y:=s r || x; F ar; y || y; F ar; x",
        28,
    ),
    ("LB", "y a; x:=1 r || x a; y:=1 r", 3),
    ("RWC+syncs", "x:=1 || x; F sc; y || y:=1; F sc; x", 7),
    ("W+RWC", "x:=1; z:=1 r || z a; F sc; y || y:=1; F sc; x", 7),
    ("W+RRR+W", "x:=1 || x; x; x || x:=2", 20),
    ("isa2", "u:=1; v:=1 r || v a; w:=1 r || w a; u a", 7),
    (
        "relseq",
        "x:=1; y:=1 r; y:=2 || exchange(y,3) || y; F ar; x",
        20,
    ),
    (
        "Z6+acq",
        "u:=1; F sc; v:=1 || v a; w:=1 || w:=2; F sc; u",
        7,
    ),
    (
        "inc+inc+RR+W+RR",
        "x+=1 || x+=1 || x; x || x:=42 || x; x",
        600,
    ),
    ("peterZ", "x:=1; F sc; y || y:=1; z:=1 r || z a; F sc; x", 7),
    ("ccr", "cas(x,0,42) || cas(x,0,17); x", 2),
    ("inc2w", "x+=1 || x:=4 r || x+=2", 6),
    ("riwi", "y; x+=1 || x+=1; y:=1 r", 3),
    (
        "atomicpo",
        "y:=1; F ar; x:=1 || exchange(x,1); exchange(y,1)",
        4,
    ),
    (
        "WWmerge1",
        "x a; y sc || x:=1 sc; x:=2 sc || y:=1 sc; x sc",
        17,
    ),
    ("small0", "x a || x a; x:=1 r || x:=2 r", 9),
    ("2x3", "x+=1; x+=1; x+=1 || x+=1; x+=1; x+=1", 20),
    ("3x2", "x+=1; x+=1 || x+=1; x+=1 || x+=1; x+=1", 90),
    (
        "3x3",
        "x+=1; x+=1; x+=1 || x+=1; x+=1; x+=1 || x+=1; x+=1; x+=1",
        1_680,
    ),
    (
        "4x2",
        "x+=1; x+=1 || x+=1; x+=1 || x+=1; x+=1 || x+=1; x+=1",
        2_520,
    ),
];

#[test]
fn every_litmus_program_has_its_number_of_executions() {
    let mut wrong = Vec::new();
    for (name, text, count) in LITMUS {
        let found = explore(&parse(text));
        if std::env::var_os("SHOW").is_some() {
            println!("{name}: {} runs, {} waited", found.runs, found.most_waiting);
        }
        let mut distinct = found.executions.clone();
        distinct.sort();
        distinct.dedup();
        if distinct.len() != *count || found.runs != *count as u64 {
            wrong.push(format!(
                "{name}: {} distinct executions in {} runs, expected {count}",
                distinct.len(),
                found.runs
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
