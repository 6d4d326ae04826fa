//! Many messages of the compiler as few: each kind of error once, with the places of the others, and
//! one sentence of our own where the compiler's words are about the tests and not about the file.

use std::fmt::Write as _;

use super::cargo::Diagnostic;

/// So many kinds of errors are shown.
const MOST_KINDS: usize = 8;
/// So many places of an error are listed.
const MOST_PLACES: usize = 12;

/// The errors, ready to print. With `without_ours`, notes about the course's own code and about std
/// are left out.
pub(super) fn digest(errors: &[&Diagnostic], without_ours: bool) -> String {
    let mut kinds: Vec<(String, Vec<&Diagnostic>)> = Vec::new();
    for error in errors {
        let key = kind(error);
        match kinds.iter_mut().find(|(known, _)| *known == key) {
            Some((_, same)) => same.push(error),
            None => kinds.push((key, vec![error])),
        }
    }
    let mut text = String::new();
    for (_, same) in kinds.iter().take(MOST_KINDS) {
        let Some((first, others)) = same.split_first() else {
            continue;
        };
        let rendered = match without_ours {
            true => as_known(&without_our_notes(&first.rendered)),
            false => first.rendered.clone(),
        };
        text += &rendered;
        if !others.is_empty() {
            if text.ends_with("\n\n") {
                text.pop();
            }
            let _ = write!(text, "   and the same {}", times(others.len()));
            let lines: Vec<String> = others
                .iter()
                .filter_map(|other| other.place.as_ref())
                .map(|(_, line)| line.to_string())
                .take(MOST_PLACES)
                .collect();
            if !lines.is_empty() {
                let more = if others.len() > lines.len() {
                    ", …"
                } else {
                    ""
                };
                let _ = write!(text, ", in lines {}{more}", lines.join(", "));
            }
            text += "\n\n";
        }
    }
    let rest: usize = kinds
        .iter()
        .skip(MOST_KINDS)
        .map(|(_, same)| same.len())
        .sum();
    if rest > 0 {
        let _ = writeln!(text, "… and {rest} more errors\n");
    }
    text
}

fn times(count: usize) -> String {
    match count {
        1 => "once more".to_owned(),
        count => format!("{count} times more"),
    }
}

/// What is the same in errors of one kind: types may differ in what they are made of.
fn kind(error: &Diagnostic) -> String {
    let mut text = error.code.clone().unwrap_or_default();
    let mut depth = 0_usize;
    let mut word = String::new();
    for sign in error.message.chars() {
        match sign {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            _ => word.push(sign),
        }
    }
    text += &word;
    text
}

/// A message without its notes about files of the course or of std. Such a note begins with
/// `note:` at the margin, and an arrow in its next line names the file.
fn without_our_notes(rendered: &str) -> String {
    let lines: Vec<&str> = rendered.lines().collect();
    let starts = |line: &str| {
        let plain = without_colors(line);
        ["note:", "help:", "error", "warning"]
            .iter()
            .any(|word| plain.starts_with(word))
    };
    let mut text = String::new();
    let mut at = 0;
    while at < lines.len() {
        let end = (at + 1..lines.len())
            .find(|next| starts(lines[*next]) || lines[*next].is_empty())
            .unwrap_or(lines.len());
        let is_note = without_colors(lines[at]).starts_with("note:");
        let file = lines.get(at + 1).map(|line| without_colors(line));
        let is_ours = file.is_some_and(|file| {
            let file = file.trim_start().trim_start_matches("--> ");
            let is_of = |folder: &str| file.contains(folder);
            file.starts_with("/rustc/")
                || ["crates/interleave/", "crates/proctor/", "/library/"]
                    .into_iter()
                    .any(is_of)
        });
        if !(is_note && is_ours) {
            for line in &lines[at..end] {
                text += line;
                text.push('\n');
            }
        }
        at = end;
    }
    text
}

/// Names of types as they are in the learner's file: without the crates that stand for it and for std
/// while it is explored.
fn as_known(text: &str) -> String {
    const EXPLORED: &str = "_explored::";
    let mut text = text
        .replace("interleave::std::", "std::")
        .replace("interleave::", "")
        .replace("`_::", "`")
        .replace("<_::", "<");
    while let Some(at) = text.find(EXPLORED) {
        let is_name = |sign: char| sign.is_alphanumeric() || sign == '_';
        let start = text[..at]
            .char_indices()
            .rev()
            .take_while(|(_, sign)| is_name(*sign))
            .last();
        let start = start.map_or(at, |(start, _)| start);
        text.replace_range(start..at + EXPLORED.len(), "");
    }
    text
}

fn without_colors(line: &str) -> String {
    let mut text = String::new();
    let mut signs = line.chars();
    while let Some(sign) = signs.next() {
        if sign == '\u{1b}' {
            // An escape sequence ends with a letter.
            _ = signs.by_ref().find(char::is_ascii_alphabetic);
        } else {
            text.push(sign);
        }
    }
    text
}

/// What errors in the tests mean for the file that they use.
pub(super) fn sentence(errors: &[&Diagnostic]) -> Option<String> {
    errors.iter().find_map(|error| {
        let text = without_colors(&error.rendered);
        let message = &error.message;
        let quoted = |number: usize| message.split('`').nth(2 * number + 1);
        match error.code.as_deref()? {
            "E0277" => {
                let wanted = between(&text, "the trait `", "` is not implemented for")?;
                let bearer = between(&text, "appears within the type `", "`")
                    .or_else(|| between(&text, "is not implemented for `", "`"))?;
                Some(format!(
                    "{} is not {} yet, and the tests need that",
                    short(bearer),
                    short(wanted)
                ))
            }
            "E0599" => Some(format!(
                "the tests call `{}` of {}, and your file does not have it",
                quoted(0)?,
                short(quoted(1)?)
            )),
            "E0432" | "E0433" | "E0425" | "E0412" => {
                let name = quoted(0)?.rsplit("::").next()?;
                Some(format!("the tests use `{name}`, and your file does not have it"))
            }
            "E0603" | "E0616" | "E0624" => Some(format!(
                "the tests use `{}`, and it is private",
                quoted(0)?
            )),
            "E0061" | "E0107" | "E0308" => Some(
                "the tests use something with other types, or another number of them, than your file has"
                    .to_owned(),
            ),
            _ => None,
        }
    })
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

/// A type as the learner knows it: without the paths of its parts, and without what it is made of.
fn short(name: &str) -> String {
    let name = name.split('<').next().unwrap_or(name);
    let last = name.rsplit("::").next().unwrap_or(name).trim();
    format!("`{last}`")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn error(code: &str, message: &str, line: u32, rest: &str) -> Diagnostic {
        Diagnostic {
            manifest: PathBuf::new(),
            library: false,
            level: "error".to_owned(),
            message: message.to_owned(),
            code: Some(code.to_owned()),
            place: Some(("tests/x.rs".to_owned(), line)),
            rendered: format!("error[{code}]: {message}\n --> tests/x.rs:{line}\n{rest}\n"),
        }
    }

    const SYNC: &str = "= help: within `a::Lock<u8>`, the trait `Sync` is not implemented for `UnsafeCell<u8>`\n\
        note: required because it appears within the type `a::Lock<u8>`\n --> src/lib.rs:3\n\
        note: required by a bound in `spawn`\n --> /rustc/1/library/std/src/thread.rs:9\n   |\n 9 | F: Send\n";

    fn sync(of: &str, line: u32) -> Diagnostic {
        error(
            "E0277",
            &format!("`UnsafeCell<{of}>` cannot be shared between threads safely"),
            line,
            SYNC,
        )
    }

    #[test]
    fn an_error_is_shown_once_with_the_lines_of_the_others() {
        let errors = [sync("u8", 1), sync("Vec<u8>", 7), sync("u16", 9)];
        let errors: Vec<&Diagnostic> = errors.iter().collect();
        let text = digest(&errors, true);
        assert_eq!(text.matches("error[E0277]").count(), 1, "{text}");
        assert!(
            text.contains("and the same 2 times more, in lines 7, 9\n"),
            "{text}"
        );
        assert!(text.contains("src/lib.rs:3"), "{text}");
        assert!(
            !text.contains("/rustc/") && !text.contains("F: Send"),
            "{text}"
        );
        assert!(digest(&errors, false).contains("/rustc/"));
        assert_eq!(
            sentence(&errors).unwrap(),
            "`Lock` is not `Sync` yet, and the tests need that"
        );
    }

    #[test]
    fn thousands_of_errors_are_a_page() {
        let errors: Vec<Diagnostic> = (0..2_000)
            .map(|number| {
                error(
                    "E0425",
                    &format!("cannot find value `v{number}` in this scope"),
                    number,
                    "",
                )
            })
            .collect();
        let errors: Vec<&Diagnostic> = errors.iter().collect();
        let text = digest(&errors, false);
        assert!(text.lines().count() < 60, "{}", text.lines().count());
        assert!(text.contains("… and 1992 more errors"), "{text}");
    }

    #[test]
    fn a_sentence_names_what_is_missing() {
        let says = |code: &str, message: &str| sentence(&[&error(code, message, 1, "")]);
        assert_eq!(
            says(
                "E0599",
                "no method named `try_lock` found for struct `a::Lock<u8>` in the current scope"
            )
            .unwrap(),
            "the tests call `try_lock` of `Lock`, and your file does not have it"
        );
        assert_eq!(
            says("E0432", "unresolved import `spin_lock::SpinGuard`").unwrap(),
            "the tests use `SpinGuard`, and your file does not have it"
        );
        assert_eq!(says("E0999", "something else"), None);
    }

    #[test]
    fn types_have_the_names_that_the_learner_knows() {
        assert_eq!(
            as_known("`Arc<spin_lock_explored::SpinLock<interleave::Tracked<u32>>>` and `_::A`"),
            "`Arc<SpinLock<Tracked<u32>>>` and `A`"
        );
    }

    #[test]
    fn colors_do_not_hide_a_note() {
        let colored = "\u{1b}[1merror\u{1b}[0m: x\n\u{1b}[1m\u{1b}[92mnote\u{1b}[0m: required\n \u{1b}[94m-->\u{1b}[0m /rustc/x.rs:1\n";
        let text = without_our_notes(colored);
        assert!(
            text.contains("error") && !text.contains("required"),
            "{text:?}"
        );
    }
}
