//! `verify --bless-texts`: keeps what people read without judging anything again.

use std::collections::BTreeSet;

use judging::exercise::catalogue::{Course, Exercise};
use judging::exercise::originals;
use judging::terminal::say;
use judging::trouble::Trouble;

use super::{Complaint, look_at_files, report};

/// Keeps the tasks, hints, comments and the clauses that tests name as they are.
/// Code, on which the verdicts depend, must be what is kept already.
pub(super) fn bless_texts(course: &Course, exercises: &[&Exercise]) -> Result<u8, Trouble> {
    let mut complaints = Vec::new();
    for exercise in exercises {
        let before = originals::given(exercise)?.unwrap_or_default();
        let now = originals::files_of(exercise)?;
        let names: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
        let changed = |name: &&&String| before.get(**name) != now.get(**name);
        let is_text = |name: &&&String| {
            let both = (before.get(**name), now.get(**name));
            matches!(name.as_str(), "README.md" | "hints.md")
                || matches!(both, (Some(one), Some(other)) if code(name, one) == code(name, other))
        };
        let (texts, others): (Vec<&String>, Vec<&String>) =
            names.iter().filter(changed).partition(is_text);
        let id = &exercise.id;
        if let Some(other) = others.first() {
            complaints.push(Complaint::new(
                id,
                format!(
                    "{other} has changed too, so the verdicts may: run `cargo course verify {id} --bless --repeat 2`"
                ),
            ));
            continue;
        }
        if !texts.is_empty() {
            originals::keep(exercise)?;
            let texts: Vec<&str> = texts.iter().map(|name| name.as_str()).collect();
            say(&format!("{id}: kept {}\n", texts.join(" and ")));
        }
    }
    complaints.extend(look_at_files(course, exercises, false)?);
    report::complaints(&complaints);
    Ok(u8::from(!complaints.is_empty()))
}

/// What a file says to the compiler: of a Rust file, all lines but comments,
/// without the clauses that tests name.
fn code(name: &str, text: &str) -> Vec<String> {
    if !name.ends_with(".rs") {
        return text.lines().map(ToOwned::to_owned).collect();
    }
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines()
        .filter(is_code)
        .map(|line| match line.split_once("clauses = [") {
            Some((before, after)) => {
                let (_, after) = after.split_once(']').unwrap_or_default();
                format!("{before}{after}")
            }
            None => line.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::code;

    #[test]
    fn comments_and_clauses_are_no_code() {
        let one = "/// C1: a.\n#[proctor::test(clauses = [1, 2], slow = true)]\nfn f() {}\n";
        let other = "/// C1: b.\n// c\n#[proctor::test(clauses = [1], slow = true)]\nfn f() {}\n";
        assert_eq!(code("lib.rs", one), code("lib.rs", other));
        let faster = other.replace("slow = true", "slow = false");
        assert_ne!(code("lib.rs", other), code("lib.rs", &faster));
        assert_ne!(code("Cargo.toml", "// a"), code("Cargo.toml", "// b"));
    }
}
