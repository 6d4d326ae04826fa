//! Reads std's stable interface out of the HTML of rust-docs.
//!
//! Each item becomes one line: its path, ` :: `, and what the documentation says of it, with every
//! name written as a full path:
//!
//! ```text
//! std::sync::Barrier :: struct
//! std::sync::Barrier :: impl std::sync::Barrier { pub const fn new(n: usize) -> std::sync::Barrier }
//! std::sync::Barrier :: impl std::fmt::Debug for std::sync::Barrier
//! std::sync::atomic::fence :: pub fn fence(order: std::sync::atomic::Ordering)
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// rustdoc's mark on what is not stable.
const UNSTABLE: &str = "stab unstable";

/// The folder with std's pages, or why there is none.
pub(crate) fn installed() -> Result<PathBuf, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(&rustc)
        .args(["--print", "sysroot"])
        .output()
        .map_err(|error| format!("{} cannot be run: {error}", Path::new(&rustc).display()))?;
    let sysroot = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    let folder = Path::new(&sysroot).join("share/doc/rust/html/std");
    if folder.join("index.html").is_file() {
        Ok(folder)
    } else {
        Err(format!(
            "{} is not there; `rustup component add rust-docs` installs it",
            folder.display()
        ))
    }
}

/// A reader of one installation's pages.
pub(crate) struct Docs {
    std: PathBuf,
    /// Whether a trait is stable, by its page.
    traits: BTreeMap<PathBuf, bool>,
}

impl Docs {
    /// The pages in the folder `std`.
    pub(crate) fn new(std: PathBuf) -> Self {
        Self {
            std,
            traits: BTreeMap::new(),
        }
    }

    /// The lines of a macro of std's root.
    pub(crate) fn root_macro(&self, name: &str) -> Vec<String> {
        let page = self.std.join(format!("macro.{name}.html"));
        assert!(page.is_file(), "there is no {}", page.display());
        vec![format!("std::{name} :: macro")]
    }

    /// The lines of all stable items of `module`, such as `sync/atomic`, without its submodules.
    /// Of the types in `names_only`, only the names are listed.
    pub(crate) fn module(&mut self, module: &str, names_only: &[&str]) -> Vec<String> {
        let folder = self.std.join(module);
        let mut pages: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("a folder can be listed").path())
            .collect();
        pages.sort();
        let mut lines = Vec::new();
        for page in pages {
            let file = page.file_name().unwrap_or_default().to_string_lossy();
            let [kind, name, "html"] = file.split('.').collect::<Vec<_>>()[..] else {
                continue;
            };
            let path = format!("std::{}::{name}", module.replace('/', "::"));
            let html = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{file}: {error}"));
            let html = html.as_str();
            let Some((top, rest)) = top_of(html) else {
                // A page that only redirects.
                continue;
            };
            if top.contains(UNSTABLE) {
                continue;
            }
            match kind {
                "fn" | "constant" => lines.push(format!("{path} :: {}", declaration(top))),
                _ => {
                    lines.push(format!("{path} :: {kind}"));
                    if !names_only.contains(&path.as_str()) && kind != "type" {
                        self.members(&page, &path, rest, &mut lines);
                    }
                }
            }
        }
        assert!(
            lines.iter().any(|line| !line.ends_with(":: struct")),
            "no item was found in {}: rust-docs has another format now, and this reader must learn it",
            folder.display()
        );
        lines
    }

    /// The lines of a type's variants, methods, constants and traits.
    fn members(&mut self, page: &Path, path: &str, html: &str, lines: &mut Vec<String>) {
        let end = html.find("id=\"blanket-implementations\"");
        let html = &html[..end.unwrap_or(html.len())];
        let borrowed = html.find("id=\"deref-methods").map(|start| {
            let end = html[start..].find("id=\"trait-implementations\"");
            start..end.map_or(html.len(), |end| start + end)
        });
        let mut around = String::new();
        for (at, section) in sections(html) {
            if borrowed.as_ref().is_some_and(|range| range.contains(&at)) {
                continue;
            }
            let class = between(section, "class=\"", "\"").unwrap_or_default();
            let Some(header) = code_header(section) else {
                continue;
            };
            let stable = !section.contains(UNSTABLE);
            match class {
                "variant" if stable => {
                    let name = text(header);
                    let name = name.split(['(', ' ', '{']).next().unwrap_or_default();
                    lines.push(format!("{path} :: variant {name}"));
                }
                "impl" => {
                    around = text(header);
                    let negative = around.contains(" !") || around.contains(">!");
                    let elsewhere = around.contains("std::os::windows");
                    if !stable || negative || elsewhere || !self.traits_are_stable(page, header) {
                        around.clear();
                    } else if around.contains(" for ") {
                        lines.push(format!("{path} :: {around}"));
                    }
                }
                "associatedtype trait-impl" if !around.is_empty() => {
                    if let Some(last) = lines.last_mut() {
                        *last = format!("{last} {{ {} }}", text(header));
                    }
                }
                "method" | "associatedconstant" if stable && !around.is_empty() => {
                    lines.push(format!("{path} :: {around} {{ {} }}", text(header)));
                }
                _ => {}
            }
        }
    }

    /// Whether all traits that a header names may be named in stable Rust.
    fn traits_are_stable(&mut self, page: &Path, header: &str) -> bool {
        let folder = page.parent().unwrap_or(page);
        header
            .split("<a class=\"trait\" href=\"")
            .skip(1)
            .all(|link| {
                let href = link.split(['"', '#']).next().unwrap_or_default();
                let target = folder.join(href);
                *self.traits.entry(target).or_insert_with_key(|target| {
                    let html = fs::read_to_string(target).unwrap_or_default();
                    top_of(&html).is_none_or(|(top, _)| !top.contains(UNSTABLE))
                })
            })
    }
}

/// What a page says of the item itself, and the rest.
fn top_of(html: &str) -> Option<(&str, &str)> {
    let start = html.find("<pre class=\"rust item-decl\">")?;
    let html = &html[start..];
    let end = ["<details class=\"toggle top-doc\"", "<h2 id=", "</main>"]
        .iter()
        .filter_map(|mark| html.find(mark))
        .min()
        .unwrap_or(html.len());
    Some(html.split_at(end))
}

/// The declaration of a function or a constant.
fn declaration(top: &str) -> String {
    text(between(top, "<code>", "</code>").unwrap_or_default())
}

/// Each `<section>` with what is said of its stability behind it, and where it is.
fn sections(html: &str) -> impl Iterator<Item = (usize, &str)> {
    html.match_indices("<section id=").map(|(at, _)| {
        let rest = &html[at..];
        let close = rest.find("</section>").unwrap_or(rest.len());
        let end = ["</summary>", "<section id=", "<h2 "]
            .iter()
            .filter_map(|mark| rest[close..].find(mark))
            .min()
            .map_or(rest.len(), |end| close + end);
        (at, &rest[..end])
    })
}

fn code_header(section: &str) -> Option<&str> {
    let (_, header) = section.split_once("class=\"code-header\">")?;
    let end = header.find("</h3>").or_else(|| header.find("</h4>"))?;
    Some(&header[..end])
}

fn between<'a>(html: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = html.split_once(open)?;
    rest.split_once(close).map(|(found, _)| found)
}

/// The text of some HTML on one line; a link to a type or a trait becomes its full path.
fn text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        let Some((tag, after)) = tag.split_once('>') else {
            break;
        };
        rest = after;
        if tag.starts_with("div") {
            text.push(' ');
        }
        let Some((kind, path)) = between(tag, "title=\"", "\"").and_then(|t| t.split_once(' '))
        else {
            continue;
        };
        if ["struct", "enum", "trait", "type", "union"].contains(&kind)
            && let Some((_, after)) = rest.split_once("</a>")
        {
            text.push_str(path);
            rest = after;
        }
    }
    text.push_str(rest);
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&");
    // rustdoc's mark on an iterator, a reader or a future.
    let text = text.replace('ⓘ', "");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.trim_end_matches([',', ';'])
        .replace("( ", "(")
        .replace(", )", ")")
}
