//! A user's mistake, and where in which file it stands.

use std::fmt;
use std::ops::Range;

/// One configuration file: its name as the user gave it, and its whole text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// The name to print in problems, usually the path that was opened.
    pub name: String,
    /// The TOML text.
    pub text: String,
}

impl Source {
    /// A source from its name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// One mistake in the configuration, told to the person who wrote it.
///
/// Displayed as `file:line:column: what (key)`, with the hint on a second, indented line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the file.
    pub file: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in the line, in characters, from 1.
    pub column: usize,
    /// Dotted key, such as `device.blind.out.up.max_on`; empty when the text is no TOML at all.
    pub key: String,
    /// What is wrong.
    pub what: String,
    /// How to put it right; empty when there is nothing to add.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}: {}", self.file, self.line, self.column, self.what)?;
        if !self.key.is_empty() {
            write!(formatter, " ({})", self.key)?;
        }
        if !self.hint.is_empty() {
            write!(formatter, "\n    hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// What is wrong with one value, before it is known where the value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) what: String,
    pub(super) hint: String,
}

impl Mistake {
    pub(super) fn new(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { what: what.into(), hint: hint.into() }
    }
}

/// A place in one of the files: which file, and the byte range in its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) span: Range<usize>,
    pub(super) key: String,
}

/// Line and column, both from 1, of a byte offset in a text.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let offset = text.floor_char_boundary(offset);
    let before = &text[..offset];
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (line, text[start..offset].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn position_counts_lines_and_characters_from_one() {
        let text = "a = 1\nunit = \"°C\" # x";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 6), (2, 1));
        assert_eq!(position(text, text.find('#').expect("a comment")), (2, 13));
        assert_eq!(position(text, 10_000), (2, 16));
    }

    #[test]
    fn problem_is_printed_with_place_key_and_hint() {
        let problem = Problem {
            file: "house.toml".into(),
            line: 3,
            column: 7,
            key: "gateway.id".into(),
            what: "not an id".into(),
            hint: "use a-z".into(),
        };
        assert_eq!(problem.to_string(), "house.toml:3:7: not an id (gateway.id)\n    hint: use a-z");
    }
}
