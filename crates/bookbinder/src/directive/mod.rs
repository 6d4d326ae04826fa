//! Replaces the directives `{{#name …}}` of a chapter by what they stand for.
//!
//! | directive | stands for |
//! |---|---|
//! | `{{#code PATH#ITEM}}`, `{{#code PATH:ANCHOR}}` | Rust from a compiled file |
//! | `{{#run RECORD [FIRST-LAST]}}` | a recorded command and its output |
//! | `{{#figure RECORD}}` | a picture of a recorded trace |
//! | `{{#claims N…}}`, `{{#ledger}}` | claims with verdicts and charts |
//! | `{{#exercises TOPIC}}` | the exercises of a topic |
//! | `{{#predict ID}}`, `{{#quiz NAME}}` | a gate, and a chapter's questions |
//! | `{{#value RECORD REGEX}}` | a number of a recorded run |
//! | `{{#verdict N}}`, `{{#median N "…"}}`, `{{#ratio N "…" "…"}}`, `{{#fact N "…"}}` | a part of the ledger |
//! | `{{#given …}}` | a number that somebody chose and nobody measured |
//!
//! The last three kinds stand within a line; all others have a line for
//! themselves.

mod code;
mod exercises;
mod ledger;
pub(crate) mod quiz;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::LazyLock;

use judging::Course;
use regex::{Captures, Regex};

use crate::fault::Fault;
use crate::figure;
use crate::mine::{self, Beside};
use crate::own::Own;
use crate::recording::Recording;

pub(crate) use charts::escaped;
pub(crate) use ledger::{Books, LEDGER, UNMEASURED};
use quiz::Quizzes;

/// Where everything comes from that a directive can stand for.
pub(crate) struct Sources<'a> {
    pub course: &'a Course,
    pub ledger: Books,
    pub own: Own,
    /// Cargo's target folder, where the reader's own runs are.
    pub target: &'a Path,
    /// The quizzes, by the names of their files.
    pub quizzes: BTreeMap<String, Quizzes>,
    /// The recordings that the chapters have mentioned until now.
    pub recordings: RefCell<BTreeMap<String, Rc<Recording>>>,
    pub used: RefCell<Used>,
}

/// What the chapters have mentioned until now.
#[derive(Default)]
pub(crate) struct Used {
    pub exercises: BTreeSet<String>,
    pub gates: BTreeSet<String>,
    pub quizzes: BTreeSet<String>,
    /// Source files to which the book links.
    pub sources: BTreeSet<PathBuf>,
}

impl Sources<'_> {
    pub(crate) fn root(&self) -> &Path {
        &self.course.root
    }

    pub(crate) fn recording(&self, name: &str) -> Result<Rc<Recording>, String> {
        if let Some(known) = self.recordings.borrow().get(name) {
            return Ok(Rc::clone(known));
        }
        let recording = Rc::new(Recording::read(&self.root().join("book/records"), name)?);
        let mut all = self.recordings.borrow_mut();
        all.insert(name.to_owned(), Rc::clone(&recording));
        Ok(recording)
    }
}

/// A chapter as it is written.
pub(crate) struct Chapter<'a> {
    /// The name of its file without `.md`.
    pub name: &'a str,
    /// The file, relative to the root.
    pub file: &'a Path,
    pub text: &'a str,
}

static DIRECTIVE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\{\{#([a-z]+)\s*(.*?)\}\}").expect("a constant"));

/// The chapter's Markdown, with all directives replaced.
pub(crate) fn expand(
    chapter: &Chapter<'_>,
    sources: &Sources<'_>,
    faults: &mut Vec<Fault>,
) -> String {
    let mut text = String::with_capacity(chapter.text.len() * 2);
    let mut fenced = false;
    for (index, line) in chapter.text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced || !line.contains("{{#") {
            text += line;
            text.push('\n');
            continue;
        }
        let mut complain = |what: String| faults.push(Fault::new(chapter.file, index + 1, what));
        let whole = DIRECTIVE
            .find(line)
            .is_some_and(|found| found.as_str() == line.trim());
        let replaced = DIRECTIVE.replace_all(line, |found: &Captures<'_>| {
            let (name, arguments) = (&found[1], found[2].trim());
            let result = match inline(name, arguments, sources) {
                Some(result) => result,
                None if whole => block(name, arguments, chapter, sources),
                None => Err(format!(
                    "`{{{{#{name}}}}}` must have a line for itself, or there is no such directive"
                )),
            };
            result.unwrap_or_else(|what| {
                complain(what);
                String::new()
            })
        });
        text += &replaced;
        text.push('\n');
    }
    text
}

/// Replaces the directives that stand within a line, in a text from another file.
pub(crate) fn expand_inline(text: &str, sources: &Sources<'_>) -> Result<String, String> {
    let mut wrong = None;
    let expanded = DIRECTIVE.replace_all(text, |found: &Captures<'_>| {
        let result = inline(&found[1], found[2].trim(), sources)
            .unwrap_or_else(|| Err(format!("`{}` is not possible here", &found[0])));
        result.unwrap_or_else(|what| {
            wrong.get_or_insert(what);
            String::new()
        })
    });
    let expanded = expanded.into_owned();
    wrong.map_or(Ok(expanded), Err)
}

/// `None` if no directive within a line has this name.
fn inline(name: &str, arguments: &str, sources: &Sources<'_>) -> Option<Result<String, String>> {
    Some(match name {
        "given" => Ok(arguments.to_owned()),
        "value" => value(arguments, sources),
        "verdict" | "median" | "ratio" | "fact" => sources.ledger.inline(name, arguments),
        _ => return None,
    })
}

fn value(arguments: &str, sources: &Sources<'_>) -> Result<String, String> {
    let (name, expression) = arguments
        .split_once(' ')
        .ok_or("`{{#value RECORD REGEX}}` needs a recording and a regular expression")?;
    sources
        .recording(name)?
        .value(expression.trim())
        .map_err(|why| format!("{name}: {why}"))
}

fn block(
    name: &str,
    arguments: &str,
    chapter: &Chapter<'_>,
    sources: &Sources<'_>,
) -> Result<String, String> {
    match name {
        "code" => code::code(arguments, sources),
        "run" => run(arguments, sources),
        "figure" => {
            let recording = sources.recording(arguments)?;
            shown(arguments, &recording, sources.target)
        }
        "claims" => sources.ledger.cards(arguments, chapter.name, &sources.own),
        "ledger" => sources.ledger.all(chapter.name, &sources.own),
        "exercises" => exercises::exercises(arguments, sources),
        "predict" => quiz::gate(arguments, sources),
        "quiz" => quiz::quiz(arguments, sources),
        _ => Err(format!("there is no directive `{{{{#{name}}}}}`")),
    }
}

/// A figure of the book, and the reader's own run of it if there is one. Everything is there
/// without a script; with it, the reader switches between the two.
fn shown(name: &str, recording: &Recording, target: &Path) -> Result<String, String> {
    let book = figure::draw(name, &recording.output, &recording.command)?;
    Ok(match mine::read(target, name, recording) {
        Beside::Nothing => book,
        Beside::Unusable(why) => {
            format!("{book}\n<p class=\"own-run\">{}</p>", html_inline(&why))
        }
        Beside::Run(output) => {
            let yours = figure::draw(&format!("{name}-yours"), &output, &recording.command)?;
            format!(
                "<div class=\"both\">\n<p class=\"which\"><b>The book's run</b></p>\n{book}\n\
                 <p class=\"which\"><b>Your run</b></p>\n{yours}\n</div>"
            )
        }
    })
}

fn run(arguments: &str, sources: &Sources<'_>) -> Result<String, String> {
    let (name, lines) = match arguments.split_once(' ') {
        None => (arguments, None),
        Some((name, range)) => {
            let range = range
                .split_once('-')
                .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
            let range: (usize, usize) =
                range.ok_or("`{{#run RECORD FIRST-LAST}}` needs two numbers of lines")?;
            (name, Some(range))
        }
    };
    let recording = sources.recording(name)?;
    let all = recording.output.lines().count();
    let (first, last) = lines.unwrap_or((1, all));
    if first == 0 || last > all || first > last && all > 0 {
        return Err(format!(
            "{name} has {all} lines of output, and not {first} to {last}"
        ));
    }
    let chosen: Vec<&str> = recording
        .output
        .lines()
        .skip(first - 1)
        .take(last + 1 - first)
        .collect();
    let before = if first > 1 { "…\n" } else { "" };
    let after = if last < all { "…\n" } else { "" };
    Ok(format!(
        "```console\n$ {}\n{before}{}\n{after}```",
        folded(&recording.command),
        chosen.join("\n")
    ))
}

/// How many letters of a command fit into a line.
const COMMAND: usize = 98;

/// A long command in several lines, as a shell reads it. It is broken only between
/// arguments, and not within quotation marks.
fn folded(command: &str) -> String {
    let mut text = String::new();
    let mut line = 0;
    let mut quoted = false;
    let words: Vec<&str> = command.split(' ').collect();
    for (number, word) in words.iter().enumerate() {
        let letters = word.chars().count();
        if number > 0 && !quoted && line + 1 + letters > COMMAND {
            text += " \\\n    ";
            line = 4;
        } else if number > 0 {
            text.push(' ');
            line += 1;
        }
        text += word;
        line += letters;
        quoted ^= word.matches('\'').count() % 2 == 1;
    }
    text
}

/// A text between quotation marks at the beginning, and the rest.
pub(crate) fn quoted(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start().strip_prefix('"')?;
    rest.split_once('"')
}

/// Renders Markdown to HTML without empty lines, so that it can stand inside a
/// block of HTML.
pub(crate) fn html(markdown: &str) -> String {
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, pulldown_cmark::Parser::new(markdown));
    html.lines()
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// The same for text of a single paragraph, without the paragraph.
pub(crate) fn html_inline(markdown: &str) -> String {
    let html = html(markdown);
    let inner = html
        .strip_prefix("<p>")
        .and_then(|html| html.strip_suffix("</p>"));
    inner.unwrap_or(&html).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_command_is_broken_between_arguments_and_not_in_quotation_marks() {
        assert_eq!(folded("printf 'a b'"), "printf 'a b'");
        let path = "x".repeat(60);
        assert_eq!(
            folded(&format!("check {path} --source {path}")),
            format!("check {path} --source \\\n    {path}")
        );
        let script = format!("sh -c 'echo {path} {path}'");
        assert_eq!(folded(&script), script);
    }
}
