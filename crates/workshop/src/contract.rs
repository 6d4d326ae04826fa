//! An exercise's contract, clause by clause.
//!
//! The contract is the documentation of the stub, `src/lib.rs`. Each promise
//! and each demand in it is a clause with a number of its own:
//!
//! ```text
//! /// - C3: The child is reaped: no zombie stays.
//! ```
//!
//! Tests name the clauses that they check (`clauses = [3]`), and mistakes name
//! the clause that they break (`Clause: 3`). `cargo course verify` checks that
//! clauses, tests and mistakes agree.

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clause {
    /// Its number, from 1.
    pub number: u32,
    /// Its text, on one line.
    pub says: String,
}

/// The clauses of a stub, in the order of the text.
///
/// A clause ends where its paragraph or list item ends, or where the next clause begins.
///
/// ```
/// let clauses = workshop::contract::clauses("
/// /// - C1: It returns the sum,
/// ///   also of no numbers.
/// /// - C2: It never panics.
/// ");
/// assert_eq!(clauses[0].says, "It returns the sum, also of no numbers.");
/// assert_eq!(clauses[1].number, 2);
/// ```
pub fn clauses(stub: &str) -> Vec<Clause> {
    let mut found: Vec<Clause> = Vec::new();
    let mut open = false;
    for line in stub.lines() {
        let Some(text) = documentation(line) else {
            open = false;
            continue;
        };
        let item = text.strip_prefix("- ").or_else(|| text.strip_prefix("* "));
        let text = item.unwrap_or(text).trim();
        if let Some((number, says)) = numbered(text) {
            open = true;
            found.push(Clause {
                number,
                says: says.to_owned(),
            });
        } else if text.is_empty() || text.starts_with('#') || item.is_some() {
            open = false;
        } else if let (true, Some(last)) = (open, found.last_mut()) {
            last.says.push(' ');
            last.says.push_str(text);
        }
    }
    found
}

fn documentation(line: &str) -> Option<&str> {
    let line = line.trim();
    let text = line
        .strip_prefix("///")
        .or_else(|| line.strip_prefix("//!"))?;
    Some(text.trim())
}

/// `C3: text`.
fn numbered(text: &str) -> Option<(u32, &str)> {
    let (number, says) = text.strip_prefix('C')?.split_once(':')?;
    Some((number.parse().ok()?, says.trim()))
}

#[cfg(test)]
mod tests {
    use super::clauses;

    #[test]
    fn headings_items_and_code_end_a_clause() {
        let text = "
            //! C1: One.
            //!
            //! Not a part of it.
            /// C2: Two
            /// # Errors
            /// - C3: three,
            ///   goes on
            /// - an item without a number
            pub fn f() {} // C9: no documentation
        ";
        let found: Vec<_> = clauses(text)
            .into_iter()
            .map(|clause| (clause.number, clause.says))
            .collect();
        let expected = [(1, "One."), (2, "Two"), (3, "three, goes on")];
        assert_eq!(
            found,
            expected.map(|(number, says)| (number, says.to_owned()))
        );
    }
}
