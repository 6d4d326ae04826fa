//! The tokens of a file in one flat list. Each token says whether it lies in a
//! macro, in assembly or in an attribute.
//!
//! `proc_macro2` gives no positions without a feature that slows down every
//! procedural macro of the workspace. So each word of interest carries its line
//! into the tokens: `include` on line 12 is read as `include__on_line_12`.

use std::ops::Deref;
use std::str::FromStr;

use proc_macro2::{Delimiter, LexError, Spacing, TokenStream, TokenTree};

/// Separates a word from its line. It is ASCII, because the words in byte
/// strings get it too.
const ON_LINE: &str = "__on_line_";

/// A token and what it lies in.
pub(super) struct Token {
    pub kind: Kind,
    /// It is an argument of a macro or part of a macro's definition.
    pub in_macro: bool,
    /// It is an argument of `asm!` or one of its kind.
    pub in_assembly: bool,
    /// It lies between the brackets of `#[…]` or `#![…]`.
    pub in_attribute: bool,
}

pub(super) enum Kind {
    /// An identifier or a keyword; `word` is `include` for `r#include` too.
    Name {
        word: String,
        raw: bool,
        line: u32,
    },
    /// The name in `'name`. It never counts as a `Name`.
    Lifetime,
    Literal(String),
    /// A literal directly after a quote, as in `'r"…"`.
    MisreadLiteral,
    /// `joint`: another mark follows without a space.
    Mark {
        sign: char,
        joint: bool,
    },
    Open(Delimiter),
    Close,
}

/// All tokens of a file.
pub(super) struct Tokens(Vec<Token>);

impl Deref for Tokens {
    type Target = [Token];

    fn deref(&self) -> &[Token] {
        &self.0
    }
}

impl Tokens {
    /// Reads `text`. Only the names among `words` know their line.
    pub(super) fn of(text: &str, words: &[&str]) -> Result<Tokens, LexError> {
        let stream = TokenStream::from_str(&with_lines(text, words))?;
        let mut tokens = Tokens(Vec::new());
        // A stack instead of recursion: a learner's file may nest as deep as it likes.
        let mut outer = Vec::new();
        let mut rest = stream.into_iter();
        let (mut in_macro, mut in_assembly, mut in_attribute) = (false, false, false);
        loop {
            let kind = match rest.next() {
                Some(TokenTree::Group(group)) => {
                    let inner_macro = in_macro || tokens.end_as_macro();
                    let inner_assembly = in_assembly || tokens.end_as_assembly();
                    let inner_attribute =
                        in_attribute || tokens.end_as_attribute(group.delimiter());
                    outer.push((rest, in_macro, in_assembly, in_attribute));
                    rest = group.stream().into_iter();
                    (in_macro, in_attribute) = (inner_macro, inner_attribute);
                    in_assembly = inner_assembly;
                    Kind::Open(group.delimiter())
                }
                Some(TokenTree::Ident(_)) if tokens.ends_with('\'') => Kind::Lifetime,
                Some(TokenTree::Ident(name)) => named(&name.to_string()),
                Some(TokenTree::Literal(_)) if tokens.ends_with('\'') => Kind::MisreadLiteral,
                Some(TokenTree::Literal(literal)) => Kind::Literal(literal.to_string()),
                Some(TokenTree::Punct(punct)) => Kind::Mark {
                    sign: punct.as_char(),
                    joint: punct.spacing() == Spacing::Joint,
                },
                None => match outer.pop() {
                    Some(before) => {
                        (rest, in_macro, in_assembly, in_attribute) = before;
                        Kind::Close
                    }
                    None => return Ok(tokens),
                },
            };
            tokens.0.push(Token {
                kind,
                in_macro,
                in_assembly,
                in_attribute,
            });
        }
    }

    /// Whether what follows are the arguments of `asm!`.
    fn end_as_assembly(&self) -> bool {
        let before = |back: usize| self.0.len().checked_sub(back);
        before(1).is_some_and(|at| self.is_mark(at, '!'))
            && before(2).is_some_and(|at| {
                let names = ["asm", "naked_asm", "global_asm"];
                names.iter().any(|name| self.is_name(at, name))
            })
    }

    pub(super) fn kind(&self, at: usize) -> Option<&Kind> {
        self.0.get(at).map(|token| &token.kind)
    }

    /// The word of the identifier at `at`, if it is one.
    pub(super) fn word(&self, at: usize) -> Option<&str> {
        match self.kind(at)? {
            Kind::Name { word, .. } => Some(word),
            _ => None,
        }
    }

    pub(super) fn is_name(&self, at: usize, name: &str) -> bool {
        self.word(at) == Some(name)
    }

    /// `r#mod` is an ordinary identifier.
    pub(super) fn is_keyword(&self, at: usize, keyword: &str) -> bool {
        matches!(self.kind(at), Some(Kind::Name { word, raw: false, .. }) if word == keyword)
    }

    pub(super) fn is_mark(&self, at: usize, mark: char) -> bool {
        matches!(self.kind(at), Some(Kind::Mark { sign, .. }) if *sign == mark)
    }

    pub(super) fn opens(&self, at: usize, delimiter: Delimiter) -> bool {
        matches!(self.kind(at), Some(Kind::Open(open)) if *open == delimiter)
    }

    /// A `!` that is not the first half of `!=`.
    pub(super) fn is_bang(&self, at: usize) -> bool {
        match self.kind(at) {
            Some(Kind::Mark { sign: '!', joint }) => !joint || !self.is_mark(at + 1, '='),
            _ => false,
        }
    }

    /// `name!`.
    pub(super) fn is_call(&self, at: usize) -> bool {
        self.word(at).is_some() && self.is_bang(at + 1)
    }

    /// The name of an attribute that is written out: `#[name = …]`,
    /// `#[name(…)]`, also within `cfg_attr(…, name = …)`.
    pub(super) fn is_attribute(&self, at: usize) -> bool {
        let starts = at >= 1
            && (self.is_mark(at - 1, ',')
                || self.opens(at - 1, Delimiter::Bracket)
                || self.opens(at - 1, Delimiter::Parenthesis));
        let goes_on = self.is_mark(at + 1, '=') || self.opens(at + 1, Delimiter::Parenthesis);
        self.0[at].in_attribute && starts && goes_on
    }

    fn ends_with(&self, mark: char) -> bool {
        !self.is_empty() && self.is_mark(self.len() - 1, mark)
    }

    /// The last tokens are `name!` or `macro_rules! name`: a group that follows
    /// belongs to a macro.
    fn end_as_macro(&self) -> bool {
        let end = self.len();
        end >= 2 && self.word(end - 2).is_some() && self.is_bang(end - 1)
            || end >= 3 && self.is_name(end - 3, "macro_rules") && self.is_bang(end - 2)
    }

    /// The last tokens are `#` or `#!`: brackets that follow are an attribute.
    fn end_as_attribute(&self, delimiter: Delimiter) -> bool {
        let inner = self.len() >= 2 && self.ends_with('!') && self.is_mark(self.len() - 2, '#');
        delimiter == Delimiter::Bracket && (self.ends_with('#') || inner)
    }
}

fn named(name: &str) -> Kind {
    let (raw, name) = match name.strip_prefix("r#") {
        Some(name) => (true, name),
        None => (false, name),
    };
    let (word, line) = word_and_line(name);
    Kind::Name {
        word: word.to_owned(),
        raw,
        line,
    }
}

/// `text` with its line at each of the `words`, in comments and strings too.
fn with_lines(text: &str, words: &[&str]) -> String {
    let mut marked = String::with_capacity(text.len() * 2);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let mut rest = line;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|letter| is_in_word(letter) != is_in_word(first));
            let (run, after) = rest.split_at(end.unwrap_or(rest.len()));
            marked.push_str(run);
            // The assembler's directives ignore case.
            if words.iter().any(|word| word.eq_ignore_ascii_case(run)) {
                marked.push_str(&format!("{ON_LINE}{}", index + 1));
            }
            rest = after;
        }
    }
    marked
}

fn is_in_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

fn word_and_line(name: &str) -> (&str, u32) {
    name.rsplit_once(ON_LINE)
        .and_then(|(word, line)| Some((word, line.parse().ok()?)))
        .unwrap_or((name, 1))
}

/// The directives in a literal, such as `section` in `".section .text"`, each
/// with its line.
pub(super) fn directives(literal: &str) -> impl Iterator<Item = (&str, u32)> {
    literal.split('.').skip(1).map(|after| {
        let end = after.find(|letter| !is_in_word(letter));
        word_and_line(&after[..end.unwrap_or(after.len())])
    })
}

/// Whether the compiler skips the first line.
///
/// The compiler also looks past comments for the `[` of `#![…]`. Here a comment
/// in that place counts as a shebang; nobody writes one there.
pub(super) fn has_shebang(text: &str) -> bool {
    let text = text.trim_start_matches('\u{feff}');
    text.strip_prefix("#!").is_some_and(|rest| {
        !rest
            .trim_start_matches(|letter: char| letter.is_ascii_whitespace())
            .starts_with('[')
    })
}

/// The first line that may hold the start of a misread literal.
pub(super) fn line_of_misread(text: &str) -> u32 {
    let starts_one = |line: &&str| {
        ["'r\"", "'br\"", "'cr\""]
            .iter()
            .any(|start| line.contains(start))
    };
    let index = text.lines().take_while(|line| !starts_one(line)).count();
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}
