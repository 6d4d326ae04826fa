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

use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Item, Lit, Meta, MetaNameValue, Token};

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
/// The text is not Rust, an attribute is malformed, or a test is not a `#[proctor::test]`. The error
/// says why.
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
    let file = syn::parse_file(source).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    collect(&file.items, "", &mut found)?;
    Ok(found)
}

fn collect(items: &[Item], prefix: &str, found: &mut Vec<Test>) -> Result<(), String> {
    for item in items {
        match item {
            Item::Fn(function) => {
                let name = format!("{prefix}{}", function.sig.ident);
                let judged = function.attrs.iter().find(|one| is_judged(one));
                if let Some(attribute) = judged {
                    found.push(test(name, attribute)?);
                } else if function.attrs.iter().any(is_plain) {
                    return Err(format!(
                        "{name} is a plain #[test], which no judge would run: make it a #[proctor::test(…)]"
                    ));
                }
            }
            Item::Mod(module) => {
                if let Some((_, items)) = &module.content {
                    collect(items, &format!("{prefix}{}::", module.ident), found)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether this is `proctor::test`.
fn is_judged(attribute: &Attribute) -> bool {
    let names = attribute.path().segments.iter().map(|part| &part.ident);
    names.eq(["proctor", "test"])
}

/// Whether this is `test`, `tokio::test` or the like.
fn is_plain(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    last.is_some_and(|part| part.ident == "test")
}

fn test(name: String, attribute: &Attribute) -> Result<Test, String> {
    let mut test = Test {
        name,
        clauses: Vec::new(),
        is_slow: false,
    };
    if let Meta::Path(_) = attribute.meta {
        return Ok(test);
    }
    let settings = attribute
        .parse_args_with(Punctuated::<MetaNameValue, Token![,]>::parse_terminated)
        .map_err(|error| format!("the attribute of {}: {error}", test.name))?;
    for setting in settings {
        match &setting.value {
            Expr::Array(list) if setting.path.is_ident("clauses") => {
                test.clauses = list.elems.iter().filter_map(number).collect();
            }
            Expr::Lit(ExprLit {
                lit: Lit::Bool(is), ..
            }) if setting.path.is_ident("slow") => test.is_slow = is.value,
            _ => {}
        }
    }
    Ok(test)
}

fn number(expression: &Expr) -> Option<u32> {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Int(number),
            ..
        }) => number.base10_parse().ok(),
        _ => None,
    }
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
    fn a_test_that_no_judge_would_run_is_an_error() {
        for attribute in ["#[test]", "#[tokio::test]", "#[test] #[ignore]"] {
            let source = format!("mod inner {{ {attribute} fn plain() {{}} }}");
            let why = tests(&source).unwrap_err();
            assert!(why.starts_with("inner::plain is a plain #[test]"), "{why}");
        }
    }

    #[test]
    fn a_file_that_is_no_rust_says_so() {
        assert!(tests("fn f( {").is_err());
    }
}
