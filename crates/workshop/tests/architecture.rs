//! The invariants of ARCHITECTURE.md that `cargo metadata` can see.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const TOPICS: [(&str, &[&str]); 6] = [
    ("processes", &[]),
    ("ipc", &["processes", "interleave-futex"]),
    ("threads", &["sync"]),
    // It lies in interleave's folder, because an explored crate replaces it by a modelled one.
    ("sync", &["interleave-futex"]),
    (
        "context-switch",
        &[
            "processes",
            "ipc",
            "threads",
            "sync",
            "coroutines",
            "interleave-futex",
        ],
    ),
    ("coroutines", &["sync"]),
];

/// The packages of the workspace, each with the crates of the workspace that it
/// uses (not counting dev-dependencies), and its folder below the root.
struct House {
    uses: BTreeMap<String, BTreeSet<String>>,
    folders: BTreeMap<String, String>,
}

impl House {
    fn read() -> House {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let root = root.canonicalize().unwrap();
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
            .current_dir(&root)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
        let mut house = House {
            uses: BTreeMap::new(),
            folders: BTreeMap::new(),
        };
        for package in metadata["packages"].as_array().unwrap() {
            let name = package["name"].as_str().unwrap().to_owned();
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            let folder = manifest.parent().unwrap().strip_prefix(&root).unwrap();
            house
                .folders
                .insert(name.clone(), folder.display().to_string());
            let dependencies = package["dependencies"].as_array().unwrap();
            let ours = dependencies
                .iter()
                .filter(|one| one["path"].is_string() && one["kind"] != "dev")
                .map(|one| one["name"].as_str().unwrap().to_owned());
            house.uses.insert(name, ours.collect());
        }
        house
    }

    /// The packages in `crates/`.
    fn crates(&self) -> impl Iterator<Item = &String> {
        let is_crate = |(_, folder): &(&String, &String)| folder.starts_with("crates/");
        self.folders.iter().filter(is_crate).map(|(name, _)| name)
    }

    /// All that a package uses, directly or through others.
    fn reach(&self, name: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![name.to_owned()];
        while let Some(next) = open.pop() {
            for used in &self.uses[&next] {
                if found.insert(used.clone()) {
                    open.push(used.clone());
                }
            }
        }
        found
    }
}

/// Cargo puts all examples into one folder, so one of two with the same name
/// would replace the other.
#[test]
fn no_two_examples_have_the_same_name() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let examples = entry.unwrap().path().join("examples");
        for example in std::fs::read_dir(&examples).into_iter().flatten() {
            let path = example.unwrap().path();
            if path.extension().is_some_and(|end| end == "rs") {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                let place = path.display().to_string();
                if let Some(other) = seen.insert(name, place.clone()) {
                    panic!("{place} and {other} have the same name");
                }
            }
        }
    }
    assert!(seen.len() > 30, "{seen:?}");
}

#[test]
fn nobody_uses_a_program() {
    let house = House::read();
    for (name, uses) in &house.uses {
        for program in ["course", "workshop", "claims", "bookbinder"] {
            assert!(!uses.contains(program), "{name} uses {program}");
        }
    }
}

#[test]
fn a_topic_library_uses_no_tool() {
    let house = House::read();
    for (topic, may) in TOPICS {
        for used in &house.uses[topic] {
            assert!(may.contains(&used.as_str()), "{topic} uses {used}");
        }
    }
    assert_eq!(house.uses["interleave-futex"], BTreeSet::new());
}

#[test]
fn records_use_no_crate_of_the_course() {
    assert_eq!(House::read().uses["records"], BTreeSet::new());
}

#[test]
fn an_exercise_uses_no_crate_of_the_course_but_the_futex() {
    let house = House::read();
    let none = BTreeSet::new();
    let futex = BTreeSet::from(["interleave-futex".to_owned()]);
    for (name, folder) in &house.folders {
        let is_world = folder.ends_with("/explored");
        if (folder.starts_with("exercises/") || folder.starts_with("solutions/")) && !is_world {
            let uses = &house.uses[name];
            assert!(*uses == none || *uses == futex, "{name} uses {uses:?}");
        }
    }
}

#[test]
fn a_learner_compiles_no_explorer_no_ledger_and_no_authors_tool() {
    let house = House::read();
    let allowed = [
        "interleave-futex",
        "ipc",
        "judging",
        "processes",
        "proctor",
        "proctor-macros",
        "records",
    ];
    let reach = house.reach("course");
    let allowed: BTreeSet<String> = allowed.iter().map(ToString::to_string).collect();
    assert_eq!(reach, allowed);
}

#[test]
fn every_crate_is_on_the_map() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let map = std::fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let house = House::read();
    for name in house.crates() {
        let folder = &house.folders[name];
        let top = folder.split('/').nth(1).unwrap();
        // What lies within another crate's folder is explained there.
        let is_inner = folder.split('/').count() > 2;
        let is_part = top == "example-output";
        assert!(
            is_inner || is_part || map.contains(top),
            "{folder} is not on the map"
        );
    }
}
