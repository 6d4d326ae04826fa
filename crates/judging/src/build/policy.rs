//! The names that a learner's code may not use, checked before it is compiled.
//!
//! Some names act before any test runs. `include!` makes the compiler read a
//! file, `env!` makes it read an environment variable, and `#[no_mangle]` can
//! replace a function of the C library in the whole program. An exercise on
//! processes or threads needs none of them.
//!
//! This check is one of several defenses, and the others hold without it. It can
//! therefore accept every name that honest code uses: `use std::env;` and
//! `let path = "/tmp/x";` pass.
//!
//! ```
//! let text = "pub fn secret() -> &'static str {\n    include_str!(\"/etc/passwd\")\n}";
//! let refusals = judging::build::policy::refusals(text, &[]).unwrap();
//! assert_eq!(
//!     refusals[0].to_string(),
//!     "`include_str!` reads a file while your code is compiled, \
//!      and this exercise does not need that (line 2)",
//! );
//! ```
//!
//! It is not complete, and it need not be. A macro can build `env!(…)`, `#[path]` or
//! `#[link]` from pieces that it is given, and `asm!` accepts a directive that a
//! macro, `concat!` or an escape such as `\x69` hides. What the compiler read
//! ([`inputs`](crate::build::inputs)) and what the linker made ([`linkage`](crate::build::linkage))
//! are looked at afterwards. Only what the assembler and the linker read (`.incbin`, a
//! static library) is seen by nobody.

mod facts;
#[cfg(test)]
mod tests;
mod tokens;

use std::fmt::{self, Display};

use facts::Facts;
use tokens::{Kind, Tokens};

/// One use of a name that exercises do not need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The name as the catalogue would permit it: `include_str`, `path`, `.incbin`.
    pub name: String,
    /// The line of the first use, counted from 1.
    pub line: u32,
    /// What the name does: a verb with its object.
    pub why: &'static str,
    shown: &'static str,
}

/// The sentence for a learner.
impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal {
            line, why, shown, ..
        } = self;
        write!(
            f,
            "`{shown}` {why}, and this exercise does not need that (line {line})"
        )
    }
}

/// The text is not made of Rust's tokens.
///
/// The compiler normally rejects such text too, with a better message. If it
/// compiles after all, this policy has not seen the code: do not judge it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable(String);

impl Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file is not made of Rust tokens: {}", self.0)
    }
}

impl std::error::Error for Unreadable {}

/// One refused name.
struct Rule {
    name: &'static str,
    /// How a learner writes it.
    shown: &'static str,
    place: Place,
    why: &'static str,
}

/// Where a name is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Everywhere: no honest identifier has this name.
    Anywhere,
    /// As a macro. A function, a variable or a module may have the same name.
    Macro,
    /// As an attribute. A variable or a function may have the same name.
    Attribute,
    /// As a directive in the text of `asm!`.
    Assembly,
}

const READS_A_FILE: &str = "reads a file while your code is compiled";
const READS_THE_ENVIRONMENT: &str = "reads an environment variable while your code is compiled";
const SHARES_A_SYMBOL: &str =
    "chooses a linker symbol, which can replace a function of the whole program";
const CHOOSES_A_SECTION: &str =
    "chooses a section of the program, which can make code run before `main`";

#[rustfmt::skip]
const RULES: &[Rule] = {
    use Place::{Anywhere, Assembly, Attribute, Macro};
    const fn rule(name: &'static str, shown: &'static str, place: Place, why: &'static str) -> Rule {
        Rule { name, shown, place, why }
    }
    &[
        rule("include", "include!", Macro, READS_A_FILE),
        rule("include_str", "include_str!", Anywhere, READS_A_FILE),
        rule("include_bytes", "include_bytes!", Anywhere, READS_A_FILE),
        rule("env", "env!", Macro, READS_THE_ENVIRONMENT),
        rule("option_env", "option_env!", Anywhere, READS_THE_ENVIRONMENT),
        rule("path", "#[path]", Attribute, "compiles a file that is not part of your answer"),
        rule("debugger_visualizer", "#[debugger_visualizer]", Anywhere, READS_A_FILE),
        rule("link_section", "#[link_section]", Anywhere, CHOOSES_A_SECTION),
        rule("no_mangle", "#[no_mangle]", Anywhere, SHARES_A_SYMBOL),
        rule("export_name", "#[export_name]", Anywhere, SHARES_A_SYMBOL),
        rule("link_name", "#[link_name]", Attribute, "declares a function under a linker symbol of another name"),
        rule("link", "#[link]", Attribute, "links another library into the program"),
        rule("global_asm", "global_asm!", Anywhere, "adds assembly outside any function, where it can define linker symbols"),
        rule("global_allocator", "#[global_allocator]", Anywhere, "replaces the memory allocator of the whole program"),
        rule("no_main", "#[no_main]", Anywhere, "removes the start of the program"),
        rule(".incbin", ".incbin", Assembly, READS_A_FILE),
        rule(".include", ".include", Assembly, READS_A_FILE),
        rule(".section", ".section", Assembly, CHOOSES_A_SECTION),
        rule(".pushsection", ".pushsection", Assembly, CHOOSES_A_SECTION),
        rule(".globl", ".globl", Assembly, SHARES_A_SYMBOL),
        rule(".global", ".global", Assembly, SHARES_A_SYMBOL),
        rule(".weak", ".weak", Assembly, SHARES_A_SYMBOL),
        rule(".comm", ".comm", Assembly, SHARES_A_SYMBOL),
        rule(".symver", ".symver", Assembly, SHARES_A_SYMBOL),
    ]
};

/// A first line such as `#!/bin/sh`. The compiler skips it, but the tokens in
/// it would count here: a quote in it would hide the code that follows.
const SHEBANG: Rule = Rule {
    name: "#!",
    shown: "#!",
    place: Place::Anywhere,
    why: "starts a first line that the compiler skips",
};

/// In `'r"…"` the compiler sees the lifetime `'r` and a string; `proc_macro2`
/// sees a raw string, which can end elsewhere.
const AMBIGUOUS: Rule = Rule {
    name: "'r\"",
    shown: "'r\"",
    place: Place::Anywhere,
    why: "puts a string directly after a lifetime, where two programs can disagree on where the string ends",
};

/// Every refused name in `text` with its first use, in the order of the file.
///
/// `allowed` holds the names that this exercise permits.
///
/// # Errors
/// The text is not made of Rust's tokens.
pub fn refusals(text: &str, allowed: &[String]) -> Result<Vec<Refusal>, Unreadable> {
    let mut found: Vec<Refusal> = Vec::new();
    let mut refuse = |rule: &Rule, line: u32| {
        let is_new = found.iter().all(|refusal| refusal.name != rule.name);
        if is_new && allowed.iter().all(|name| name != rule.name) {
            found.push(Refusal {
                name: rule.name.to_owned(),
                line,
                why: rule.why,
                shown: rule.shown,
            });
        }
    };
    if tokens::has_shebang(text) {
        refuse(&SHEBANG, 1);
        return Ok(found);
    }

    let words: Vec<&str> = RULES
        .iter()
        .map(|rule| rule.name.trim_start_matches('.'))
        .collect();
    let tokens = Tokens::of(text, &words).map_err(|error| Unreadable(error.to_string()))?;
    let facts = Facts::of(&tokens);
    for (at, token) in tokens.iter().enumerate() {
        match &token.kind {
            Kind::Name { word, line, .. } => {
                let by_name = |rule: &&Rule| rule.name == word;
                if let Some(rule) = RULES.iter().find(by_name)
                    && is_refused(rule, at, &tokens, &facts)
                {
                    refuse(rule, *line);
                }
            }
            Kind::Literal(text)
                if (token.in_assembly || facts.assembly_is_built && token.in_macro)
                    && !token.in_attribute =>
            {
                for (directive, line) in tokens::directives(text) {
                    let by_name = |rule: &&Rule| {
                        rule.place == Place::Assembly
                            && rule.name[1..].eq_ignore_ascii_case(directive)
                    };
                    if let Some(rule) = RULES.iter().find(by_name) {
                        refuse(rule, line);
                    }
                }
            }
            Kind::MisreadLiteral => refuse(&AMBIGUOUS, tokens::line_of_misread(text)),
            _ => {}
        }
    }
    Ok(found)
}

/// Whether the name at `at` is used as its rule forbids.
fn is_refused(rule: &Rule, at: usize, tokens: &Tokens, facts: &Facts) -> bool {
    let in_macro = tokens[at].in_macro;
    match rule.place {
        Place::Anywhere => true,
        Place::Macro => {
            let disguise = match rule.name {
                "env" => &facts.env,
                _ => &facts.include,
            };
            let is_renamed = in_macro || tokens.is_name(at + 1, "as");
            // In `env as $name`, the new name is not visible here.
            let is_renamed_by_a_macro = tokens.is_name(at + 1, "as") && tokens.is_mark(at + 2, '$');
            // A macro may still add the bang. In that case the compiler's own
            // list of what it read shows the use, and honest names are not
            // refused here.
            tokens.is_call(at) || is_renamed_by_a_macro || is_renamed && disguise.an_alias_is_called
        }
        // Either the attribute is written out, or a macro builds it from pieces.
        // In that case a macro also produces the item that the attribute acts on,
        // and honest macros almost never produce such an item.
        Place::Attribute => {
            // The compiler lists the files that `path` brings in.
            let is_built = in_macro && rule.name != "path" && facts.a_macro_has_an_extern_block;
            // `link = value`, after a format string, is not `#[link(…)]`.
            let is_value = rule.name == "link" && tokens.is_mark(at + 1, '=');
            tokens.is_attribute(at) || is_built && !is_value
        }
        Place::Assembly => false,
    }
}
