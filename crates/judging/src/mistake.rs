//! Known mistakes: `solutions/TOPIC/EXERCISE/mistakes/*.patch`.
//!
//! Each is a diff against the solution's `src/lib.rs` below a header:
//!
//! ```text
//! What: stores the flag with Relaxed.
//! Clause: 5
//! Tempts: the test that counts passes on x86 all the same.
//! Test: what_the_lock_protects_is_seen_by_the_next
//! Outcome: fail
//! Cause: data race
//! Source: Relaxed; !fence
//! Explain: one paragraph for the learner who made it;
//!   it goes on in lines that are indented.
//!
//! --- a/src/lib.rs
//! …
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use proctor::{Outcome, Record};
use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StrDeserializer};
use serde::{Deserialize, Serialize};

use crate::exercise::catalogue::{Exercise, NO_SOLUTIONS};
use crate::files;
use crate::signatures::Signatures;
use crate::trouble::Trouble;

/// One known mistake.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mistake {
    /// The file's name without `.patch`.
    pub name: String,
    /// What the code does wrong.
    pub what: String,
    /// The clauses of the contract that it breaks. There is only one, unless no
    /// mistake can break that clause alone.
    pub clauses: Vec<u32>,
    /// Why a programmer writes it.
    pub tempts: String,
    /// The test that must reject it.
    pub test: String,
    /// The outcome of that test.
    pub outcome: Outcome,
    /// What the recorded cause must contain.
    pub cause: String,
    /// What a source must contain to have this mistake, or (after a `!`) must
    /// not contain: tokens that follow one another.
    #[serde(default)]
    pub source: Vec<String>,
    /// The explanation for a learner who made it.
    pub explain: String,
    /// The diff. The explanations of a bundle do not contain it, because it
    /// shows the solution.
    #[serde(skip)]
    diff: String,
}

/// The outcome of this name.
pub fn outcome(name: &str) -> Option<Outcome> {
    let name: StrDeserializer<'_, ValueError> = name.into_deserializer();
    Outcome::deserialize(name).ok()
}

impl Mistake {
    /// Parses a patch with its header.
    ///
    /// # Errors
    /// A sentence that says what is missing or wrong in the header.
    pub fn parse(name: &str, text: &str) -> Result<Mistake, String> {
        let (header, diff) = parted(text)?;
        let fields = fields(header)?;
        let field = |key: &str| {
            fields
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.clone())
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("its header has no `{key}:`"))
        };
        if let Some((unknown, _)) = fields.iter().find(|(key, _)| !KEYS.contains(&key.as_str())) {
            return Err(format!(
                "its header has an unknown key `{unknown}:`; the keys are {}",
                KEYS.join(", ")
            ));
        }
        let ending = field("Outcome")?;
        Ok(Mistake {
            name: name.to_owned(),
            what: field("What")?,
            clauses: clauses(&field("Clause")?)?,
            tempts: field("Tempts")?,
            test: field("Test")?,
            outcome: outcome(&ending).ok_or_else(|| format!("`{ending}` is not an outcome"))?,
            cause: field("Cause")?,
            source: field("Source").map_or_else(|_| Vec::new(), |text| conditions(&text)),
            explain: field("Explain")?,
            diff: diff.to_owned(),
        })
    }

    /// The solution with this mistake in it.
    ///
    /// # Errors
    /// The diff is malformed or does not fit.
    pub fn applied_to(&self, solution: &str) -> Result<String, String> {
        apply(&self.diff, solution)
    }

    /// Whether this record is the rejection that the mistake must get.
    pub fn is_rejected_by(&self, record: &Record) -> bool {
        record.test == self.test
            && record.outcome == self.outcome
            && record.cause.contains(&self.cause)
    }

    /// Whether a source could have this mistake, as far as its tokens tell.
    pub fn is_possible_in(&self, source: &str) -> bool {
        let tokens = tokens(source);
        let holds = |words: &str| {
            let wanted = loose_tokens(words);
            !wanted.is_empty() && tokens.windows(wanted.len()).any(|part| part == wanted)
        };
        self.source
            .iter()
            .all(|condition| match condition.strip_prefix('!') {
                Some(absent) => !holds(absent),
                None => holds(condition),
            })
    }
}

/// The text above a diff, and the diff.
///
/// # Errors
/// A sentence that says that there is no diff.
pub fn parted(text: &str) -> Result<(&str, &str), String> {
    let start = if text.starts_with("--- ") {
        0
    } else {
        text.find("\n--- ")
            .ok_or("it contains no diff: no line begins with `--- `")?
            + 1
    };
    Ok(text.split_at(start))
}

/// Applies a diff to a text, such as the solution.
///
/// # Errors
/// The diff is malformed, does not fit, or changes nothing.
pub fn apply(diff: &str, base: &str) -> Result<String, String> {
    let patch = diffy::Patch::from_str(diff).map_err(|error| error.to_string())?;
    let changed = diffy::apply(base, &patch).map_err(|_| misfit(&patch, base))?;
    if changed == base {
        return Err("it changes nothing".into());
    }
    Ok(changed)
}

/// Says which part of a diff does not fit, and what to do.
fn misfit(patch: &diffy::Patch<'_, str>, base: &str) -> String {
    use diffy::Line;
    let all = patch.hunks().len();
    let lines: Vec<&str> = base.lines().collect();
    for (number, hunk) in patch.hunks().iter().enumerate() {
        let old = hunk.lines().iter().filter_map(|line| match line {
            Line::Context(text) | Line::Delete(text) => Some(text.trim_end_matches('\n')),
            Line::Insert(_) => None,
        });
        let old: Vec<&str> = old.collect();
        if old.is_empty() || lines.windows(old.len()).any(|part| part == old) {
            continue;
        }
        // The line that is missing says the most.
        let lost = old.iter().find(|line| !lines.contains(*line));
        let lost = lost.map_or_else(String::new, |line| {
            format!(": the file has no line `{}`", line.trim())
        });
        return format!(
            "part {} of {all} of the diff (`@@ -{}`) does not fit the file that it changes{lost}. Make the mistake \
             again in a copy of the file as it is now, and replace the diff with what `diff -u` prints",
            number + 1,
            hunk.old_range(),
        );
    }
    "the parts of the diff do not fit the file that it changes in this order".to_owned()
}

/// The tokens of a text in one flat list. It is empty if the text is not Rust.
fn tokens(text: &str) -> Vec<String> {
    fn flatten(stream: TokenStream, all: &mut Vec<String>) {
        for token in stream {
            match token {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    all.push(open.to_owned());
                    flatten(group.stream(), all);
                    all.push(close.to_owned());
                }
                other => all.push(other.to_string()),
            }
        }
    }
    let mut all = Vec::new();
    flatten(text.parse().unwrap_or_default(), &mut all);
    all
}

/// The tokens of a part of a text, in which a bracket may lack its partner.
fn loose_tokens(part: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut between = String::new();
    for c in part.chars() {
        match c {
            '(' | ')' | '[' | ']' | '{' | '}' => {
                all.extend(tokens(&std::mem::take(&mut between)));
                all.push(c.to_string());
            }
            c => between.push(c),
        }
    }
    all.extend(tokens(&between));
    all
}

const KEYS: [&str; 8] = [
    "What", "Clause", "Tempts", "Test", "Outcome", "Cause", "Source", "Explain",
];

/// `Relaxed; !fence` as two conditions.
fn conditions(text: &str) -> Vec<String> {
    text.split(';')
        .map(|condition| condition.trim().to_owned())
        .filter(|condition| !condition.is_empty())
        .collect()
}

/// `3`, or `3, 7` for a mistake that breaks two clauses at once.
fn clauses(text: &str) -> Result<Vec<u32>, String> {
    text.split(',')
        .map(|number| {
            let number = number.trim();
            number
                .parse()
                .map_err(|_| format!("its `Clause:` contains `{number}`, which is not a number"))
        })
        .collect()
}

/// `Key: value` lines; an indented line continues the one before.
fn fields(header: &str) -> Result<Vec<(String, String)>, String> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in header.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with([' ', '\t']) {
            let (_, value) = fields.last_mut().ok_or("its first line is indented")?;
            value.push(' ');
            value.push_str(line.trim());
        } else {
            let (key, value) = line
                .split_once(':')
                .ok_or_else(|| format!("the line `{line}` does not have the form `Key: value`"))?;
            fields.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    Ok(fields)
}

/// The exercise's solution with the diff in this file: what a known mistake
/// looks like.
///
/// # Errors
/// A file cannot be read, the diff does not fit, or this copy of the course has
/// no solutions.
pub fn patched(exercise: &Exercise, path: &Path) -> Result<String, Trouble> {
    let patch = files::text(path)?;
    if !exercise.solution().is_dir() {
        return Err(Trouble::Refused(NO_SOLUTIONS.into()));
    }
    let solution = files::text(&exercise.solution().join("src/lib.rs"))?;
    parted(&patch)
        .and_then(|(_, diff)| apply(diff, &solution))
        .map_err(|why| Trouble::Malformed {
            path: path.to_owned(),
            why,
        })
}

/// The patches of an exercise, sorted by name. There are none in a course
/// without solutions.
///
/// # Errors
/// A folder cannot be listed.
pub fn patches(exercise: &Exercise) -> Result<Vec<PathBuf>, Trouble> {
    let folder = exercise.solution().join("mistakes");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = files::below(&folder)?;
    found.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "patch")
    });
    Ok(found)
}

/// A patch's name: the file's without `.patch`.
pub fn name_of(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Reads one patch.
///
/// # Errors
/// The file cannot be read, or its header is wrong.
pub fn read(path: &Path) -> Result<Mistake, Trouble> {
    Mistake::parse(&name_of(path), &files::text(path)?).map_err(|why| Trouble::Malformed {
        path: path.to_owned(),
        why,
    })
}

/// The mistakes of all exercises, by exercise id and without their diffs. A
/// bundle contains them in this form.
pub type Explanations = BTreeMap<String, Vec<Mistake>>;

/// The known mistakes of an exercise. They come from its patches, or in a
/// bundle from its explanations.
///
/// Mistakes that cannot be read are left out. They explain nothing, and
/// `verify` complains about them.
pub fn known(exercise: &Exercise) -> Vec<Mistake> {
    let explanations = files::text(&exercise.explanations())
        .ok()
        .and_then(|text| serde_json::from_str::<Explanations>(&text).ok());
    if let Some(mut explanations) = explanations {
        return explanations.remove(&exercise.id).unwrap_or_default();
    }
    let patches = patches(exercise).unwrap_or_default();
    patches.iter().filter_map(|path| read(path).ok()).collect()
}

/// The only known mistake that fits these records, if there is exactly one. A
/// false explanation would be worse than none.
///
/// A mistake fits if the test that must reject it does so with its cause, if
/// all other tests pass or fail as they did for the known mistake, and if the
/// source could have it.
pub fn explanation(exercise: &Exercise, records: &[Record], source: &str) -> Option<Mistake> {
    let signatures = Signatures::read(exercise);
    singled_out(known(exercise), &signatures, records, source)
}

/// The same, for the given mistakes.
pub fn singled_out(
    known: Vec<Mistake>,
    signatures: &Signatures,
    records: &[Record],
    source: &str,
) -> Option<Mistake> {
    let mut fitting = fitting(known, signatures, records, source).into_iter();
    let found = fitting.next()?;
    fitting.next().is_none().then_some(found)
}

/// All mistakes that fit.
pub fn fitting(
    known: Vec<Mistake>,
    signatures: &Signatures,
    records: &[Record],
    source: &str,
) -> Vec<Mistake> {
    known
        .into_iter()
        .filter(|mistake| records.iter().any(|record| mistake.is_rejected_by(record)))
        .filter(|mistake| signatures.fails_alike(&mistake.name, records))
        .filter(|mistake| mistake.is_possible_in(source))
        .collect()
}

/// The words in front of an explanation.
pub const HEADING: &str = "This looks like a known mistake:";

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "What: adds two.\nClause: 1, 3\nTempts: it\n  looks right.\nTest: one_is_added\n\
        Outcome: compile-error\nCause: three\nExplain: count\n  again.\n\n\
        --- a/src/lib.rs\n+++ b/src/lib.rs\n@@ -1,2 +1,2 @@\n fn f() {\n-    1\n+    2\n";

    #[test]
    fn a_header_is_read_with_its_continued_lines() {
        let mistake = Mistake::parse("two", PATCH).unwrap();
        assert_eq!(mistake.tempts, "it looks right.");
        assert_eq!(mistake.clauses, [1, 3]);
        assert_eq!(mistake.explain, "count again.");
        assert_eq!(mistake.outcome, Outcome::CompileError);
    }

    #[test]
    fn a_source_may_rule_a_mistake_out() {
        let with = |source: &str| {
            let text = PATCH.replace("Explain:", &format!("Source: {source}\nExplain:"));
            Mistake::parse("two", &text).unwrap()
        };
        let text = "fn f() { a.store(1, Ordering::Relaxed); /* fence(x) */ }";
        assert!(with("Ordering::Relaxed").is_possible_in(text));
        assert!(with("Ordering :: Relaxed; !fence").is_possible_in(text));
        assert!(!with("fence").is_possible_in(text));
        assert!(!with("Relaxed; !store").is_possible_in(text));
        assert!(!with("Relax").is_possible_in(text));
        assert!(with("a.store(1").is_possible_in(text));
        assert!(!with("store(1)").is_possible_in(text));
        assert!(Mistake::parse("two", PATCH).unwrap().is_possible_in(text));
    }

    #[test]
    fn the_diff_is_applied() {
        let mistake = Mistake::parse("two", PATCH).unwrap();
        assert_eq!(
            mistake.applied_to("fn f() {\n    1\n").unwrap(),
            "fn f() {\n    2\n"
        );
    }

    #[test]
    fn a_diff_that_does_not_fit_names_its_part_and_the_line() {
        let two = format!("{PATCH}@@ -9,2 +9,2 @@\n fn g() {{\n-    3\n+    4\n");
        let mistake = Mistake::parse("two", &two).unwrap();
        let error = mistake
            .applied_to("fn f() {\n    1\n}\nfn g() {\n    5\n")
            .unwrap_err();
        assert!(
            error.starts_with("part 2 of 2 of the diff (`@@ -9,2`) does not fit"),
            "{error}"
        );
        assert!(error.contains("no line `3`"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let parse = |text: &str| Mistake::parse("x", text).unwrap_err();
        assert!(parse("What: x\n").contains("no diff"));
        assert!(parse(&PATCH.replace("Cause: three\n", "")).contains("`Cause:`"));
        assert!(parse(&PATCH.replace("compile-error", "boom")).contains("`boom`"));
        assert!(parse(&PATCH.replace("Cause:", "Because:")).contains("`Because:`"));
    }
}
