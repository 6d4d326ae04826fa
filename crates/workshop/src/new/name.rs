//! Checks the name of a new exercise.

use judging::exercise::catalogue::Course;
use judging::trouble::Trouble;

use crate::lockfile::Lockfile;

/// The largest number of characters: lists and the names of built programs have
/// room for this many.
const LONGEST: usize = 40;

/// Rust's keywords, including those that are reserved for later. `gen` is one
/// since the 2024 edition.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "union", "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// Names that rustc and cargo reserve for themselves.
const RESERVED: &[&str] = &[
    "alloc",
    "build",
    "core",
    "deps",
    "proc-macro",
    "std",
    "test",
];

/// Splits `TOPIC/NAME`, and checks that a new exercise may have this topic and this name.
///
/// # Errors
/// A sentence that names the part that is not allowed, and says why.
pub(super) fn checked<'a>(course: &Course, asked: &'a str) -> Result<(&'a str, &'a str), Trouble> {
    let (topic, name) = split(asked).map_err(Trouble::Refused)?;
    topic_is_known(course, topic).map_err(Trouble::Refused)?;
    is_well_formed(name).map_err(Trouble::Refused)?;
    is_free_in_catalogue(course, name).map_err(Trouble::Refused)?;
    for house in ["exercises", "solutions"] {
        let folder = course.root.join(house).join(topic).join(name);
        if folder.symlink_metadata().is_ok() {
            return Err(Trouble::Refused(format!(
                "{} exists already: choose another name, or move that folder away",
                course.short(&folder).display()
            )));
        }
    }
    is_free_in_lock(&Lockfile::read(&course.root)?, name).map_err(Trouble::Refused)?;
    Ok((topic, name))
}

fn split(asked: &str) -> Result<(&str, &str), String> {
    match asked.split_once('/') {
        Some((topic, name)) if !topic.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((topic, name))
        }
        _ => Err(format!(
            "`{asked}` does not have the form TOPIC/EXERCISE, such as sync/ticket-lock"
        )),
    }
}

fn topic_is_known(course: &Course, topic: &str) -> Result<(), String> {
    let mut topics: Vec<&str> = course.exercises.iter().map(|e| e.topic.as_str()).collect();
    topics.dedup();
    if topics.contains(&topic) {
        return Ok(());
    }
    let nearest = topics
        .iter()
        .map(|known| (strsim::jaro_winkler(&topic.to_lowercase(), known), known))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let guess = nearest.map_or(String::new(), |(_, known)| {
        format!("Did you mean `{known}`? ")
    });
    Err(format!(
        "there is no topic `{topic}`. {guess}The topics are {}",
        topics.join(", ")
    ))
}

fn is_well_formed(name: &str) -> Result<(), String> {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    if !begins || !name.split('-').all(is_word) {
        return Err(format!(
            "`{name}` is not kebab-case: begin with a lower-case letter, use only lower-case letters \
             and digits, and put one `-` between two words, as in ticket-lock"
        ));
    }
    if name.len() > LONGEST {
        return Err(format!(
            "`{name}` has {} characters, but the name of an exercise has at most {LONGEST}",
            name.len()
        ));
    }
    if KEYWORDS.contains(&name) {
        return Err(format!(
            "`{name}` is a keyword of Rust, so no crate can have that name: choose another"
        ));
    }
    if RESERVED.contains(&name) {
        return Err(format!(
            "`{name}` is a name that Rust or cargo reserves for itself: choose another"
        ));
    }
    for end in ["-solution", "-explored"] {
        if name.ends_with(end) {
            return Err(format!(
                "`{name}` ends in `{end}`, which only packages that belong to an exercise do: choose another name"
            ));
        }
    }
    Ok(())
}

fn is_free_in_catalogue(course: &Course, name: &str) -> Result<(), String> {
    for exercise in &course.exercises {
        if exercise.id == name {
            return Err(format!(
                "`{name}` is taken: exercises/course.toml has an exercise of that name in topic {}",
                exercise.topic
            ));
        }
        if exercise.aliases.iter().any(|alias| alias == name) {
            return Err(format!(
                "`{name}` is taken: it is a former name of `{}` in exercises/course.toml, and \
                 learners' progress may be stored under it",
                exercise.id
            ));
        }
    }
    Ok(())
}

/// Checks that `cargo test -p NAME` will mean only one package.
fn is_free_in_lock(lock: &Lockfile, name: &str) -> Result<(), String> {
    let ends = ["", "-solution", "-explored", "-solution-explored"];
    for package in ends.map(|end| format!("{name}{end}")) {
        let Some(found) = lock.package(&package) else {
            continue;
        };
        let by = match (&found.source, lock.dependent(&package)) {
            (None, _) => "a package of this course".to_owned(),
            (Some(_), Some(dependent)) => format!(
                "the library {} {}, on which {} depends",
                found.name, found.version, dependent.name
            ),
            (Some(_), None) => format!("the library {} {}", found.name, found.version),
        };
        return Err(format!(
            "`{package}` is taken in Cargo.lock by {by}: `cargo test -p {package}` would be ambiguous"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_and_no_words_of_rust() {
        for name in ["ticket-lock", "mpsc", "utf8-lines", "a"] {
            assert_eq!(is_well_formed(name), Ok(()), "{name}");
        }
        for name in [
            "Ticket",
            "ticket_lock",
            "-x",
            "x-",
            "a--b",
            "2d",
            "ü",
            "a b",
            "..",
            "",
        ] {
            assert!(
                is_well_formed(name).unwrap_err().contains("kebab-case"),
                "{name}"
            );
        }
        assert!(is_well_formed("yield").unwrap_err().contains("keyword"));
        assert!(is_well_formed("std").unwrap_err().contains("reserves"));
        assert!(
            is_well_formed("x-solution")
                .unwrap_err()
                .contains("-solution")
        );
        assert!(
            is_well_formed(&"x".repeat(41))
                .unwrap_err()
                .contains("at most 40")
        );
    }

    #[test]
    fn a_name_in_the_lock_file_is_taken_by_someone() {
        let lock: Lockfile = toml::from_str(
            "[[package]]\nname = 'loom'\nversion = '1.0.0'\nsource = 'r'\ndependencies = ['generator 0.8.7']\n\
             [[package]]\nname = 'generator'\nversion = '0.8.7'\nsource = 'r'\n\
             [[package]]\nname = 'old-solution'\nversion = '0.1.0'\n",
        )
        .unwrap();
        let taken = |name| is_free_in_lock(&lock, name).unwrap_err();
        assert!(taken("generator").contains("generator 0.8.7, on which loom depends"));
        assert!(taken("old").contains("`old-solution` is taken in Cargo.lock by a package"));
        assert_eq!(is_free_in_lock(&lock, "fresh"), Ok(()));
    }
}
