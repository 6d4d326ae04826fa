//! The tests that a test file promises, found without compiling it.
//!
//! A verdict is due for each of them, whatever the test program does: so they
//! are read from the source that was given, not asked from the program.
//!
//! ```
//! let tests = course::expected::tests("
//!     #[proctor::test(subject = |n: u64| n)]
//!     fn it_answers(mut subject: Subject) {}
//!     mod worlds {
//!         #[proctor::test(subject = |(): ()| ())]
//!         fn nothing_is_lost(mut subject: Subject) {}
//!     }
//! ");
//! assert_eq!(tests.unwrap(), ["it_answers", "worlds::nothing_is_lost"]);
//! ```

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The names of all `#[proctor::test(…)]` functions, modules in front, in the
/// order of the file.
///
/// # Errors
/// The text is not made of Rust's tokens: the position and why.
pub fn tests(source: &str) -> Result<Vec<String>, String> {
    let tokens = TokenStream::from_str(source).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    collect(tokens, "", &mut found);
    Ok(found)
}

fn collect(tokens: TokenStream, prefix: &str, found: &mut Vec<String>) {
    let mut judged = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.peek()
                    && group.delimiter() == Delimiter::Bracket
                {
                    judged |= is_judged(group.stream());
                    tokens.next();
                }
            }
            TokenTree::Ident(word) if word == "fn" => {
                if let Some(TokenTree::Ident(name)) = tokens.next()
                    && std::mem::take(&mut judged)
                {
                    found.push(format!("{prefix}{name}"));
                }
            }
            TokenTree::Ident(word) if word == "mod" => {
                if let Some(TokenTree::Ident(name)) = tokens.next()
                    && let Some(TokenTree::Group(body)) = tokens.peek()
                {
                    collect(body.stream(), &format!("{prefix}{name}::"), found);
                }
            }
            // Bodies and other brackets end an item; nothing in them is a test.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => judged = false,
            _ => {}
        }
    }
}

/// `proctor::test(…)`, however it is spaced.
fn is_judged(attribute: TokenStream) -> bool {
    let words: Vec<String> = attribute
        .into_iter()
        .take(4)
        .map(|token| token.to_string())
        .collect();
    words == ["proctor", ":", ":", "test"]
}

#[cfg(test)]
mod tests {
    use super::tests;

    #[test]
    fn comments_and_strings_hold_no_tests() {
        let source = r##"
            // #[proctor::test(subject = |n: u64| n)] fn in_a_comment(s: Subject) {}
            const TEXT: &str = "#[proctor::test()] fn in_a_string() {}";
            const RAW: &str = r#"#[proctor::test()] fn in_a_raw_string() {}"#;
            #[test] fn plain() {}
        "##;
        assert_eq!(tests(source).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn other_attributes_may_stand_around_it() {
        let source = "
            #[cfg(unix)]
            #[proctor :: test(deadline = 2.0, subject = |n: u64| { fn inner() {} n })]
            #[allow(dead_code)]
            pub fn it_answers(mut subject: Subject) { fn helper() {} }
            fn not_a_test() {}
        ";
        assert_eq!(tests(source).unwrap(), ["it_answers"]);
    }

    #[test]
    fn a_file_that_is_no_rust_says_so() {
        assert!(tests("fn f( {").is_err());
    }
}
