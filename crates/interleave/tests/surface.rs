//! The modelled std is complete: what stable std has in the modules that it replaces, it has too, with
//! the same signatures.
//!
//! `fixtures/surface/stable/*.txt` lists std's stable items. The test here compares the lists with
//! the installed rust-docs, so that a new Rust shows what it added; `BLESS=1 cargo test -p
//! interleave --test surface` writes the lists anew. The fixture's build script makes a use of each
//! line, and the fixture is compiled against std itself and against the modelled one: an item that is
//! missing there, or that has another signature, is a compile error that names the item.

#[path = "surface/docs.rs"]
mod docs;

// That these compile is the other half of this test.
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use docs::Docs;
use interleave_surface as _;
use interleave_surface_explored as _;

/// What is modelled, by the list it is in.
const MODULES: [(&str, &[&str]); 5] = [
    ("sync", &["sync"]),
    ("atomic", &["sync/atomic"]),
    ("mpsc", &["sync/mpsc"]),
    ("thread", &["thread"]),
    ("time_hint", &["time", "hint"]),
];

/// The modelled std has std's own types here, not types of its own, so their members need no list.
/// `these_types_are_stds_own` checks that.
const NAMES_ONLY: [&str; 15] = [
    "std::sync::Arc",
    "std::sync::Weak",
    "std::sync::PoisonError",
    "std::sync::TryLockError",
    "std::sync::atomic::Ordering",
    "std::sync::mpsc::RecvError",
    "std::sync::mpsc::RecvTimeoutError",
    "std::sync::mpsc::SendError",
    "std::sync::mpsc::TryRecvError",
    "std::sync::mpsc::TrySendError",
    "std::time::Duration",
    "std::time::SystemTime",
    "std::time::SystemTimeError",
    "std::time::TryFromFloatSecsError",
    "std::thread::Result",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/surface/stable")
}

/// What the list says that rust-docs does not, and the other way round.
fn difference(list: &str, documented: &[String]) -> Vec<String> {
    let listed: BTreeSet<_> = list.lines().collect();
    let documented: BTreeSet<_> = documented.iter().map(String::as_str).collect();
    let gone = listed
        .difference(&documented)
        .map(|line| format!("- {line}"));
    let new = documented
        .difference(&listed)
        .map(|line| format!("+ {line}"));
    gone.chain(new).collect()
}

#[test]
fn the_lists_are_what_rust_docs_says_is_stable() {
    let pages = match docs::installed() {
        Ok(pages) => pages,
        Err(reason) => {
            eprintln!("skipped: the lists are not compared with rust-docs, because {reason}");
            return;
        }
    };
    let mut docs = Docs::new(pages);
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, modules) in MODULES {
        let mut documented = Vec::new();
        for module in modules {
            documented.extend(docs.module(module, &NAMES_ONLY));
        }
        if name == "thread" {
            documented.extend(docs.root_macro("thread_local"));
        }
        let file = folder().join(format!("{name}.txt"));
        if bless {
            let text = documented.join("\n") + "\n";
            fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
        let list = fs::read_to_string(&file).unwrap_or_default();
        for line in difference(&list, &documented) {
            wrong.push(format!("{name}.txt: {line}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "std's stable interface is not what {} says:\n{}\n\
         `BLESS=1 cargo test -p interleave --test surface` writes the lists anew; after that, the\n\
         compiler names what crates/interleave/std/model lacks.",
        folder().display(),
        wrong.join("\n")
    );
}

/// Each pair of paths is one type, which only the same definition can be.
macro_rules! same {
    ($($($name:ident)::+ $(<$argument:ty>)?;)*) => {$(
        let _: fn(std::$($name)::+ $(<$argument>)?) -> interleave::std::$($name)::+ $(<$argument>)? = |it| it;
    )*
        let mut checked = vec![$(concat!("std" $(, "::", stringify!($name))+)),*];
        let mut claimed = NAMES_ONLY.to_vec();
        checked.sort_unstable();
        claimed.sort_unstable();
        assert_eq!(checked, claimed);
    };
}

#[test]
fn these_types_are_stds_own() {
    same! {
        sync::Arc<str>;
        sync::Weak<str>;
        sync::PoisonError<u8>;
        sync::TryLockError<u8>;
        sync::atomic::Ordering;
        sync::mpsc::RecvError;
        sync::mpsc::RecvTimeoutError;
        sync::mpsc::SendError<u8>;
        sync::mpsc::TryRecvError;
        sync::mpsc::TrySendError<u8>;
        time::Duration;
        time::SystemTime;
        time::SystemTimeError;
        time::TryFromFloatSecsError;
        thread::Result<u8>;
    }
}

#[test]
fn every_exception_is_about_something_in_the_lists() {
    let mut lists = String::new();
    for (name, _) in MODULES {
        let file = folder().join(format!("{name}.txt"));
        lists += &fs::read_to_string(&file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }
    let exceptions = include_str!("../fixtures/surface/exceptions.txt");
    for line in exceptions
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (item, reason) = line.split_once(" -- ").expect("a line has a reason");
        let (_, item) = item.split_once(": ").expect("a line has a kind");
        let (path, member) = item.split_once(" :: ").unwrap_or((item, ""));
        let path = path.trim_end_matches('*');
        let is_listed = |line: &str| line.starts_with(path) && line.contains(member);
        assert!(
            lists.lines().any(is_listed),
            "nothing in the lists is {item}"
        );
        assert!(reason.len() > 20, "{item} needs a reason");
    }
}
