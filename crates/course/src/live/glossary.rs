//! The book's glossary, for the terms on a page.

use judging::exercise::catalogue::Course;
use judging::files;

/// An entry of the glossary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// The term, in the singular.
    pub name: String,
    /// What it means, as Markdown.
    pub means: String,
}

/// The book's glossary: each term is a line of its own, and what it means
/// follows behind a colon.
const GLOSSARY: &str = "book/src/glossary.md";

/// The terms of the course's book. There are none if the book is missing.
pub fn terms(course: &Course) -> Vec<Term> {
    let text = files::text(&course.root.join(GLOSSARY));
    text.map(|text| read(&text)).unwrap_or_default()
}

fn read(glossary: &str) -> Vec<Term> {
    let lines: Vec<&str> = glossary.lines().collect();
    let entries = lines.windows(2).filter_map(|pair| {
        let means = pair[1].strip_prefix(": ")?;
        // The arrow leads to places in the book.
        let means = means.split(" → ").next().unwrap_or(means);
        Some(Term {
            name: pair[0].trim().to_owned(),
            means: means.trim().to_owned(),
        })
    });
    entries.collect()
}

/// The terms that occur in a text, in the order of the glossary.
pub fn terms_in<'a>(terms: &'a [Term], text: &str) -> Vec<&'a Term> {
    let words = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric());
        let words = parts.filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let text = words(text);
    let occurs = |name: &str| {
        let name = words(name);
        let is_same = |word: &String, wanted: &String| {
            word == wanted
                || word.strip_suffix('s') == Some(wanted)
                || word.strip_suffix("es") == Some(wanted)
        };
        let mut places = text.windows(name.len().max(1));
        !name.is_empty()
            && places.any(|place| {
                place
                    .iter()
                    .zip(&name)
                    .all(|(word, one)| is_same(word, one))
            })
    };
    terms.iter().filter(|term| occurs(&term.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glossary_is_read_without_its_links() {
        let text =
            "# Glossary\n\n## A\n\nair lock\n: Two doors. → [x](y)\n\nbuddy\n: A `friend`.\n";
        let terms = read(text);
        let [lock, buddy] = &terms[..] else {
            panic!("{terms:?}")
        };
        assert_eq!(
            (lock.name.as_str(), lock.means.as_str()),
            ("air lock", "Two doors.")
        );
        assert_eq!(buddy.means, "A `friend`.");
        assert_eq!(terms_in(&terms, "behind two Air locks."), [lock]);
        assert!(terms_in(&terms, "an airlock, or air; locked").is_empty());
    }
}
