//! What the file does elsewhere that makes a common name suspicious.

use std::collections::{HashMap, HashSet};

use super::tokens::{Kind, Tokens};

/// Facts about a whole file.
pub(super) struct Facts {
    /// `asm!` is renamed, or gets its text from a macro of the file: then every
    /// string in a macro's tokens may be assembly.
    pub assembly_is_built: bool,
    /// How `include!` can be called in disguise.
    pub include: Disguise,
    /// How `env!` can be called in disguise.
    pub env: Disguise,
    /// An `extern { … }`, or an `extern` alone, is among the tokens of a macro,
    /// and the file defines a macro.
    pub a_macro_has_an_extern_block: bool,
}

/// How a macro can be called without its name in front of a `!`.
pub(super) struct Disguise {
    /// `name as other` renames it, and `other` is used as a macro.
    pub an_alias_is_called: bool,
}

impl Disguise {
    fn of(name: &str, may_get_its_bang: bool, tokens: &Tokens) -> Disguise {
        Disguise {
            an_alias_is_called: an_alias_is_called(name, may_get_its_bang, tokens),
        }
    }
}

impl Facts {
    pub(super) fn of(tokens: &Tokens) -> Facts {
        let any = |holds: fn(&Tokens, usize) -> bool| (0..tokens.len()).any(|at| holds(tokens, at));
        let defines_a_macro = any(|tokens, at| tokens.is_name(at, "macro_rules"));
        Facts {
            assembly_is_built: any(|tokens, at| {
                tokens[at].in_assembly && tokens.is_mark(at, '$')
                    || tokens.is_name(at, "asm") && tokens.is_keyword(at + 1, "as")
            }),
            // `include` almost never occurs inside a macro's tokens, so any macro of
            // the file is enough. `env` does occur there, in `check!(env::args())`.
            include: Disguise::of("include", defines_a_macro, tokens),
            env: Disguise::of("env", any(adds_a_bang), tokens),
            a_macro_has_an_extern_block: defines_a_macro && any(is_extern_block_in_a_macro),
        }
    }
}

/// Whether a name that `name as other` made, perhaps in several steps, is called
/// or, if a macro could add the `!`, given to a macro.
fn an_alias_is_called(name: &str, may_get_its_bang: bool, tokens: &Tokens) -> bool {
    let mut renamed: HashMap<&str, Vec<&str>> = HashMap::new();
    for at in 1..tokens.len() {
        if tokens.is_keyword(at, "as")
            && let (Some(from), Some(to)) = (tokens.word(at - 1), tokens.word(at + 1))
        {
            // `$from as to` can rename anything.
            let from_anything = at >= 2 && tokens.is_mark(at - 2, '$');
            let from = if from_anything { name } else { from };
            renamed.entry(from).or_default().push(to);
        }
    }
    let mut aliases = HashSet::new();
    let mut to_follow = vec![name];
    while let Some(from) = to_follow.pop() {
        for to in renamed.remove(from).unwrap_or_default() {
            aliases.insert(to);
            to_follow.push(to);
        }
    }
    (0..tokens.len()).any(|at| {
        tokens.word(at).is_some_and(|word| aliases.contains(word))
            && (tokens.is_call(at) || may_get_its_bang && tokens[at].in_macro)
    })
}

/// `$name!(…)`, or a `!` that is an argument of its own.
fn adds_a_bang(tokens: &Tokens, at: usize) -> bool {
    if !tokens[at].in_macro || !tokens.is_bang(at) {
        return false;
    }
    let follows_a_fragment =
        at >= 2 && matches!(tokens[at - 1].kind, Kind::Name { .. }) && tokens.is_mark(at - 2, '$');
    let follows_an_arrow = at >= 1 && tokens.is_mark(at - 1, '>');
    let stands_alone = tokens.is_mark(at + 1, ',')
        || tokens.is_mark(at + 1, ';')
        || matches!(tokens.kind(at + 1), Some(Kind::Close));
    follows_a_fragment || stands_alone && !follows_an_arrow
}

/// Everything but `extern "C" fn` and `extern crate`.
fn is_extern_block_in_a_macro(tokens: &Tokens, at: usize) -> bool {
    if !tokens[at].in_macro || !tokens.is_keyword(at, "extern") {
        return false;
    }
    let has_abi = matches!(tokens.kind(at + 1), Some(Kind::Literal(_)));
    let item = at + 1 + usize::from(has_abi);
    !tokens.is_keyword(item, "fn") && !tokens.is_keyword(item, "crate")
}
