//! The public shape of a file: what its stub promises, and what the solution,
//! the tests and a learner's own code rely on.
//!
//! The tests do not find every difference. If the stub's `map` takes a
//! `FnMut` and the solution's takes a `Fn`, both compile with the same tests,
//! but a learner's right answer may not.

use judging::exercise::catalogue::Exercise;
use judging::files;
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Complaint;

/// The public items that differ between the stub and the solution.
pub(crate) fn shapes(exercise: &Exercise, stub: &str) -> Vec<Complaint> {
    let Ok(solution) = files::text(&exercise.solution().join("src/lib.rs")) else {
        return Vec::new();
    };
    let (given, solved) = (shape(stub), shape(&solution));
    let lacks = |one: &[String], other: &[String]| -> Vec<String> {
        let missing = one.iter().filter(|item| !other.contains(item));
        missing.cloned().collect()
    };
    let only_given = lacks(&given, &solved)
        .into_iter()
        .map(|item| format!("the stub's src/lib.rs has `{item}`, and the solution does not"));
    let only_solved = lacks(&solved, &given)
        .into_iter()
        .map(|item| format!("the solution's src/lib.rs has `{item}`, and the stub does not"));
    only_given
        .chain(only_solved)
        .map(|what| Complaint::new(&exercise.id, what))
        .collect()
}

/// The public items of a file, each as one line. Names of parameters, bodies
/// and private fields do not count.
fn shape(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(tokens) = text.parse::<TokenStream>() {
        items(tokens, "", &mut found);
    }
    found.sort();
    found
}

/// Collects the items on one level. `within` is the head of the `impl` or
/// module around them.
fn items(tokens: TokenStream, within: &str, found: &mut Vec<String>) {
    let mut head: Vec<TokenTree> = Vec::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            // An attribute or a doc comment.
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                let is_inner =
                    matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '!');
                if is_inner {
                    tokens.next();
                }
                tokens.next();
            }
            TokenTree::Punct(mark) if mark.as_char() == ';' => {
                item(&head, None, within, found);
                head.clear();
            }
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                item(&head, Some(group.stream()), within, found);
                head.clear();
            }
            other => head.push(other),
        }
    }
}

fn item(head: &[TokenTree], body: Option<TokenStream>, within: &str, found: &mut Vec<String>) {
    let has = |word: &str| {
        let mut words = head.iter();
        words.any(|token| matches!(token, TokenTree::Ident(ident) if ident == word))
    };
    let starts =
        |word: &str| matches!(head.first(), Some(TokenTree::Ident(ident)) if ident == word);
    if starts("impl") || (starts("unsafe") && has("impl")) {
        let head = line(head);
        // A trait's items follow from the trait.
        match head.contains(" for ") {
            true => {}
            false => items(body.unwrap_or_default(), &format!("{head} :: "), found),
        }
        return;
    }
    if !starts("pub") || matches!(head.get(1), Some(TokenTree::Group(_))) {
        return;
    }
    if has("mod") {
        items(
            body.unwrap_or_default(),
            &format!("{within}{} :: ", line(head)),
            found,
        );
        return;
    }
    let mut text = if has("fn") {
        line(&unnamed(head))
    } else if has("struct") {
        // The fields may be private.
        let is_field = |token: &&TokenTree| matches!(token, TokenTree::Group(_));
        let upto = head
            .iter()
            .position(|token| is_field(&token))
            .unwrap_or(head.len());
        line(&head[..upto])
    } else {
        let is_value =
            |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == '=');
        let upto = head.iter().position(is_value).unwrap_or(head.len());
        line(&head[..upto])
    };
    if has("enum") || has("trait") {
        let body: Vec<TokenTree> = body.unwrap_or_default().into_iter().collect();
        text += &format!(" {{ {} }}", line(&without_docs(&body)));
    }
    found.push(format!("{within}{text}"));
}

/// The head of a function, in which every parameter is called `_`.
fn unnamed(head: &[TokenTree]) -> Vec<TokenTree> {
    let parameters = head.iter().position(|token| {
        matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
    });
    let Some(at) = parameters else {
        return head.to_vec();
    };
    let TokenTree::Group(group) = &head[at] else {
        return head.to_vec();
    };
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    let is =
        |token: &TokenTree, mark: char| matches!(token, TokenTree::Punct(p) if p.as_char() == mark);
    let (mut kept, mut depth, mut in_name): (Vec<TokenTree>, i32, bool) = (Vec::new(), 0, true);
    let mut name: Vec<TokenTree> = Vec::new();
    let mut after_minus = false;
    for token in tokens {
        // The `>` of an arrow closes nothing.
        depth += i32::from(is(&token, '<')) - i32::from(is(&token, '>') && !after_minus);
        after_minus = is(&token, '-');
        if depth == 0 && is(&token, ',') {
            // `self` has a name and no type.
            kept.append(&mut name);
            kept.push(token);
            in_name = true;
        } else if in_name && is(&token, ':') {
            name.clear();
            in_name = false;
            kept.push(token);
        } else if in_name {
            name.push(token);
        } else {
            kept.push(token);
        }
    }
    kept.append(&mut name);
    if kept.last().is_some_and(|last| is(last, ',')) {
        kept.pop();
    }
    let mut whole = head[..at].to_vec();
    let group = proc_macro2::Group::new(Delimiter::Parenthesis, kept.into_iter().collect());
    whole.push(TokenTree::Group(group));
    whole.extend_from_slice(&head[at + 1..]);
    whole
}

fn without_docs(tokens: &[TokenTree]) -> Vec<TokenTree> {
    let mut kept = Vec::new();
    let mut tokens = tokens.iter();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => _ = tokens.next(),
            other => kept.push(other.clone()),
        }
    }
    kept
}

/// Tokens as text, without a comma at the end.
fn line(tokens: &[TokenTree]) -> String {
    let stream: TokenStream = tokens.iter().cloned().collect();
    let text = stream.to_string();
    text.trim_end()
        .trim_end_matches(',')
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::shape;

    #[test]
    fn names_of_parameters_bodies_and_docs_do_not_count() {
        let stub = "//! A file.\n/// Adds.\npub fn add(_one: impl Fn() -> Vec<u8>, _two: &str,) -> u32 { todo!() }";
        let solved = "use x::y;\npub fn add(one: impl Fn() -> Vec<u8>, mut two: &str) -> u32 { help(one) }\nfn help(x: u32) -> u32 { x }";
        assert_eq!(shape(stub), shape(solved));
    }

    #[test]
    fn a_type_a_bound_a_method_and_a_variant_count() {
        let base = "pub struct S<T>(T); impl<T> S<T> { pub fn f(&self, x: T) -> u8 { 1 } } pub enum E { A, B(u8) }";
        let others = [
            base.replace("x: T", "x: &T"),
            base.replace("-> u8", "-> u16"),
            base.replace("struct S<T>", "struct S<T: Send>"),
            base.replace("impl<T> S<T>", "impl<T: Send> S<T>"),
            base.replace("pub fn f", "fn f"),
            base.replace("&self", "&mut self"),
            base.replace("B(u8)", "B(u16)"),
        ];
        for other in others {
            assert_ne!(shape(base), shape(&other), "{other}");
        }
        let fields = base
            .replace("S<T>(T)", "S<T> { private: Vec<T> }")
            .replace("T> };", "T> }");
        assert_eq!(shape(base), shape(&fields), "{fields}");
    }

    #[test]
    fn what_is_not_public_does_not_count() {
        let base = "pub fn f() {}";
        let more = "pub fn f() { 1; } pub(crate) fn g() {} impl Drop for X { fn drop(&mut self) {} } mod m { pub fn h() {} }";
        assert_eq!(shape(base), shape(more));
    }
}
