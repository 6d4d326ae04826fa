//! A small course in a folder of its own, and the real command in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The exercise `add-one`: its stub, a solution, and its tests.
pub(crate) const STUB: &str = "//! Adds.\n\n/// C1: One more than `n`.\npub fn add_one(_n: u64) -> u64 {\n    todo!(\"add one\")\n}\n";
pub(crate) const RIGHT: &str =
    "//! Adds.\n\n/// One more than `n`.\npub fn add_one(n: u64) -> u64 {\n    n + 1\n}\n";
pub(crate) const WRONG: &str =
    "//! Adds.\n\n/// One more than `n`.\npub fn add_one(n: u64) -> u64 {\n    n + 2\n}\n";

const TESTS: &str = "//! Adding.\nproctor::exercise!(add_one);\nuse proctor::Subject;\n\n\
    #[proctor::test(clauses = [1], subject = |n: u64| add_one::add_one(n))]\n\
    fn one_is_added(mut subject: Subject) {\n    let n = proctor::random::<u32>() as u64;\n    \
    assert_eq!(subject.ask(&n).value, n + 1, \"one more than {n}\");\n}\n\n\
    mod worlds {\n    use proctor::Subject;\n\n    \
    #[proctor::test(clauses = [1], subject = |n: u64| add_one::add_one(n))]\n    \
    fn zero_has_a_successor(mut subject: Subject) {\n        \
    assert_eq!(subject.ask(&0).value, 1);\n    }\n}\n";

const CATALOGUE: &str = "[[exercise]]\nid = \"add-one\"\ntopic = \"sums\"\ntitle = \"Add one\"\nminutes = 1\npoints = 1\n\
    needs = []\nstub = { outcome = \"panic\", cause = \"not yet implemented\" }\n";

const PACKAGE: &str = "version = \"0.1.0\"\nedition = \"2024\"\npublish = false\n";

/// What a test holds while it builds: a lock against the other tests of this
/// program, and one against other test programs (nextest runs each test in a
/// program of its own).
type Turn = (MutexGuard<'static, ()>, File);

pub(crate) struct Fixture {
    pub(crate) root: PathBuf,
    /// Tests that build use one folder, one after the other, so that cargo
    /// builds the course's own crates only once.
    _turn: Option<Turn>,
}

impl Fixture {
    /// A fresh course. Each test has its own `name`, so that tests share only
    /// what cargo has built.
    pub(crate) fn new(name: &str) -> Fixture {
        Fixture::in_turn(name, None)
    }

    /// A fresh course in which cargo may be called.
    pub(crate) fn built() -> Fixture {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        fs::create_dir_all(home()).unwrap();
        let lock = File::create(home().join("lock")).unwrap();
        lock.lock().unwrap();
        Fixture::in_turn("built", Some((turn, lock)))
    }

    fn in_turn(name: &str, turn: Option<Turn>) -> Fixture {
        let root = home().join(name);
        let _ = fs::remove_dir_all(&root);
        let fixture = Fixture { root, _turn: turn };
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let proctor = crates.join("proctor").canonicalize().unwrap();
        fixture.write(
            "Cargo.toml",
            &format!(
                "[workspace]\nresolver = \"3\"\nmembers = [\"exercises/*/*\"]\n\n[workspace.dependencies]\n\
                 proctor = {{ path = {proctor:?} }}\n\n[profile.dev]\ndebug = false\nincremental = false\n"
            ),
        );
        let lock = crates.join("../Cargo.lock");
        fixture.write("Cargo.lock", &fs::read_to_string(lock).unwrap());
        fixture.write("exercises/course.toml", CATALOGUE);
        let manifest = format!(
            "[package]\nname = \"add-one\"\n{PACKAGE}\n[[test]]\nname = \"add-one\"\npath = \"tests/add-one.rs\"\n\n\
             [dependencies]\n\n[dev-dependencies]\nproctor.workspace = true\n"
        );
        fixture.exercise("Cargo.toml", &manifest);
        fixture.exercise("README.md", "# Add one\n\n`cargo course check add-one`\n");
        fixture.exercise(
            "hints.md",
            "# Hints\n\n## Hint 1\n\nCount.\n\n## Hint 2\n\nUse +.\n\n## Hint 3\n\nn + 1.\n",
        );
        fixture.exercise("src/lib.rs", STUB);
        fixture.exercise("tests/add-one.rs", TESTS);
        fixture.write("solutions/sums/add-one/src/lib.rs", RIGHT);
        fixture.write("solutions/sums/add-one/mistakes/two.patch", PATCH);
        fixture.keep();
        fixture
    }

    /// Keeps the exercise's files as they are now, as `verify --bless` does.
    pub(crate) fn keep(&self) {
        let course = judging::Course::open(&self.root).unwrap();
        let exercise = course.exercise("add-one").unwrap();
        judging::exercise::originals::keep(exercise).unwrap();
    }

    /// A file of the exercise.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join("exercises/sums/add-one").join(name)
    }

    pub(crate) fn exercise(&self, name: &str, text: &str) {
        self.write(&format!("exercises/sums/add-one/{name}"), text);
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.root.join(name)).unwrap()
    }

    /// The command with these words, not started yet.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.command_of(words.first().unwrap_or(&""), words)
    }

    /// These words for the program that runs `cargo course WORD`.
    pub(crate) fn command_of(&self, word: &str, words: &[&str]) -> Command {
        let mut command = Command::new(crate::program(word));
        command
            .args(words)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.target())
            .env_remove("RUST_BACKTRACE");
        command
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> PathBuf {
        home().join("../..")
    }

    /// The lock that keeps the command from building while the test holds it.
    pub(crate) fn builds_lock(&self) -> File {
        let path = self.target().join("course/lock");
        let lock = File::create(path).unwrap();
        lock.lock().unwrap();
        lock
    }

    pub(crate) fn run(&self, words: &[&str]) -> Said {
        Said::of(self.command(words).output().unwrap())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}

const PATCH: &str = "What: adds two.\nClause: 1\nTempts: it is close.\nTest: one_is_added\nOutcome: fail\nCause: one more than\n\
    Explain: Count on your fingers: you end one finger too far.\n\n\
    --- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -3,4 +3,4 @@\n /// One more than `n`.\n pub fn add_one(n: u64) -> u64 {\n\
    -    n + 1\n+    n + 2\n }\n";

fn home() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("courses")
}

/// What a command said, and its exit code.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn of(output: Output) -> Said {
        Said {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Demands one sentence on standard error, nothing on standard output,
    /// and the exit code of "could not judge".
    #[track_caller]
    pub(crate) fn could_not(&self, fragment: &str) {
        assert_eq!(self.code, 2, "{self:?}");
        assert!(self.err.contains(fragment), "no {fragment:?} in {self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
    }

    #[track_caller]
    pub(crate) fn says(&self, code: i32, fragment: &str) {
        assert_eq!(self.code, code, "{self:?}");
        assert!(self.out.contains(fragment), "no {fragment:?} in {self:?}");
    }
}
