//! `{{#code …}}`: Rust from files that cargo compiles.

use std::fs;
use std::path::Path;

use super::{Sources, escaped};
use crate::item::{find, undented};

pub(super) fn code(arguments: &str, sources: &Sources<'_>) -> Result<String, String> {
    let (place, with_docs) = match arguments.strip_suffix(" with docs") {
        Some(place) => (place.trim(), true),
        None => (arguments, false),
    };
    let separator = place
        .find(['#', ':'])
        .ok_or("`{{#code}}` needs a file and a part of it: `PATH#ITEM` or `PATH:ANCHOR`")?;
    let (path, part) = (&place[..separator], &place[separator + 1..]);
    if !path.ends_with(".rs") || path.split('/').any(|name| name == "..") {
        return Err(format!("{path} is no Rust file of the course"));
    }
    let file = sources.root().join(path);
    let source =
        fs::read_to_string(&file).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let text = match &place[separator..=separator] {
        "#" => items(&source, path, part, with_docs)?,
        _ => anchored(&source, part).ok_or_else(|| {
            format!("{path} has no lines `// ANCHOR: {part}` and `// ANCHOR_END: {part}`")
        })?,
    };
    let target = format!("source/{path}.txt");
    sources
        .used
        .borrow_mut()
        .sources
        .insert(Path::new(path).to_owned());
    Ok(format!(
        "<p class=\"source\"><a href=\"{target}\"><code>{}</code></a></p>\n\n```rust,noplayground\n{}```",
        escaped(path),
        text
    ))
}

fn items(source: &str, path: &str, names: &str, with_docs: bool) -> Result<String, String> {
    let file = syn::parse_file(source).map_err(|error| format!("{path} is no Rust: {error}"))?;
    let mut texts = Vec::new();
    for name in names.split(',').map(str::trim) {
        let lines = find(&file, name).ok_or_else(|| format!("{path} has no item `{name}`"))?;
        texts.push(lines.text(source, with_docs));
    }
    Ok(texts.join("\n"))
}

/// The lines between the marks; other marks among them are left out.
fn anchored(source: &str, name: &str) -> Option<String> {
    let is = |line: &str, mark: &str| line.trim() == format!("// {mark}: {name}");
    let mut lines = source.lines().skip_while(|line| !is(line, "ANCHOR"));
    lines.next()?;
    let mut found = Vec::new();
    for line in lines {
        if is(line, "ANCHOR_END") {
            return Some(undented(&found));
        }
        if !line.trim().starts_with("// ANCHOR") {
            found.push(line);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_between_two_marks_are_shown() {
        let source = "fn f() {\n    // ANCHOR: a\n    one();\n    // ANCHOR: b\n      two();\n    // ANCHOR_END: b\n    // ANCHOR_END: a\n}\n";
        assert_eq!(anchored(source, "a").unwrap(), "one();\n  two();\n");
        assert_eq!(anchored(source, "b").unwrap(), "two();\n");
        assert_eq!(anchored(source, "c"), None);
        assert_eq!(anchored("// ANCHOR: a\nx\n", "a"), None);
    }
}
