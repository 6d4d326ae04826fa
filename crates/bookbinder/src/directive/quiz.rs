//! Gates and quizzes: `book/quizzes/NAME.toml`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Sources, escaped, expand_inline, html, html_inline};
use crate::fault::Fault;
use crate::prose;

/// The file of a chapter.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quizzes {
    #[serde(default)]
    pub predict: Vec<Gate>,
    #[serde(default)]
    pub question: Vec<Question>,
}

/// A question before the answer is shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Gate {
    pub id: String,
    prompt: String,
    #[serde(default)]
    choices: Vec<String>,
    unit: Option<String>,
    answer: String,
    reveal: String,
}

/// A question at the end of a chapter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    prompt: String,
    possible: Option<String>,
    answer: Vec<Answer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    text: String,
    #[serde(default)]
    right: bool,
    why: String,
}

/// Where a chapter's file is, relative to the root.
pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(format!("book/quizzes/{name}.toml"))
}

/// Reads all files, by their names. Notes those that cannot be read, and each
/// number in them that was typed by hand.
pub(crate) fn read_all(root: &Path, faults: &mut Vec<Fault>) -> BTreeMap<String, Quizzes> {
    let mut all = BTreeMap::new();
    let entries = fs::read_dir(root.join("book/quizzes"))
        .into_iter()
        .flatten()
        .flatten();
    for entry in entries {
        let path = entry.file_name();
        let Some(name) = path.to_str().and_then(|path| path.strip_suffix(".toml")) else {
            continue;
        };
        let file = file(name);
        let read = fs::read_to_string(entry.path()).map_err(|error| error.to_string());
        let read = read.and_then(|text| {
            prose::numbers(&file, &text, faults);
            toml::from_str(&text).map_err(|error| error.to_string())
        });
        match read {
            Ok(quizzes) => drop(all.insert(name.to_owned(), quizzes)),
            Err(why) => faults.push(Fault::new(file, 0, format!("it cannot be read: {why}"))),
        }
    }
    all
}

pub(super) fn gate(id: &str, sources: &Sources<'_>) -> Result<String, String> {
    let mut gates = sources
        .quizzes
        .values()
        .flat_map(|quizzes| &quizzes.predict);
    let gate = gates
        .find(|gate| gate.id == id)
        .ok_or_else(|| format!("no file in book/quizzes/ has a gate with the id `{id}`"))?;
    sources.used.borrow_mut().gates.insert(id.to_owned());
    draw_gate(gate, sources).map_err(|why| format!("the gate `{id}`: {why}"))
}

/// The gate works without a script: the answer is in a `details`. The script hides
/// it behind a button, and then repeats what the reader chose.
fn draw_gate(gate: &Gate, sources: &Sources<'_>) -> Result<String, String> {
    if gate.choices.is_empty() && gate.unit.is_none() {
        return Err("it has neither `choices` nor a `unit`".to_owned());
    }
    if !gate.choices.is_empty() && !gate.choices.contains(&gate.answer) {
        return Err(format!(
            "its answer, {:?}, is none of its choices",
            gate.answer
        ));
    }
    let id = &gate.id;
    let mut text = format!(
        "<form class=\"gate\" id=\"gate-{id}\"><fieldset><legend>Predict</legend>\n{}\n",
        html(&expand_inline(&gate.prompt, sources)?)
    );
    for choice in &gate.choices {
        let _ = writeln!(
            text,
            "<label><input type=\"radio\" name=\"{id}\" value=\"{}\"> {}</label>",
            escaped(choice),
            html_inline(choice)
        );
    }
    if let Some(unit) = &gate.unit {
        let _ = writeln!(
            text,
            "<label><input type=\"text\" inputmode=\"decimal\" name=\"{id}\" size=\"8\"> {}</label>",
            escaped(unit)
        );
    }
    let _ = write!(
        text,
        "</fieldset><details><summary>Show the answer</summary>\n<p class=\"yours\" hidden></p>\n<p><strong>{}</strong></p>\n{}\n</details></form>",
        html_inline(&expand_inline(&gate.answer, sources)?),
        html(&expand_inline(&gate.reveal, sources)?)
    );
    Ok(text)
}

pub(super) fn quiz(name: &str, sources: &Sources<'_>) -> Result<String, String> {
    let quizzes = sources
        .quizzes
        .get(name)
        .ok_or_else(|| format!("there are no questions in {}", file(name).display()))?;
    let number = quizzes.question.len();
    if !(4..=6).contains(&number) {
        return Err(format!(
            "book/quizzes/{name}.toml has {number} questions; a chapter has 4 to 6"
        ));
    }
    sources.used.borrow_mut().quizzes.insert(name.to_owned());
    let mut text = String::from(
        "Open an answer to see whether it is right, and why. More than one can be right.\n\n",
    );
    for (index, question) in quizzes.question.iter().enumerate() {
        let drawn = draw_question(index + 1, question, sources)
            .map_err(|why| format!("question {} of book/quizzes/{name}.toml: {why}", index + 1))?;
        text += &drawn;
    }
    Ok(text)
}

fn draw_question(
    number: usize,
    question: &Question,
    sources: &Sources<'_>,
) -> Result<String, String> {
    if !(3..=6).contains(&question.answer.len()) {
        return Err("a question has 3 to 6 answers".to_owned());
    }
    if !question.answer.iter().any(|answer| answer.right) {
        return Err("no answer is right".to_owned());
    }
    if let Some(answer) = question
        .answer
        .iter()
        .find(|answer| answer.why.trim().is_empty())
    {
        return Err(format!("the answer {:?} has no `why`", answer.text));
    }
    if let Some(recording) = &question.possible {
        all_possible(question, &sources.recording(recording)?.output)?;
    }
    let mut text = format!(
        "<div class=\"question\">\n<p class=\"number\">Question {number}</p>\n{}\n",
        html(&expand_inline(&question.prompt, sources)?)
    );
    for answer in &question.answer {
        let (class, word) = match answer.right {
            true => ("right", "Right."),
            false => ("wrong", "Wrong."),
        };
        let _ = writeln!(
            text,
            "<details class=\"answer {class}\"><summary>{}</summary><p><strong>{word}</strong> {}</p></details>",
            html_inline(&expand_inline(&answer.text, sources)?),
            html_inline(&expand_inline(&answer.why, sources)?)
        );
    }
    text += "</div>\n\n";
    Ok(text)
}

/// The right answers are exactly what the explorer found.
fn all_possible(question: &Question, output: &str) -> Result<(), String> {
    let mut found: Vec<&str> = output
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let right = question.answer.iter().filter(|answer| answer.right);
    let mut right: Vec<&str> = right.map(|answer| answer.text.trim_matches('`')).collect();
    found.sort_unstable();
    right.sort_unstable();
    match found == right {
        true => Ok(()),
        false => Err(format!(
            "the answers marked as right are {right:?}, but the explorer found {found:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn possible_outputs_must_be_all_that_were_found() {
        let question: Question = toml::from_str(
            "prompt = \"?\"\n[[answer]]\ntext = \"`1`\"\nright = true\nwhy = \"x\"\n\
             [[answer]]\ntext = \"`2`\"\nright = true\nwhy = \"x\"\n\
             [[answer]]\ntext = \"`3`\"\nwhy = \"x\"\n",
        )
        .unwrap();
        all_possible(&question, "2\n1\n").unwrap();
        for output in ["1\n", "1\n2\n3\n", ""] {
            all_possible(&question, output).unwrap_err();
        }
    }
}
