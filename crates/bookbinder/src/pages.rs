//! Checks on the pages as they were built: ids, links and resources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use crate::fault::Fault;
use crate::prose::Link;

/// The ids of each built page, by its file name.
pub(crate) struct Pages {
    ids: BTreeMap<String, BTreeSet<String>>,
    folder: PathBuf,
}

static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"\sid="([^"]+)""#).expect("a constant"));
static FETCHED: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"<(?:img|script|link|iframe|source)\b[^>]*\b(?:src|href)="((?:https?:)?//[^"]+)""#)
        .expect("a constant")
});

impl Pages {
    /// Reads all pages, and notes resources that a page would fetch from the
    /// web, and ids that are there twice.
    pub(crate) fn read(folder: &Path, names: &[String], faults: &mut Vec<Fault>) -> Pages {
        let mut ids = BTreeMap::new();
        for name in names {
            let Ok(html) = fs::read_to_string(folder.join(name)) else {
                continue;
            };
            for found in FETCHED.captures_iter(&html) {
                faults.push(Fault::new(
                    name,
                    0,
                    format!("the built page fetches {} from the web", &found[1]),
                ));
            }
            let mut here = BTreeSet::new();
            for found in ID.captures_iter(&html) {
                if !here.insert(found[1].to_owned()) {
                    faults.push(Fault::new(
                        name,
                        0,
                        format!("two elements of the built page have the id {:?}", &found[1]),
                    ));
                }
            }
            ids.insert(name.clone(), here);
        }
        Pages {
            ids,
            folder: folder.to_owned(),
        }
    }

    /// Notes a link to a page, a file or a heading that is not there.
    pub(crate) fn check(&self, file: &Path, page: &str, link: &Link, faults: &mut Vec<Fault>) {
        let target = &link.target;
        if target.contains("://") || target.starts_with("mailto:") || target.starts_with("repo:") {
            return;
        }
        let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
        let built = match path.strip_suffix(".md") {
            Some(stem) => format!("{stem}.html"),
            None if path.is_empty() => page.to_owned(),
            None => path.to_owned(),
        };
        let mut complain = |what: String| faults.push(Fault::new(file, link.line, what));
        match self.ids.get(&built) {
            None if self.folder.join(&built).is_file() => {}
            None => complain(format!(
                "the link to {target} leads nowhere: there is no such page or file"
            )),
            Some(ids) if fragment.is_empty() || ids.contains(fragment) => {}
            Some(ids) => {
                let near = ids
                    .iter()
                    .filter(|id| id.contains(fragment) || fragment.contains(id.as_str()));
                let near: Vec<_> = near.take(3).cloned().collect();
                let hint = match near.is_empty() {
                    true => String::new(),
                    false => format!("; it has {}", near.join(", ")),
                };
                complain(format!(
                    "the link to {target} leads nowhere: {built} has no heading with the id `{fragment}`{hint}"
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_and_headings_that_are_there() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.html"), "<h2 id=\"one\">").unwrap();
        fs::write(folder.path().join("b.svg"), "").unwrap();
        let mut faults = Vec::new();
        let pages = Pages::read(folder.path(), &["a.html".to_owned()], &mut faults);
        let wrong = |target: &str| {
            let mut faults = Vec::new();
            let link = Link {
                line: 3,
                target: target.to_owned(),
            };
            pages.check(Path::new("a.md"), "a.html", &link, &mut faults);
            faults.len()
        };
        for right in [
            "a.md",
            "a.md#one",
            "#one",
            "b.svg",
            "https://x/y",
            "repo:a.rs",
        ] {
            assert_eq!(wrong(right), 0, "{right}");
        }
        for dead in ["c.md", "a.md#two", "#two", "c.svg"] {
            assert_eq!(wrong(dead), 1, "{dead}");
        }
    }

    #[test]
    fn a_page_fetches_nothing_and_has_each_id_once() {
        let folder = tempfile::tempdir().unwrap();
        let html = "<p id=\"a\"><p id=\"a\"><script src=\"https://x/y.js\"></script><a href=\"https://fine\">";
        fs::write(folder.path().join("a.html"), html).unwrap();
        let mut faults = Vec::new();
        Pages::read(folder.path(), &["a.html".to_owned()], &mut faults);
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
