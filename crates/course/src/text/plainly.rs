//! Rust's debug form in words: questions and answers as a person reads them.
//!
//! ```text
//! Written { results: [Ok(()), Err(Os(104))], bytes: [0, 0, 1, … ] }
//! results: [ok, error: os 104], bytes: [0, 0, 1, … 4096 in all]
//! ```
//!
//! The names of types mean nothing to somebody who has not read the tests, so
//! they are left out, and names of fields and variants become words.

use std::iter::Peekable;
use std::str::Chars;

/// So many elements of a list are shown.
const SHOWN: usize = 8;
/// So many characters of a text are shown.
const LONGEST: usize = 48;

/// What is written in debug form, in words. The form may be cut off anywhere. A
/// text that is not in debug form comes back as it is.
pub fn plainly(debug: &str) -> String {
    let mut parser = Parser {
        rest: debug.trim().chars().peekable(),
        depth: 0,
    };
    match parser.value() {
        Some(value) if parser.is_done() => value.words(true),
        _ => debug.to_owned(),
    }
}

/// A value in debug form.
#[derive(Debug)]
enum Value {
    /// A number, a text, or a word such as `true`.
    Word(String),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    /// A variant or a struct with a name: `Exited(7)`, `Os(104)`, `End`.
    Named(String, Vec<Value>),
    /// Names and values of fields.
    Fields(Vec<(String, Value)>),
    /// The form was cut off here.
    Cut,
}

impl Value {
    /// Whether the form was cut off in this value.
    fn is_cut(&self) -> bool {
        match self {
            Value::Cut => true,
            Value::Word(word) => word.ends_with("…\"") && word.chars().count() <= LONGEST + 2,
            Value::List(all) | Value::Tuple(all) | Value::Named(_, all) => {
                all.last().is_some_and(Value::is_cut)
            }
            Value::Fields(fields) => fields.last().is_some_and(|(_, value)| value.is_cut()),
        }
    }

    /// In words. `alone` says that no brackets are needed around several parts.
    fn words(&self, alone: bool) -> String {
        let enclosed = |words: String| match alone {
            true => words,
            false => format!("({words})"),
        };
        match self {
            Value::Word(word) => word.clone(),
            Value::Cut => "…".to_owned(),
            Value::List(values) => format!("[{}]", listed(values)),
            Value::Tuple(values) if values.is_empty() => "nothing".to_owned(),
            Value::Tuple(values) => enclosed(listed(values)),
            Value::Fields(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(name, value)| format!("{}: {}", spaced(name), value.words(false)))
                    .collect();
                enclosed(fields.join(", "))
            }
            Value::Named(name, values) => match (name.as_str(), &values[..]) {
                ("Some", [one]) => one.words(alone),
                ("None", []) => "none".to_owned(),
                ("Ok", [Value::Tuple(none)]) if none.is_empty() => "ok".to_owned(),
                ("Ok", [one]) => one.words(alone),
                ("Err", [one]) => format!("error: {}", one.words(false)),
                (_, []) => spaced(name),
                (_, [one]) => format!("{} {}", spaced(name), one.words(false)),
                (_, several) => format!("{} ({})", spaced(name), listed(several)),
            },
        }
    }
}

fn listed(values: &[Value]) -> String {
    let is_cut = values.last().is_some_and(Value::is_cut);
    let shown = values.iter().take(SHOWN);
    let mut words: Vec<String> = shown.map(|value| value.words(false)).collect();
    if values.len() > SHOWN {
        words.push(match is_cut {
            true => "…".to_owned(),
            false => format!("… {} in all", values.len()),
        });
    }
    words.join(", ")
}

/// `SetUp` and `set_up` become `set up`.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && !words.is_empty()) {
            words.push(' ');
        }
        if letter != '_' {
            words.extend(letter.to_lowercase());
        }
    }
    words
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    depth: usize,
}

/// Deeper values are not read.
const DEEPEST: usize = 64;

impl Parser<'_> {
    fn is_done(&mut self) -> bool {
        self.space();
        matches!(self.rest.peek(), None | Some('…'))
    }

    fn space(&mut self) {
        while self.rest.next_if(|c| c.is_whitespace()).is_some() {}
    }

    /// `None` if this is not the debug form of a value.
    fn value(&mut self) -> Option<Value> {
        self.space();
        self.depth += 1;
        let value = match *self.rest.peek().unwrap_or(&'…') {
            _ if self.depth > DEEPEST => None,
            '…' => Some(Value::Cut),
            '"' | '\'' => Some(Value::Word(self.quoted())),
            '[' | '{' => self.values().map(Value::List),
            '(' => self.values().map(Value::Tuple),
            c if c.is_alphanumeric() || "-_.".contains(c) => self.named(),
            _ => None,
        };
        self.depth -= 1;
        value
    }

    fn quoted(&mut self) -> String {
        let mark = self.rest.next().unwrap_or('"');
        let mut text = String::from(mark);
        let mut length = 0;
        let mut is_cut = true;
        while let Some(c) = self.rest.next() {
            if c == mark {
                is_cut = false;
                break;
            }
            let escaped = if c == '\\' { self.rest.next() } else { None };
            length += 1;
            if length <= LONGEST {
                text.push(c);
                text.extend(escaped);
            }
        }
        if length > LONGEST || is_cut {
            text.push('…');
        }
        text.push(mark);
        text
    }

    /// The values between two brackets, up to where the form is cut off.
    fn values(&mut self) -> Option<Vec<Value>> {
        self.rest.next();
        let mut values = Vec::new();
        loop {
            self.space();
            match self.rest.peek() {
                Some(']' | ')' | '}') => {
                    self.rest.next();
                    return Some(values);
                }
                Some(',') => _ = self.rest.next(),
                None | Some('…') => {
                    if !values.last().is_some_and(Value::is_cut) {
                        values.push(Value::Cut);
                    }
                    return Some(values);
                }
                // The colon of a map.
                Some(':') => _ = self.rest.next(),
                Some(_) => values.push(self.value()?),
            }
        }
    }

    /// A number, a word, or a name with what belongs to it.
    fn named(&mut self) -> Option<Value> {
        let mut name = String::new();
        while let Some(c) = self
            .rest
            .next_if(|c| c.is_alphanumeric() || "-+_.:µ".contains(*c))
        {
            name.push(c);
        }
        self.space();
        match self.rest.peek() {
            Some('(') => Some(Value::Named(name, self.values()?)),
            Some('{') => self.fields(),
            _ if name.starts_with(|c: char| c.is_uppercase()) => {
                Some(Value::Named(name, Vec::new()))
            }
            _ => Some(Value::Word(name)),
        }
    }

    fn fields(&mut self) -> Option<Value> {
        self.rest.next();
        let mut fields = Vec::new();
        loop {
            self.space();
            match self.rest.peek() {
                Some('}') => {
                    self.rest.next();
                    return Some(Value::Fields(fields));
                }
                Some(',') => _ = self.rest.next(),
                None | Some('…') => {
                    return Some(Value::Fields(fields));
                }
                // `..` stands for fields that are not shown.
                Some('.') => _ = self.rest.next(),
                Some(_) => {
                    let mut name = String::new();
                    while let Some(c) = self.rest.next_if(|c| c.is_alphanumeric() || *c == '_') {
                        name.push(c);
                    }
                    self.space();
                    match self.rest.next() {
                        Some(':') => {}
                        None | Some('…') => return Some(Value::Fields(fields)),
                        Some(_) => return None,
                    }
                    fields.push((name, self.value()?));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plainly;

    fn is(debug: &str, words: &str) {
        assert_eq!(plainly(debug), words, "{debug}");
    }

    #[test]
    fn plain_values_stay_as_they_are() {
        is("7", "7");
        is("-1.5", "-1.5");
        is("10.5ms", "10.5ms");
        is("\"a \\\"b\\\"\"", "\"a \\\"b\\\"\"");
        is("true", "true");
        is("()", "nothing");
        is("[]", "[]");
    }

    #[test]
    fn variants_and_fields_become_words() {
        is("Exited(7)", "exited 7");
        is("[SetUp, Rounds(1), Clock]", "[set up, rounds 1, clock]");
        is("(Killed(6), true)", "killed 6, true");
        is(
            "Written { results: [Ok(()), Err(Os(104))], bytes: [0, 1], no_calls: 2 }",
            "results: [ok, error: os 104], bytes: [0, 1], no calls: 2",
        );
        is(
            "[Got { result: Ok(Some([54])), given: 5 }]",
            "[(result: [54], given: 5)]",
        );
        is(
            "Told { lost: None, kind: \"Other\" }",
            "lost: none, kind: \"Other\"",
        );
        is("Map { .. }", "");
    }

    #[test]
    fn long_lists_and_texts_are_shortened() {
        let list: Vec<u32> = (0..20).collect();
        is(
            &format!("{list:?}"),
            "[0, 1, 2, 3, 4, 5, 6, 7, … 20 in all]",
        );
        let text = "x".repeat(60);
        is(&format!("{text:?}"), &format!("\"{}…\"", "x".repeat(48)));
    }

    #[test]
    fn what_is_cut_off_is_read_up_to_there() {
        is("[1, 2, 3…", "[1, 2, 3, …]");
        is("[(1, [2, 3…", "[(1, [2, 3, …])]");
        is("Got { result: Ok(…", "result: …");
        is("Got { given: 1, res…", "given: 1");
        is("\"abc", "\"abc…\"");
    }

    #[test]
    fn other_texts_come_back_unchanged() {
        for text in ["deadlock: all 2 threads wait", "<closure>", "a b", "x)"] {
            is(text, text);
        }
        let deep = "[".repeat(1000);
        is(&deep, &deep);
    }
}
