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

/// So many elements of a list of numbers or words are shown.
const SHOWN: usize = 8;
/// So many elements are shown if they have parts of their own.
const SHOWN_WITH_PARTS: usize = 3;
/// The largest `usize`, with which tests mean "no limit".
const NO_LIMIT: &str = "18446744073709551615";
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

/// A list of questions and the list of their answers, in pairs, if the two forms
/// are such lists: the first few, and how many there are.
pub fn pairs(asked: &str, answered: &str) -> Option<(Vec<(String, String)>, usize)> {
    let list = |debug: &str| {
        let mut rest = Parser {
            rest: debug.trim().chars().peekable(),
            depth: 0,
        };
        match rest.value()? {
            Value::List(values) if rest.is_done() => Some(values),
            _ => None,
        }
    };
    let (asked, answered) = (list(asked)?, list(answered)?);
    let count = asked.len().max(answered.len());
    let whole = !asked.last()?.is_cut() && !answered.last()?.is_cut();
    let one_for_one = asked.len() == answered.len() || !whole;
    if count < 2 || !one_for_one || !asked.iter().any(Value::has_parts) {
        return None;
    }
    let both = asked.iter().zip(&answered).take(SHOWN_WITH_PARTS);
    let pairs = both.map(|(asked, answered)| (asked.words(true), answered.words(true)));
    Some((pairs.collect(), if whole { count } else { 0 }))
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

    fn is_no_limit(&self) -> bool {
        matches!(self, Value::Word(word) if word == NO_LIMIT)
    }

    /// Whether it is more than a number, a word or a name.
    fn has_parts(&self) -> bool {
        match self {
            Value::Word(_) | Value::Cut => false,
            Value::Named(_, values) => values.iter().any(Value::has_parts),
            Value::List(values) | Value::Tuple(values) => !values.is_empty(),
            Value::Fields(_) => true,
        }
    }

    /// In words. `alone` says that no brackets are needed around several parts.
    fn words(&self, alone: bool) -> String {
        let enclosed = |words: String| match alone {
            true => words,
            false => format!("({words})"),
        };
        match self {
            Value::Word(word) if word == NO_LIMIT => "no limit".to_owned(),
            Value::Word(word) => word.clone(),
            Value::Cut => "…".to_owned(),
            Value::List(values) => format!("[{}]", listed(values)),
            Value::Tuple(values) if values.is_empty() => "nothing".to_owned(),
            Value::Tuple(values) => enclosed(listed(values)),
            Value::Fields(fields) => {
                if let Some(step) = step(fields) {
                    return step;
                }
                let fields: Vec<String> = fields
                    .iter()
                    .filter(|(name, value)| name != "at_most" || !value.is_no_limit())
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

/// A step of a script ([`proctor::script`]): what happens, and how often.
fn step(fields: &[(String, Value)]) -> Option<String> {
    let [(what, happens), (times, often)] = fields else {
        return None;
    };
    if what != "what" || times != "times" {
        return None;
    }
    let happens = happens.words(true);
    Some(match often {
        Value::Word(once) if once == "1" => happens,
        often if often.is_no_limit() => format!("{happens}, always"),
        often => format!("{happens}, {} times", often.words(false)),
    })
}

fn listed(values: &[Value]) -> String {
    let is_cut = values.last().is_some_and(Value::is_cut);
    let most = match values.iter().any(Value::has_parts) {
        true => SHOWN_WITH_PARTS,
        false => SHOWN,
    };
    let shown = values.iter().take(most);
    let mut words: Vec<String> = shown.map(|value| value.words(false)).collect();
    if values.len() > most {
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
    use super::{pairs, plainly};

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
    fn of_values_with_parts_fewer_are_shown() {
        let list: Vec<Vec<u32>> = vec![vec![1]; 5];
        is(&format!("{list:?}"), "[[1], [1], [1], … 5 in all]");
        is("[18446744073709551615]", "[no limit]");
    }

    #[test]
    fn the_steps_of_a_script_say_how_often() {
        is(
            "[Step { what: Takes(5), times: 1 }, Step { what: Takes(7), times: 3 }, Step { what: End, times: 18446744073709551615 }]",
            "[takes 5, takes 7, 3 times, end, always]",
        );
        is(
            "Gives { bytes: [1], at_most: 18446744073709551615 }",
            "bytes: [1]",
        );
    }

    #[test]
    fn questions_and_answers_are_paired() {
        let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
        assert_eq!(
            pairs("[([1], 0), ([2], 0)]", "[Ok(1), Err(Os(4))]"),
            Some((vec![pair("[1], 0", "1"), pair("[2], 0", "error: os 4")], 2))
        );
        // The number of the rest is not known.
        let cut = pairs("[([1], 0), ([2], 0), ([3…", "[1, 2, 3, 4]");
        assert_eq!(cut.map(|(pairs, count)| (pairs.len(), count)), Some((3, 0)));
        assert_eq!(pairs("[1, 2]", "[1, 2]"), None);
        assert_eq!(pairs("[(1, 2)]", "[1]"), None);
        assert_eq!(pairs("[[1], [2]]", "[1, 2, 3]"), None);
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
