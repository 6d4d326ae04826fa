//! A small book that is right, and what is said when one rule is broken.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use bookbinder::{Fault, bind, check, record};
use judging::Course;
use tempfile::TempDir;

const PAGE: &str = "\
# A page

Nobody waits for {{#given 5 s}}. It printed {{#value hello (h.*)}}.

{{#code crates/a/src/lib.rs#one}}

{{#code crates/a/src/lib.rs:part}}

{{#run hello}}

{{#run hello 1-1}}

{{#figure trace}}

{{#exercises things}}

{{#predict p-one}}

{{#quiz page}}

{{#ledger}}

See [above](#a-page), [the other page](other.md#the-other-page) and [the source](repo:crates/a/src/lib.rs).
";

const QUIZ: &str = r#"
[[predict]]
id = "p-one"
prompt = "One or two?"
choices = ["one", "two"]
answer = "two"
reveal = "Two: {{#value hello (h.*)}}."
"#;

const QUESTION: &str = r#"
[[question]]
prompt = "Which?"
[[question.answer]]
text = "this"
right = true
why = "It is."
[[question.answer]]
text = "that"
why = "It is not."
[[question.answer]]
text = "none"
why = "One is."
"#;

struct Book {
    folder: TempDir,
}

impl Book {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let book = Book { folder };
        let mut claims = String::new();
        for number in 1..=84 {
            let _ = write!(
                claims,
                "[[claim]]\nnumber = {number}\nsays = \"s\"\ntruth = \"True\"\nwhy = \"w\"\n"
            );
        }
        let machine = r#"{"processor":null,"architecture":"x","cpus":1,"virtual_machine":false,"kernel":null,"huge_pages":null,"ptrace_scope":null,"root":false,"load":null}"#;
        for (path, text) in [
            (
                "exercises/course.toml",
                "[[exercise]]\nid = \"thing\"\ntopic = \"things\"\ntitle = \"A thing\"\nminutes = 5\npoints = 1\nneeds = []\nstub = { outcome = \"panic\", cause = \"x\" }\n",
            ),
            (
                "crates/a/src/lib.rs",
                "/// Doc.\npub fn one() {}\n\nfn two() {\n    // ANCHOR: part\n    one();\n    // ANCHOR_END: part\n}\n",
            ),
            (
                "book/book.toml",
                "[book]\ntitle = \"T\"\nsrc = \"src\"\n[build]\nuse-default-preprocessors = false\ncreate-missing = false\n",
            ),
            (
                "book/src/SUMMARY.md",
                "# Summary\n\n- [A page](page.md)\n- [Other](other.md)\n",
            ),
            ("book/src/page.md", PAGE),
            ("book/src/other.md", "# The other page\n"),
            ("book/claims.toml", &claims),
            (
                "book/records/ledger.json",
                &format!("{{\"machine\":{machine},\"entries\":[]}}"),
            ),
            (
                "book/records/hello.txt",
                "command: printf 'hello\\n%s\\n' $$\nvaries: \\d+\n\nhello\n17\n",
            ),
            (
                "book/records/trace.txt",
                "command: cat trace.json\n\n{\"kind\":\"bars\",\"unit\":\"calls\",\"bars\":[{\"name\":\"a\",\"value\":1}]}\n",
            ),
            (
                "trace.json",
                "{\"kind\":\"bars\",\"unit\":\"calls\",\"bars\":[{\"name\":\"a\",\"value\":1}]}\n",
            ),
            (
                "book/quizzes/page.toml",
                &(QUIZ.to_owned() + &QUESTION.repeat(4)),
            ),
        ] {
            book.write(path, text);
        }
        book
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn change(&self, path: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.root().join(path)).unwrap();
        assert!(text.contains(old), "{path} has no {old}");
        self.write(path, &text.replacen(old, new, 1));
    }

    fn course(&self) -> Course {
        Course::open(self.root()).unwrap()
    }

    fn bind(&self) -> Result<Vec<Fault>, String> {
        let out = self.root().join("out");
        bind(&self.course(), &out, &self.root().join("target")).map(|bound| bound.faults)
    }
}

#[test]
fn a_right_book_has_no_faults_and_shows_everything() {
    let book = Book::new();
    assert_eq!(book.bind().unwrap(), []);
    let page = fs::read_to_string(book.root().join("out/page.html")).unwrap();
    for part in [
        "waits for 5 s",
        "It printed hello.",
        "pub fn one() {}",
        "one();",
        "$ printf",
        "a: 1 calls",
        "cargo course check thing",
        "Show the answer",
        "Question 4",
        "Claim 84",
        "Not measured",
    ] {
        assert!(page.contains(part), "{part} is missing");
    }
    assert!(!page.contains("ANCHOR") && !page.contains("Doc."), "{page}");
    let source = book.root().join("out/source/crates/a/src/lib.rs.txt");
    assert!(
        source.is_file(),
        "the book carries the sources to which it links"
    );
}

#[test]
fn each_broken_rule_is_named_with_its_place_and_what_to_do() {
    let page = "book/src/page.md";
    for (path, old, new, parts) in [
        (
            page,
            "lib.rs#one",
            "lib.rs#three",
            ["book/src/page.md:5: ", "no item `three`"],
        ),
        (
            page,
            "lib.rs:part",
            "lib.rs:whole",
            ["book/src/page.md:7: ", "ANCHOR: whole"],
        ),
        (
            page,
            "a/src/lib.rs#one",
            "b/src/lib.rs#one",
            ["page.md:5: ", "crates/b/src/lib.rs cannot be read"],
        ),
        (
            page,
            "{{#run hello}}",
            "{{#run hallo}}",
            ["page.md:9: ", "no recording `hallo`"],
        ),
        (
            page,
            "hello 1-1",
            "hello 1-9",
            ["page.md:11: ", "2 lines of output"],
        ),
        (
            page,
            "{{#figure trace}}",
            "{{#figure hello}}",
            ["page.md:13: ", "no trace"],
        ),
        (
            page,
            "{{#exercises things}}",
            "",
            [
                "exercises/course.toml: ",
                "no chapter mentions the exercise `thing`",
            ],
        ),
        (
            page,
            "{{#exercises things}}",
            "{{#exercises stuff}}",
            ["page.md:15: ", "no exercise of the topic `stuff`"],
        ),
        (
            page,
            "{{#predict p-one}}",
            "",
            [
                "book/quizzes/page.toml: ",
                "no chapter uses the gate `p-one`",
            ],
        ),
        (
            page,
            "{{#predict p-one}}",
            "{{#predict p-two}}",
            ["page.md:17: ", "id `p-two`"],
        ),
        (
            page,
            "{{#quiz page}}",
            "",
            ["book/quizzes/page.toml: ", "{{#quiz page}}"],
        ),
        (
            page,
            "{{#given 5 s}}",
            "5 s",
            ["page.md:3: ", "typed by hand"],
        ),
        (page, "(h.*)", "(x.*)", ["page.md:3: ", "finds nothing"]),
        (
            page,
            "{{#ledger}}",
            "{{#legder}}",
            ["page.md:21: ", "no directive `{{#legder}}`"],
        ),
        (
            page,
            "other.md#the-other-page",
            "other.md#another",
            ["page.md:23: ", "no heading with the id `another`"],
        ),
        (
            page,
            "other.md#the-other-page",
            "third.md",
            ["page.md:23: ", "leads nowhere"],
        ),
        (
            page,
            "repo:crates/a",
            "repo:crates/b",
            ["page.md:23: ", "no file crates/b/src/lib.rs"],
        ),
        (
            page,
            "# A page",
            "# A page\n\n```rust\nfn f() {}\n```",
            ["page.md:3: ", "Rust is typed by hand"],
        ),
        (
            page,
            "# A page",
            "# A page\n\n![](a.png)",
            ["page.md:3: ", "alternative text"],
        ),
        (
            page,
            "# A page",
            "# A page\n\n<script src=\"https://x/y.js\"></script>",
            ["page.md:3: ", "works offline"],
        ),
        (
            "book/quizzes/page.toml",
            "answer = \"two\"",
            "answer = \"three\"",
            ["page.md:17: ", "none of its choices"],
        ),
        (
            "book/quizzes/page.toml",
            "why = \"It is.\"",
            "why = \"It takes 3 ms.\"",
            ["book/quizzes/page.toml:14: ", "typed by hand"],
        ),
        (
            "book/claims.toml",
            "why = \"w\"",
            "why = \"3 times as long\"",
            ["book/claims.toml:5: ", "typed by hand"],
        ),
        (
            "book/quizzes/page.toml",
            "right = true",
            "right = false",
            ["page.md:19: ", "no answer is right"],
        ),
        (
            "book/quizzes/page.toml",
            "why = \"It is.\"",
            "why = \"\"",
            ["page.md:19: ", "has no `why`"],
        ),
        (
            "book/quizzes/page.toml",
            "[[question]]\n",
            "[[question]]\npossible = \"hello\"\n",
            ["page.md:19: ", "the explorer found"],
        ),
        (
            "book/records/hello.txt",
            "command: ",
            "commando: ",
            ["page.md:", "unknown line `commando"],
        ),
    ] {
        let book = Book::new();
        book.change(path, old, new);
        let faults = book.bind().unwrap();
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert!(
            said.iter()
                .any(|fault| parts.iter().all(|part| fault.contains(part))),
            "{new:?} in {path}: {parts:?} is not in {said:#?}"
        );
    }
}

#[test]
fn a_folder_that_is_no_book_is_left_as_it_is() {
    let book = Book::new();
    let into = |path: &Path| bind(&book.course(), path, &book.root().join("target"));
    let said = into(book.root()).unwrap_err();
    assert!(said.contains("everything in it would be removed"), "{said}");
    assert!(book.root().join("book/src/page.md").is_file());
    let file = book.root().join("trace.json");
    assert!(into(&file).is_err() && file.is_file());
    let empty = book.root().join("empty");
    fs::create_dir(&empty).unwrap();
    for _ in 0..2 {
        into(&empty).unwrap();
    }
}

#[test]
fn a_recording_that_nobody_shows_is_a_fault() {
    let book = Book::new();
    book.write("book/records/unused.txt", "command: true\n\n");
    let faults = book.bind().unwrap();
    assert_eq!(faults.len(), 1);
    assert!(
        faults[0]
            .to_string()
            .contains("no chapter shows this recording")
    );
}

#[test]
fn a_topic_without_its_headings_is_a_fault() {
    let book = Book::new();
    book.write(
        "book/src/SUMMARY.md",
        "# Summary\n\n- [A page](page.md)\n- [Other](other.md)\n- [IPC](ipc.md)\n",
    );
    book.write("book/src/ipc.md", "# IPC\n\n## Predict\n");
    let faults = book.bind().unwrap();
    let said = faults[0].to_string();
    assert!(
        said.starts_with("book/src/ipc.md:3: ") && said.contains("What you will be able to do"),
        "{said}"
    );
}

#[test]
fn a_claim_that_is_missing_or_malformed_stops_the_build() {
    for (path, old, new, part) in [
        (
            "book/claims.toml",
            "number = 21\n",
            "number = 200\n",
            "claim 21 is neither",
        ),
        (
            "book/claims.toml",
            "truth = ",
            "thruth = ",
            "book/claims.toml",
        ),
        ("book/records/ledger.json", "{", "[", "book record ledger"),
        ("book/src/SUMMARY.md", "(other.md)", "(gone.md)", "gone.md"),
    ] {
        let book = Book::new();
        book.change(path, old, new);
        let said = book.bind().unwrap_err();
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_recorded_run_is_compared_and_recorded_anew() {
    let book = Book::new();
    let wrong = |name: &str| {
        check(&book.course(), |_| {})
            .iter()
            .map(ToString::to_string)
            .filter(|fault| fault.contains(name))
            .collect::<Vec<_>>()
    };
    assert_eq!(wrong("hello"), Vec::<String>::new(), "a number varies");
    book.change("book/records/hello.txt", "\n\nhello", "\n\nhallo");
    let found = wrong("hello");
    assert!(found[0].contains("`hallo` became `hello`"), "{found:?}");
    record(&book.course(), "hello").unwrap();
    assert_eq!(wrong("hello"), Vec::<String>::new());
    book.change("book/records/hello.txt", "printf", "false; printf");
    record(&book.course(), "hello").unwrap();
    book.change("book/records/hello.txt", "command: ", "exit: 7\ncommand: ");
    assert!(wrong("hello")[0].contains("instead of exit code 7"));
    let missing = record(&book.course(), "missing").unwrap_err();
    assert!(
        missing.contains("there is no recording `missing`"),
        "{missing}"
    );
}

/// Prints the number of its run, from 1.
const COUNTING: &str = "echo >> runs.txt; wc -l < runs.txt";

fn counted(output: &str) -> Book {
    let book = Book::new();
    book.write(
        "book/records/hello.txt",
        &format!("command: {COUNTING}\n\n{output}\n"),
    );
    book
}

#[test]
fn a_recording_holds_if_one_of_three_runs_prints_it() {
    for (recorded, said, faults) in [("1", 0, 0), ("3", 1, 0), ("4", 0, 1)] {
        let book = counted(recorded);
        let mut lines = Vec::new();
        let found = check(&book.course(), |line| lines.push(line.to_owned()));
        let found = found
            .iter()
            .filter(|fault| fault.to_string().contains("hello"));
        assert_eq!(found.count(), faults, "recorded {recorded}");
        let differed = lines
            .iter()
            .filter(|line| line.contains("one run differed"));
        assert_eq!(differed.count(), said, "{lines:?}");
    }
}

#[test]
fn what_changes_from_run_to_run_is_not_recorded() {
    let book = counted("1");
    let why = record(&book.course(), "hello").unwrap_err();
    assert!(why.contains("`1` became `2`"), "{why}");
    assert!(why.contains("varies: REGEX"), "{why}");
    let kept = fs::read_to_string(book.root().join("book/records/hello.txt")).unwrap();
    assert!(kept.ends_with("\n\n1\n"), "{kept}");
    book.change("book/records/hello.txt", "\n\n", "\nvaries: \\d+\n\n");
    record(&book.course(), "hello").unwrap();
}
