//! Text to tokens.

use super::ExpressionError;
use super::unit::Unit;

/// A token and where it begins and ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) what: What<'t>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What<'t> {
    Number(f64),
    /// A number with a unit right behind it, or after one space: `20 °C`, `5min`, `60%`.
    Measure(f64, Unit),
    Text(&'t str),
    /// `device/property`
    Property(&'t str, &'t str),
    /// `sun.elevation`, `true`, `min`
    Word(&'t str),
    /// An operator or bracket.
    Sign(&'static str),
    End,
}

/// Longer signs first.
const SIGNS: [&str; 22] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "!", "(", ")", "[", "]", ",", "?", ":", ".",
];

/// What people write by habit, and what it is called here.
const FOREIGN: [(&str, &str); 4] = [("=", "=="), ("&", "&&"), ("|", "||"), ("\"", "'")];

pub(super) fn tokens(source: &str) -> Result<Vec<Token<'_>>, ExpressionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at += source[at..].len() - source[at..].trim_start().len();
        let (what, end) = token(source, at)?;
        let is_end = what == What::End;
        tokens.push(Token { what, start: at, end });
        if is_end {
            return Ok(tokens);
        }
        at = end;
    }
}

fn token(source: &str, at: usize) -> Result<(What<'_>, usize), ExpressionError> {
    let rest = &source[at..];
    let Some(first) = rest.chars().next() else { return Ok((What::End, at)) };
    if first.is_ascii_digit() {
        return number(source, at);
    }
    if first == '\'' {
        let Some(length) = rest[1..].find('\'') else {
            return Err(ExpressionError::new(at, "the text does not end", "close it with '"));
        };
        return Ok((What::Text(&rest[1..=length]), at + length + 2));
    }
    if first.is_ascii_lowercase() || first == '_' {
        return Ok(word(source, at));
    }
    if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
        return Ok((What::Sign(sign), at + sign.len()));
    }
    let hint = FOREIGN.iter().find(|(foreign, _)| rest.starts_with(foreign));
    let hint = hint.map_or(String::new(), |(_, own)| format!("write {own}"));
    Err(ExpressionError::new(at, format!("`{first}` means nothing here"), hint))
}

/// `12`, `1.5`, `1e3`, and a unit if one follows.
fn number(source: &str, at: usize) -> Result<(What<'_>, usize), ExpressionError> {
    let bytes = source.as_bytes();
    let digits = |mut end: usize| {
        while bytes.get(end).is_some_and(u8::is_ascii_digit) {
            end += 1;
        }
        end
    };
    let mut end = digits(at);
    if bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit) {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        if bytes.get(end + 1 + sign).is_some_and(u8::is_ascii_digit) {
            end = digits(end + 1 + sign);
        }
    }
    let number: f64 = source[at..end].parse().unwrap_or(f64::NAN);
    if !number.is_finite() {
        return Err(ExpressionError::new(at, "the number is too large", "write a finite number"));
    }
    match unit(source, end) {
        Some((unit, end)) => Ok((What::Measure(number, unit), end)),
        None => Ok((What::Number(number), end)),
    }
}

/// A unit behind a number. After a space only a letter or `°` begins one: `7 % 2` is a remainder.
fn unit(source: &str, at: usize) -> Option<(Unit, usize)> {
    let rest = &source[at..];
    let spaces = rest.len() - rest.trim_start_matches(' ').len();
    let rest = &rest[spaces..];
    if rest.starts_with('%') {
        return (spaces == 0).then(|| Some((Unit::named("%")?, at + 1))).flatten();
    }
    let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '°' || c == '³')).unwrap_or(rest.len());
    Some((Unit::named(&rest[..length])?, at + spaces + length))
}

/// The end of an id: letters, digits, underscores, and hyphens that another of them follows.
fn id_end(source: &str, at: usize, hyphens: bool) -> usize {
    let bytes = source.as_bytes();
    let is_part = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_')
    };
    let mut end = at;
    while is_part(bytes.get(end)) || (hyphens && bytes.get(end) == Some(&b'-') && is_part(bytes.get(end + 1))) {
        end += 1;
    }
    end
}

/// `device/property` where a slash follows an id at once, else a word with the dots in it.
fn word(source: &str, at: usize) -> (What<'_>, usize) {
    let end = id_end(source, at, true);
    if source.as_bytes().get(end) == Some(&b'/') {
        let property = id_end(source, end + 1, true);
        if property > end + 1 {
            return (What::Property(&source[at..end], &source[end + 1..property]), property);
        }
    }
    let mut end = id_end(source, at, false);
    while source.as_bytes().get(end) == Some(&b'.') {
        let next = id_end(source, end + 1, false);
        if next == end + 1 {
            break;
        }
        end = next;
    }
    (What::Word(&source[at..end]), end)
}
