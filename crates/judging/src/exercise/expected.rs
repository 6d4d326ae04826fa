//! The tests in a test file, found without compiling it.
//!
//! The judge owes a verdict on each of them, whatever the test program does. So
//! the course reads them from the original source, and does not ask the program
//! for them.
//!
//! ```
//! let tests = judging::exercise::expected::tests("
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

/// A test as its source describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// The function's name, with its modules in front.
    pub name: String,
    /// The clauses of the contract that it checks: `clauses = [1, 4]`.
    pub clauses: Vec<u32>,
    /// Whether it takes seconds: `slow = true`.
    pub is_slow: bool,
}

/// The names of all `#[proctor::test(…)]` functions, with their modules in
/// front, in the order of the file.
///
/// # Errors
/// The text is not made of Rust's tokens. The error says where and why.
pub fn tests(source: &str) -> Result<Vec<String>, String> {
    Ok(described(source)?
        .into_iter()
        .map(|test| test.name)
        .collect())
}

/// The same tests, with what their attributes say about them.
///
/// # Errors
/// Those of [`tests`].
pub fn described(source: &str) -> Result<Vec<Test>, String> {
    let tokens = TokenStream::from_str(source).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    collect(tokens, "", &mut found);
    Ok(found)
}

fn collect(tokens: TokenStream, prefix: &str, found: &mut Vec<Test>) {
    let mut judged = None;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                if let Some(TokenTree::Group(group)) = tokens.peek()
                    && group.delimiter() == Delimiter::Bracket
                {
                    judged = judged.or(settings(group.stream()));
                    tokens.next();
                }
            }
            TokenTree::Ident(word) if word == "fn" => {
                if let Some(TokenTree::Ident(name)) = tokens.next()
                    && let Some(settings) = judged.take()
                {
                    found.push(Test {
                        name: format!("{prefix}{name}"),
                        clauses: numbers(&settings),
                        is_slow: value_of(&settings, "slow")
                            .is_some_and(|value| value.to_string() == "true"),
                    });
                }
            }
            TokenTree::Ident(word) if word == "mod" => {
                if let Some(TokenTree::Ident(name)) = tokens.next()
                    && let Some(TokenTree::Group(body)) = tokens.peek()
                {
                    collect(body.stream(), &format!("{prefix}{name}::"), found);
                }
            }
            // Braces end an item; nothing within them is a test.
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => judged = None,
            _ => {}
        }
    }
}

/// The tokens between the parentheses of `proctor::test(…)`, whatever the spacing.
fn settings(attribute: TokenStream) -> Option<Vec<TokenTree>> {
    let mut tokens = attribute.into_iter();
    for word in ["proctor", ":", ":", "test"] {
        tokens.next().filter(|token| token.to_string() == word)?;
    }
    match tokens.next() {
        Some(TokenTree::Group(group)) => Some(group.stream().into_iter().collect()),
        _ => Some(Vec::new()),
    }
}

/// The token after `key =`.
fn value_of<'a>(settings: &'a [TokenTree], key: &str) -> Option<&'a TokenTree> {
    let is = |token: &TokenTree, text: &str| token.to_string() == text;
    settings
        .windows(3)
        .find(|three| is(&three[0], key) && is(&three[1], "="))
        .map(|three| &three[2])
}

/// The numbers in `clauses = […]`.
fn numbers(settings: &[TokenTree]) -> Vec<u32> {
    let Some(TokenTree::Group(list)) = value_of(settings, "clauses") else {
        return Vec::new();
    };
    let numbers = list.stream().into_iter();
    numbers
        .filter_map(|token| token.to_string().parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{described, tests};

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
    fn what_the_attribute_says_is_read() {
        let source = "
            #[proctor::test(clauses = [1, 12], slow = true, subject = |n: u64| n)]
            fn it_answers(mut subject: Subject) {}
            #[proctor::test(subject = |slow: bool| { let clauses = [3]; slow })]
            fn another(mut subject: Subject) {}
        ";
        let found = described(source).unwrap();
        assert_eq!(
            (&found[0].clauses[..], found[0].is_slow),
            (&[1, 12][..], true)
        );
        assert_eq!((&found[1].clauses[..], found[1].is_slow), (&[][..], false));
    }

    #[test]
    fn a_file_that_is_no_rust_says_so() {
        assert!(tests("fn f( {").is_err());
    }
}
