//! The text of a telegram becomes objects: an OBIS code and what stands in brackets behind it. Pure.
//!
//! Sources: DSMR P1 Companion Standard 5.0.2, 6.4; IEC 62056-21, 5.8 (data lines).

use winnow::ascii::dec_uint;
use winnow::combinator::{opt, preceded, repeat};
use winnow::prelude::*;
use winnow::token::take_while;

/// An OBIS code: medium, channel, and the quantity with its processing and storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Obis {
    pub(super) medium: u8,
    pub(super) channel: u8,
    pub(super) quantity: (u8, u8, u8),
}

/// One object of a telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object<'t> {
    pub(super) obis: Obis,
    /// What stands in brackets, in order, without them.
    pub(super) groups: Vec<&'t str>,
}

/// The objects of a telegram, without those lines that are none.
pub(super) fn objects(telegram: &str) -> Vec<Object<'_>> {
    let mut rest = telegram;
    let mut found = Vec::new();
    while !rest.is_empty() {
        match object.parse_next(&mut rest) {
            Ok(object) => found.push(object),
            // Not an object: on to the next line.
            Err(_) => rest = rest.split_once('\n').map_or("", |(_, rest)| rest),
        }
    }
    found
}

fn object<'t>(input: &mut &'t str) -> ModalResult<Object<'t>> {
    let obis = obis.parse_next(input)?;
    let groups = repeat(1.., group).parse_next(input)?;
    line_end.parse_next(input)?;
    Ok(Object { obis, groups })
}

/// `1-0:1.8.1`, with or without a last part such as `.255`.
fn obis(input: &mut &str) -> ModalResult<Obis> {
    let medium = dec_uint.parse_next(input)?;
    let channel = preceded('-', dec_uint).parse_next(input)?;
    let first = preceded(':', dec_uint).parse_next(input)?;
    let second = preceded('.', dec_uint).parse_next(input)?;
    let third = preceded('.', dec_uint).parse_next(input)?;
    opt(preceded('.', dec_uint::<_, u8, _>)).parse_next(input)?;
    Ok(Obis { medium, channel, quantity: (first, second, third) })
}

/// A group in brackets. One may stand on the next line, as the gas reading of DSMR 2 does.
fn group<'t>(input: &mut &'t str) -> ModalResult<&'t str> {
    let start = *input;
    let text = (opt(line_end), '(', take_while(0.., |c: char| c != ')' && c != '(' && c != '\r' && c != '\n'), ')')
        .map(|(_, _, text, _)| text)
        .parse_next(input);
    if text.is_err() {
        *input = start;
    }
    text
}

fn line_end(input: &mut &str) -> ModalResult<()> {
    (opt('\r'), '\n').void().parse_next(input)
}

/// A number with its unit: `000123.456*kWh`.
pub(super) fn number(group: &str) -> Option<(f64, &str)> {
    let (number, unit) = group.split_once('*').unwrap_or((group, ""));
    let is_plain = !number.is_empty() && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-'));
    let number: f64 = number.parse().ok().filter(|_| is_plain)?;
    Some((number, unit))
}

/// Civil time with its offset, from `YYMMDDhhmmss` and `S` (summer) or `W` (winter) of Central Europe.
pub(super) fn time(group: &str) -> Option<String> {
    let (digits, offset) = match group.as_bytes() {
        [digits @ .., b'S'] => (digits, "+02:00"),
        [digits @ .., b'W'] => (digits, "+01:00"),
        digits => (digits, ""),
    };
    if digits.len() != 12 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pair = |at: usize| std::str::from_utf8(&digits[at..at + 2]).unwrap_or_default();
    let number = |at: usize| pair(at).parse::<u8>().unwrap_or(u8::MAX);
    let is_date = (1..=12).contains(&number(2)) && (1..=31).contains(&number(4));
    let is_time = number(6) < 24 && number(8) < 60 && number(10) < 60;
    let text = || format!("20{}-{}-{}T{}:{}:{}{offset}", pair(0), pair(2), pair(4), pair(6), pair(8), pair(10));
    (is_date && is_time).then(text)
}

/// Text that is written as pairs of hexadecimal digits; as it stands if it is none.
pub(super) fn text(group: &str) -> String {
    let pair = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = group.as_bytes().chunks(2).map(pair).collect();
    let is_paired = group.len().is_multiple_of(2) && group.len() >= 2;
    match bytes.filter(|bytes| is_paired && bytes.iter().all(|byte| (b' '..=b'~').contains(byte))) {
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        None => group.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_between_lines_that_are_none() {
        let text = "/ABC5x\r\n\r\n1-0:1.8.1(000123.456*kWh)\r\nnoise(\r\n0-1:24.2.1(101209112500W)(12785.123*m3)\r\n\
                    1-0:99.1.0.255()\r\n1-0:1.7.0(0.1*kW\r\n1-0:2.7.0(0.2*kW)\r\n";
        let found = objects(text);
        let codes: Vec<(u8, (u8, u8, u8))> = found.iter().map(|o| (o.obis.channel, o.obis.quantity)).collect();
        assert_eq!(codes, [(0, (1, 8, 1)), (1, (24, 2, 1)), (0, (99, 1, 0)), (0, (2, 7, 0))]);
        assert_eq!(found[1].groups, ["101209112500W", "12785.123*m3"]);
        assert_eq!(found[2].groups, [""]);
    }

    #[test]
    fn a_reading_on_the_next_line_belongs_to_its_object() {
        let text = "0-1:24.3.0(121030140000)(00)(60)(1)(0-1:24.2.1)(m3)\r\n(00024.123)\r\n0-1:24.4.0(1)\r\n";
        let found = objects(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].groups.last(), Some(&"00024.123"));
    }

    #[test]
    fn numbers_times_and_texts() {
        assert_eq!(number("000123.456*kWh"), Some((123.456, "kWh")));
        assert_eq!(number("0002"), Some((2.0, "")));
        for wrong in ["", "*kWh", "1e3*kWh", "NaN", "inf", "1.2.3"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
        assert_eq!(time("101209113020W").as_deref(), Some("2010-12-09T11:30:20+01:00"));
        assert_eq!(time("100709113020S").as_deref(), Some("2010-07-09T11:30:20+02:00"));
        assert_eq!(time("121030140000").as_deref(), Some("2012-10-30T14:00:00"));
        for wrong in ["", "W", "1012091130W", "101309113020W", "101209253020W", "10120911302éW"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
        assert_eq!(text("4B384547"), "K8EG");
        assert_eq!(text("0000"), "0000");
        assert_eq!(text("4B3"), "4B3");
    }
}
