//! Claims: cards with verdict and chart, and numbers within sentences.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use charts::shown;
use records::ledger::{Entry, Ledger, Verdict, times};
use serde::Deserialize;

use super::{escaped, html_inline, quoted};
use crate::own::Own;

/// Where the book's own ledger is, relative to the root.
pub(crate) const LEDGER: &str = "book/records/ledger.json";
/// Where the claims are that nobody can measure here.
pub(crate) const UNMEASURED: &str = "book/claims.toml";
/// The number of claims in the lessons.
const CLAIMS: u16 = 84;

/// What the book knows about all claims.
pub(crate) struct Books {
    entries: BTreeMap<u16, Entry>,
    unmeasured: BTreeMap<u16, Unmeasured>,
    machine: String,
}

/// A claim without an experiment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unmeasured {
    number: u16,
    says: String,
    truth: String,
    why: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    claim: Vec<Unmeasured>,
}

impl Books {
    /// Reads both files.
    ///
    /// # Errors
    /// One cannot be read, is malformed, or a claim is missing or there twice.
    pub(crate) fn read(root: &Path) -> Result<Books, String> {
        let read = |path: &str| {
            fs::read_to_string(root.join(path))
                .map_err(|error| format!("{path} cannot be read: {error}"))
        };
        let ledger: Ledger = serde_json::from_str(&read(LEDGER)?).map_err(|error| {
            format!("{LEDGER} is malformed ({error}): `cargo course book record ledger` writes it")
        })?;
        let file: File =
            toml::from_str(&read(UNMEASURED)?).map_err(|error| format!("{UNMEASURED}: {error}"))?;
        let books = Books {
            machine: machine(&ledger),
            entries: ledger
                .entries
                .into_iter()
                .map(|entry| (entry.number, entry))
                .collect(),
            unmeasured: file
                .claim
                .into_iter()
                .map(|claim| (claim.number, claim))
                .collect(),
        };
        for number in 1..=CLAIMS {
            match (
                books.entries.contains_key(&number),
                books.unmeasured.contains_key(&number),
            ) {
                (true, false) | (false, true) => {}
                (true, true) => {
                    return Err(format!(
                        "claim {number} is in {LEDGER} and in {UNMEASURED}: remove it from the latter"
                    ));
                }
                (false, false) => {
                    return Err(format!(
                        "claim {number} is neither in {LEDGER} nor in {UNMEASURED}: add it"
                    ));
                }
            }
        }
        Ok(books)
    }

    /// The sentences of all measured claims.
    pub(crate) fn sentences(&self) -> impl Iterator<Item = (u16, &str)> {
        self.entries
            .values()
            .map(|entry| (entry.number, entry.says.as_str()))
    }

    fn entry(&self, number: &str) -> Result<&Entry, String> {
        let number: u16 = number
            .parse()
            .map_err(|_| format!("`{number}` is no number of a claim"))?;
        self.entries
            .get(&number)
            .ok_or_else(|| format!("claim {number} is not in {LEDGER}"))
    }

    pub(super) fn inline(&self, what: &str, arguments: &str) -> Result<String, String> {
        let (number, rest) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let entry = self.entry(number)?;
        if what == "verdict" {
            return Ok(match entry.verdict {
                Verdict::HoldsWhen => "holds under a condition".to_owned(),
                other => other.to_string(),
            });
        }
        let (first, rest) = quoted(rest)
            .ok_or_else(|| format!("`{{{{#{what}}}}}` needs a name in quotation marks"))?;
        let missing = |names: Vec<String>| {
            format!(
                "claim {number} has no such part; there are: {}",
                names.join(", ")
            )
        };
        match what {
            "median" => {
                let figures = &entry.notes.figures;
                let found = figures.iter().find(|figure| figure.name == first);
                found
                    .map(|figure| shown(figure.unit, figure.middle))
                    .ok_or_else(|| {
                        missing(
                            figures
                                .iter()
                                .map(|figure| format!("{:?}", figure.name))
                                .collect(),
                        )
                    })
            }
            "fact" => {
                let facts = &entry.notes.facts;
                let found = facts.iter().find(|fact| fact.what == first);
                found.map(|fact| fact.found.clone()).ok_or_else(|| {
                    missing(
                        facts
                            .iter()
                            .map(|fact| format!("{:?}", fact.what))
                            .collect(),
                    )
                })
            }
            _ => {
                let (second, _) =
                    quoted(rest).ok_or("`{{#ratio N \"of\" \"to\"}}` needs two names")?;
                let ratios = &entry.notes.ratios;
                let found = ratios
                    .iter()
                    .find(|ratio| ratio.of == first && ratio.to == second);
                found.map(|ratio| times(ratio.middle)).ok_or_else(|| {
                    missing(
                        ratios
                            .iter()
                            .map(|ratio| format!("{:?} {:?}", ratio.of, ratio.to))
                            .collect(),
                    )
                })
            }
        }
    }

    /// Cards for these claims.
    pub(super) fn cards(&self, numbers: &str, page: &str, own: &Own) -> Result<String, String> {
        let mut text = String::new();
        for number in numbers.split_whitespace() {
            text += &self.card(self.entry(number)?, page, own);
        }
        match text.is_empty() {
            true => Err("`{{#claims}}` needs numbers of claims".to_owned()),
            false => Ok(text + &self.measured_on(own)),
        }
    }

    /// Cards for all claims, measured or not.
    pub(super) fn all(&self, page: &str, own: &Own) -> Result<String, String> {
        let mut text = self.measured_on(own);
        for number in 1..=CLAIMS {
            if let Some(entry) = self.entries.get(&number) {
                text += &self.card(entry, page, own);
            } else if let Some(claim) = self.unmeasured.get(&number) {
                let _ = write!(
                    text,
                    "<div class=\"claim unmeasured\" id=\"{page}-claim-{number}\">\n<p class=\"says\"><span class=\"number\">Claim {number}</span> {}</p>\n\
                     <p class=\"verdict\"><strong>Not measured. {}.</strong> {}</p>\n</div>\n\n",
                    html_inline(&claim.says),
                    escaped(&claim.truth),
                    html_inline(&claim.why)
                );
            }
        }
        Ok(text)
    }

    fn card(&self, entry: &Entry, page: &str, own: &Own) -> String {
        let number = entry.number;
        let mut text = format!(
            "<div class=\"claim\" id=\"{page}-claim-{number}\">\n<p class=\"says\"><span class=\"number\">Claim {number}</span> {}</p>\n{}{}\n",
            escaped(&entry.says),
            said_in(entry),
            verdict(entry)
        );
        text += &chart(entry, &format!("{page}-book"));
        match own.entry(number) {
            Some(mine) => {
                let _ = write!(
                    text,
                    "<p class=\"whose\">Your machine:</p>\n{}\n{}",
                    verdict(mine),
                    chart(mine, &format!("{page}-own"))
                );
            }
            None => {
                let _ = writeln!(
                    text,
                    "<p class=\"whose\">Yours: <code>cargo course claims only {number}</code></p>"
                );
            }
        }
        text + "</div>\n\n"
    }

    fn measured_on(&self, own: &Own) -> String {
        let yours = match own {
            Own::Here(_) => "Your own figures stand below the book's where you have measured them.".to_owned(),
            Own::None => "Run `cargo course claims`, and your own figures will stand below the book's when you build it again.".to_owned(),
            Own::Unusable(why) => why.clone(),
        };
        format!(
            "<p class=\"machine\">The book's machine: {}. {}</p>\n\n",
            escaped(&self.machine),
            html_inline(&yours)
        )
    }
}

/// The lessons that make the claim.
fn said_in(entry: &Entry) -> String {
    let titles: Vec<String> = entry.lessons.iter().map(ToString::to_string).collect();
    match titles.is_empty() {
        true => String::new(),
        false => format!(
            "<p class=\"lessons\">In: {}</p>\n",
            escaped(&titles.join(" · "))
        ),
    }
}

fn verdict(entry: &Entry) -> String {
    let (word, joint) = match entry.verdict {
        Verdict::HoldsWhen => ("Holds when".to_owned(), ""),
        other => (capitalized(&other.to_string()), "."),
    };
    let look = match entry.verdict {
        Verdict::Holds => "holds",
        Verdict::HoldsWhen => "half",
        Verdict::DoesNotHold => "wrong",
        Verdict::Unfinished | Verdict::TooNoisy | Verdict::Skipped => "none",
    };
    format!(
        "<p class=\"verdict {look}\"><strong>{word}{joint}</strong> {}</p>",
        escaped(&entry.reason)
    )
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// The chart in its wide and its narrow form, of which the style sheet shows one,
/// with ids that are unique in the book.
fn chart(entry: &Entry, prefix: &str) -> String {
    let number = entry.number;
    let forms = [charts::svg(entry), charts::narrow_svg(entry)];
    let mut pictures: String = forms.into_iter().flatten().collect();
    for part in ["", "narrow-"] {
        let old = format!("\"claim-{number}-{part}title claim-{number}-{part}desc\"");
        let new =
            format!("\"{prefix}-claim-{number}-{part}title {prefix}-claim-{number}-{part}desc\"");
        pictures = pictures.replace(&old, &new);
    }
    let id = format!("id=\"claim-{number}-");
    pictures.replace(&id, &format!("id=\"{prefix}-claim-{number}-"))
}

fn machine(ledger: &Ledger) -> String {
    let machine = &ledger.machine;
    let parts = [
        machine.processor.clone(),
        Some(format!("{} CPUs", machine.cpus)),
        machine.virtual_machine.then(|| "virtual".to_owned()),
        machine
            .kernel
            .as_ref()
            .map(|kernel| format!("Linux {kernel}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
