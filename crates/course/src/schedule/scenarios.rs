//! The scenarios that an exercise explores, found in its tests without
//! compiling them.
//!
//! ```
//! let scenarios = course::schedule::scenarios::scenarios("
//!     interleave::scenarios! {
//!         exercise = counter_explored;
//!         /// Two threads add.
//!         pub fn both_add() { exercise::add(); }
//!     }
//!     #[proctor::test(subject = |(): ()| interleave::explore(scenarios::both_add))]
//!     fn nothing_is_lost(mut subject: Subject) {}
//! ").unwrap();
//! assert_eq!(scenarios[0].name, "both_add");
//! assert_eq!(scenarios[0].about, "Two threads add.");
//! assert_eq!(scenarios[0].tests, ["nothing_is_lost"]);
//! ```

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// One scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scenario {
    /// The function's name in `scenarios!`.
    pub name: String,
    /// Its documentation, on one line.
    pub about: String,
    /// The tests that explore its schedules.
    pub tests: Vec<String>,
}

/// The scenarios whose schedules are explored, in the order of the file.
///
/// # Errors
/// The text is not made of Rust's tokens. The error says where and why.
pub fn scenarios(source: &str) -> Result<Vec<Scenario>, String> {
    let tokens = TokenStream::from_str(source).map_err(|error| error.to_string())?;
    let mut found = Found::default();
    found.items(tokens, "");
    let Found {
        mut scenarios,
        uses,
    } = found;
    for (test, name) in uses {
        for scenario in scenarios.iter_mut().filter(|one| one.name == name) {
            if !scenario.tests.contains(&test) {
                scenario.tests.push(test.clone());
            }
        }
    }
    // If no test names a scenario, a function in between does. Any test may
    // then explore any scenario.
    if scenarios.iter().any(|one| !one.tests.is_empty()) {
        scenarios.retain(|one| !one.tests.is_empty());
    }
    Ok(scenarios)
}

#[derive(Default)]
struct Found {
    scenarios: Vec<Scenario>,
    /// A test, and a scenario that it names.
    uses: Vec<(String, String)>,
}

impl Found {
    /// Walks over items: tests, modules, and calls of `scenarios!`.
    fn items(&mut self, tokens: TokenStream, prefix: &str) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut named = Vec::new();
        let mut is_test = false;
        let mut test = None;
        for (place, token) in tokens.iter().enumerate() {
            let before = |back: usize| place.checked_sub(back).map(|at| tokens[at].to_string());
            match token {
                TokenTree::Group(group) => match group.delimiter() {
                    Delimiter::Bracket if before(1).as_deref() == Some("#") => {
                        let text = spaceless(&group.stream());
                        if text.starts_with("proctor::test") {
                            is_test = true;
                            names(group.stream(), &mut named);
                        }
                    }
                    Delimiter::Brace => {
                        if before(2).as_deref() == Some("scenarios") {
                            self.expanded(group.stream());
                        } else if before(2).as_deref() == Some("mod") {
                            let module = before(1).unwrap_or_default();
                            self.items(group.stream(), &format!("{prefix}{module}::"));
                        } else if let Some(test) = test.take() {
                            names(group.stream(), &mut named);
                            let uses = named.drain(..).map(|name| (String::clone(&test), name));
                            self.uses.extend(uses);
                        }
                        is_test = false;
                        named.clear();
                    }
                    _ => {}
                },
                TokenTree::Ident(name) if is_test && before(1).as_deref() == Some("fn") => {
                    test = Some(format!("{prefix}{name}"));
                }
                _ => {}
            }
        }
    }

    /// The functions that [`scenarios!`] turns into scenarios: public functions
    /// without arguments and without a result.
    fn expanded(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut about: Vec<String> = Vec::new();
        for (place, window) in tokens.windows(5).enumerate() {
            if let Some(line) = documentation(&tokens[place]) {
                about.push(line);
            }
            let [public, function, name, arguments, body] = window else {
                continue;
            };
            let is_empty = |token: &TokenTree, delimiter| {
                matches!(token, TokenTree::Group(group)
                    if group.delimiter() == delimiter
                        && (delimiter == Delimiter::Brace || group.stream().is_empty()))
            };
            if public.to_string() == "pub"
                && function.to_string() == "fn"
                && is_empty(arguments, Delimiter::Parenthesis)
                && is_empty(body, Delimiter::Brace)
            {
                self.scenarios.push(Scenario {
                    name: name.to_string(),
                    about: about.join(" "),
                    tests: Vec::new(),
                });
            }
            if matches!(&tokens[place], TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
                || tokens[place].to_string() == ";"
            {
                about.clear();
            }
        }
    }
}

/// The text of `#[doc = "text"]`, if the token is its brackets.
fn documentation(token: &TokenTree) -> Option<String> {
    let TokenTree::Group(group) = token else {
        return None;
    };
    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
    let [doc, _, TokenTree::Literal(text)] = &inner[..] else {
        return None;
    };
    if group.delimiter() != Delimiter::Bracket || doc.to_string() != "doc" {
        return None;
    }
    let text = text.to_string();
    let text = text.trim_start_matches(['r', '#']).trim_end_matches('#');
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    Some(text.replace("\\\"", "\"").trim().to_owned())
}

/// Adds each `NAME` of a `scenarios::NAME`, at any depth.
fn names(tokens: TokenStream, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for window in tokens.windows(4) {
        if let [
            TokenTree::Ident(module),
            TokenTree::Punct(_),
            TokenTree::Punct(_),
            TokenTree::Ident(name),
        ] = window
            && module == "scenarios"
        {
            found.push(name.to_string());
        }
    }
    for token in tokens {
        if let TokenTree::Group(group) = token {
            names(group.stream(), found);
        }
    }
}

fn spaceless(tokens: &TokenStream) -> String {
    let start = tokens.clone().into_iter().take(4);
    start.map(|token| token.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::scenarios;

    const TESTS: &str = r#"
        //! Tests.
        fn helper() { scenarios::not_in_a_test(); }
        interleave::scenarios! {
            exercise = lock_explored;
            type Lock = Arc<u32>;
            fn fresh() -> Lock { Arc::new(0) }
            /// One "locks",
            /// one waits.
            pub fn waiting() { fresh(); }
            pub fn with_result() -> u32 { 0 }
            pub fn only_elsewhere() {}
            /// Another.
            #[allow(dead_code)]
            pub fn trying() { { { } } }
        }
        #[proctor::test(subject = |(): ()| {
            [scenarios::waiting, scenarios::trying].map(interleave::explore).to_vec()
        })]
        fn both_hold(mut subject: Subject) { f(); }
        #[proctor::test(subject = |(): ()| interleave::explore(other::only_elsewhere))]
        fn what_was_written_is_seen(mut subject: Subject) {}
        mod more {
            #[proctor::test(deadline = 3, subject = |(): ()| interleave::explore(scenarios::waiting))]
            fn again(mut subject: Subject) {}
        }
    "#;

    #[test]
    fn a_scenario_is_a_public_function_that_a_test_explores() {
        let found = scenarios(TESTS).unwrap();
        let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["waiting", "trying"]);
        assert_eq!(found[0].about, "One \"locks\", one waits.");
        assert_eq!(found[0].tests, ["both_hold", "more::again"]);
        assert_eq!(found[1].about, "Another.");
    }

    #[test]
    fn where_a_function_stands_between_test_and_scenario_any_test_may_explore_it() {
        let source = "scenarios! { exercise = x; pub fn one() {} }\n#[proctor::test(subject = |(): ()| all())] fn holds(s: Subject) {}";
        let found = scenarios(source).unwrap();
        assert_eq!((found.len(), found[0].tests.len()), (1, 0));
    }

    #[test]
    fn tests_that_explore_nothing_have_no_scenario() {
        let source = "#[proctor::test(subject = |n: u64| n)] fn f(mut s: Subject) {}";
        assert_eq!(scenarios(source), Ok(Vec::new()));
        assert!(scenarios("fn f( {").is_err());
    }
}
