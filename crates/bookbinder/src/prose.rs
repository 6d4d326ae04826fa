//! Rules for the text of a chapter, as it is written.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use regex::Regex;

use crate::fault::Fault;

/// The headings that each chapter of a topic has, in this order. The one that
/// begins with "Worked example" goes on.
pub(crate) const TEMPLATE: [&str; 11] = [
    "What you will be able to do",
    "Predict",
    "Look",
    "Worked example",
    "Underneath",
    "Do",
    "Measure",
    "What goes wrong in production",
    "Process, thread or coroutine?",
    "Check yourself",
    "Further reading",
];

/// A link to another page of the book, or within this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub line: usize,
    pub target: String,
}

/// What a chapter contains that the rest of the book must know.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub links: Vec<Link>,
    pub words: usize,
}

/// Reads a chapter and notes each broken rule.
pub(crate) fn read(file: &Path, text: &str, is_topic: bool, faults: &mut Vec<Fault>) -> Read {
    let mut result = Read::default();
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(place, _)| place + 1))
        .collect();
    let line_of = |place: usize| starts.partition_point(|start| *start <= place);
    let mut complain = |line: usize, what: String| faults.push(Fault::new(file, line, what));
    let mut headings: Vec<(usize, String)> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (mut heading, mut in_code, mut image) = (None, false, None);
    let options = Options::ENABLE_TABLES;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        let line = line_of(range.start);
        match event {
            Event::Start(Tag::CodeBlock(kind)) => {
                in_code = true;
                let language = match &kind {
                    CodeBlockKind::Fenced(language) => {
                        language.split(',').next().unwrap_or_default().to_owned()
                    }
                    CodeBlockKind::Indented => String::new(),
                };
                if matches!(language.as_str(), "rust" | "rs") {
                    complain(line, "Rust is typed by hand here: put it into a file that cargo compiles, and use `{{#code PATH#ITEM}}`".to_owned());
                } else if language.is_empty() {
                    complain(
                        line,
                        "a block of code without a language: write ```console, ```text or ```toml"
                            .to_owned(),
                    );
                }
            }
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Start(Tag::Heading { level, .. }) => {
                heading = Some((line, level as usize, String::new()));
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((line, level, title)) = heading.take() {
                    if let Some(before) = seen.insert(title.clone(), line) {
                        complain(
                            line,
                            format!(
                                "the heading {title:?} is also on line {before}: links could not tell them apart"
                            ),
                        );
                    }
                    if level == 2 {
                        headings.push((line, title));
                    }
                }
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                image = Some((line, String::new()));
                if dest_url.contains("://") || dest_url.starts_with("//") {
                    complain(
                        line,
                        format!(
                            "the image {dest_url} is fetched from the web: put it into book/src"
                        ),
                    );
                }
            }
            Event::End(TagEnd::Image) => {
                if let Some((line, alternative)) = image.take()
                    && alternative.trim().is_empty()
                {
                    complain(line, "an image without an alternative text: write what it shows between the brackets".to_owned());
                }
            }
            Event::Start(Tag::Link { dest_url, .. }) => result.links.push(Link {
                line,
                target: dest_url.into_string(),
            }),
            Event::Text(words) if !in_code => {
                if let Some((_, _, title)) = &mut heading {
                    *title += &words;
                }
                if let Some((_, alternative)) = &mut image {
                    *alternative += &words;
                }
                result.words += words
                    .split_whitespace()
                    .filter(|word| word.chars().any(char::is_alphanumeric))
                    .count();
            }
            Event::Code(words) => {
                if let Some((_, _, title)) = &mut heading {
                    *title += &words;
                }
                result.words += words.split_whitespace().count();
            }
            Event::Html(html) | Event::InlineHtml(html) => {
                if let Some(tag) = fetched(&html) {
                    complain(
                        line,
                        format!("`{tag}` fetches something from the web: the book works offline"),
                    );
                }
            }
            _ => {}
        }
    }
    if is_topic {
        template(&headings, &mut complain);
    }
    numbers(file, text, faults);
    result
}

/// Notes each measured number that somebody typed.
pub(crate) fn numbers(file: &Path, text: &str, faults: &mut Vec<Fault>) {
    for (line, number) in measured_by_hand(text) {
        let what = format!(
            "the number `{number}` is typed by hand: a measured number comes from `{{{{#value}}}}`, `{{{{#median}}}}` or \
             `{{{{#ratio}}}}`, and one that somebody chose is written `{{{{#given {number}}}}}`"
        );
        faults.push(Fault::new(file, line, what));
    }
}

fn template(headings: &[(usize, String)], complain: &mut impl FnMut(usize, String)) {
    let fits = |title: &str, wanted: &str| {
        title == wanted || wanted == "Worked example" && title.starts_with("Worked example")
    };
    let mut rest = headings.iter();
    let mut last = 1;
    for wanted in TEMPLATE {
        match rest.next() {
            Some((line, title)) if fits(title, wanted) => last = *line,
            Some((line, title)) => {
                return complain(
                    *line,
                    format!(
                        "the heading `## {wanted}` should be here, and not {title:?}: all chapters have the same headings in the same order"
                    ),
                );
            }
            None => return complain(last, format!("the heading `## {wanted}` is missing")),
        }
    }
    if let Some((line, title)) = rest.next() {
        complain(
            *line,
            format!("the heading {title:?} comes after the last heading of a chapter"),
        );
    }
}

/// A tag that makes a browser fetch something from another host.
fn fetched(html: &str) -> Option<&str> {
    static RESOURCE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"<(?:img|script|link|iframe|source|video|audio|object|embed)\b[^>]*(?:src|href|data)\s*=\s*["']?(?:https?:)?//[^>]*>"#)
            .expect("a constant")
    });
    RESOURCE.find(html).map(|found| found.as_str())
}

/// Numbers with a unit of time, and "N times as …", outside code and directives.
fn measured_by_hand(text: &str) -> Vec<(usize, String)> {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\b\d[\d.,]*\s?(?:ns|µs|μs|ms|s|(?:nano|micro|milli)?seconds?|times (?:as|more|less|longer|shorter|faster|slower))\b")
            .expect("a constant")
    });
    static ASIDE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\{\{#.*?\}\}|`[^`]*`|\]\([^)]*\)").expect("a constant"));
    let mut found = Vec::new();
    let mut fenced = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced {
            continue;
        }
        let line = ASIDE.replace_all(line, " ");
        found.extend(
            NUMBER
                .find_iter(&line)
                .map(|number| (index + 1, number.as_str().to_owned())),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let mut faults = Vec::new();
        read(Path::new("x.md"), text, false, &mut faults);
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_rule_names_the_line_and_what_to_do() {
        for (text, part) in [
            (
                "# a\n\n```rust\nfn f() {}\n```\n",
                "x.md:3: Rust is typed by hand",
            ),
            (
                "```\nx\n```\n",
                "x.md:1: a block of code without a language",
            ),
            (
                "# a\n\n# a\n",
                "x.md:3: the heading \"a\" is also on line 1",
            ),
            ("![](a.png)\n", "x.md:1: an image without an alternative"),
            ("![x](https://a/b.png)\n", "fetched from the web"),
            (
                "<img src=\"https://a/b.png\" alt=\"x\">\n",
                "fetches something from the web",
            ),
            (
                "It takes 4.2 µs here.\n",
                "x.md:1: the number `4.2 µs` is typed by hand",
            ),
            (
                "a\nb, 26 times as long\n",
                "x.md:2: the number `26 times as`",
            ),
        ] {
            let found = faults(text);
            assert!(
                found.len() == 1 && found[0].contains(part),
                "{text}: {found:?}"
            );
        }
    }

    #[test]
    fn what_is_allowed_is_allowed() {
        let text = "# a\n\n{{#given 100 ms}} `sleep 5 s` [x](https://a/5 s) a page of 4 KiB, two threads, 20 times\n\n```console\n$ sleep 1 s\n```\n![x](a.png)\n";
        assert_eq!(faults(text), Vec::<String>::new());
    }

    #[test]
    fn a_topic_has_all_headings_in_their_order() {
        let write = |titles: &[&str]| {
            titles
                .iter()
                .map(|title| format!("## {title}\n\n"))
                .collect::<String>()
        };
        let check = |text: &str| {
            let mut faults = Vec::new();
            read(Path::new("x.md"), text, true, &mut faults);
            faults.len()
        };
        assert_eq!(check(&write(&TEMPLATE)), 0);
        let mut changed = TEMPLATE;
        changed[3] = "Worked example: a pool";
        assert_eq!(check(&write(&changed)), 0);
        changed.swap(1, 2);
        assert_eq!(check(&write(&changed)), 1);
        assert_eq!(check(&write(&TEMPLATE[..10])), 1);
        assert_eq!(check(&(write(&TEMPLATE) + "## More\n")), 1);
    }
}
