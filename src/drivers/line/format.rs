//! Bytes of a serial port become lines, lines become keys and values. Pure.

use crate::config::{LineFormat, LineKind};
use crate::device::Value;
use serde_json::Value as Json;
use std::borrow::Cow;

/// How deep values of JSON may lie: `{"air":{"temperature":21.5}}` is two.
const JSON_DEPTH_MAX: usize = 4;

/// The keys and values of a line.
pub(super) type Pairs<'l> = Vec<(Cow<'l, str>, Cow<'l, str>)>;

/// The longest line that is read, in bytes; a longer one is noise at the wrong speed.
pub(super) const LINE_LENGTH_MAX: usize = 1024;

/// Cuts bytes into lines; what comes before the first line end is half a line and is dropped.
#[derive(Debug, Default)]
pub(super) struct LineReader {
    line: Vec<u8>,
    /// Whether the line was seen from its beginning.
    whole: bool,
}

/// A line, or why there is none.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Text without its line end.
    Text(String),
    /// Bytes that are no text.
    NotText,
    /// More bytes than a line may have.
    TooLong,
}

impl LineReader {
    /// Takes in bytes, gives the lines that are complete. Empty lines are left out.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => lines.extend(self.end()),
                _ if self.line.len() < LINE_LENGTH_MAX => self.line.push(*byte),
                _ => {
                    if std::mem::replace(&mut self.whole, false) {
                        lines.push(Line::TooLong);
                    }
                }
            }
        }
        lines
    }

    fn end(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.line);
        if !std::mem::replace(&mut self.whole, true) {
            return None;
        }
        match String::from_utf8(line) {
            Ok(text) if text.trim().is_empty() => None,
            Ok(text) => Some(Line::Text(text.trim().to_owned())),
            Err(_) => Some(Line::NotText),
        }
    }
}

/// The keys and values of a line.
///
/// # Errors
/// Why the line is none of this format; a line of another kind, such as a greeting, is no error where it can be told.
pub(super) fn pairs<'l>(format: &LineFormat, line: &'l str) -> Result<Pairs<'l>, String> {
    Ok(match format {
        LineFormat::KeyValue { separator, assign } => {
            let pairs = line.split(*separator).filter_map(|pair| pair.split_once(*assign));
            pairs.map(|(key, value)| (key.trim().into(), value.trim().into())).collect()
        }
        LineFormat::Csv { separator, columns } => {
            let fields: Vec<&str> = line.split(*separator).map(unquoted).collect();
            if fields.len() != *columns {
                return Err(format!("the line has {} columns and not {columns}", fields.len()));
            }
            let named = fields.into_iter().enumerate();
            named.map(|(column, field)| ((column + 1).to_string().into(), field.into())).collect()
        }
        LineFormat::Json => json(line)?,
        LineFormat::Regex(pattern) => {
            let Some(captures) = pattern.captures(line) else { return Ok(Vec::new()) };
            let names = pattern.capture_names().flatten();
            names.filter_map(|name| Some((name.to_owned().into(), captures.name(name)?.as_str().into()))).collect()
        }
    })
}

/// A field without spaces and quotes around it.
fn unquoted(field: &str) -> &str {
    let field = field.trim();
    field.strip_prefix('"').and_then(|field| field.strip_suffix('"')).unwrap_or(field)
}

/// The values of an object; those of objects inside have keys with points: `air.temperature`.
fn json(line: &str) -> Result<Pairs<'static>, String> {
    if !line.starts_with('{') {
        return Ok(Vec::new());
    }
    let object = serde_json::from_str(line).map_err(|_| "the device sends a line that is no JSON".to_owned())?;
    let mut found = Vec::new();
    flatten("", &object, JSON_DEPTH_MAX, &mut found);
    Ok(found)
}

fn flatten(prefix: &str, value: &Json, depth: usize, found: &mut Pairs<'static>) {
    let text = match value {
        Json::Object(members) if depth > 0 => {
            for (name, member) in members {
                let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                flatten(&key, member, depth - 1, found);
            }
            return;
        }
        Json::Bool(on) => on.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.clone(),
        Json::Object(_) | Json::Array(_) | Json::Null => return,
    };
    found.push((prefix.to_owned().into(), text.into()));
}

/// The value that a text is.
///
/// # Errors
/// Why it is none.
pub(super) fn value(kind: LineKind, text: &str) -> Result<Value, String> {
    match kind {
        LineKind::Number => {
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            number.map(Value::Number).ok_or_else(|| format!("`{text}` is not a number"))
        }
        LineKind::Boolean => switch(text).map(Value::Boolean).ok_or_else(|| format!("`{text}` is neither 0 nor 1")),
        LineKind::Text => Ok(Value::Text(text.to_owned())),
    }
}

/// A switch state as devices write it.
pub(super) fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "true" | "on" | "ON" => Some(true),
        "0" | "false" | "off" | "OFF" => Some(false),
        _ => None,
    }
}

/// A command with the value in its place: `{int}` is 0 or 1, `{bool}` is false or true.
pub(super) fn command(template: &str, on: bool) -> String {
    template.replace("{int}", if on { "1" } else { "0" }).replace("{bool}", if on { "true" } else { "false" })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: LineFormat = LineFormat::KeyValue { separator: ';', assign: ':' };

    fn found(format: &LineFormat, line: &str) -> Vec<(String, String)> {
        let pairs = pairs(format, line).expect("a line of this format");
        pairs.into_iter().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn text(line: &str) -> Line {
        Line::Text(line.to_owned())
    }

    #[test]
    fn lines_are_whole_however_they_are_cut() {
        let bytes = b"5;P:1\r\nT:21.5;H:412;P:1\r\n\r\nT:22\nT:";
        for cut in 0..bytes.len() {
            let mut reader = LineReader::default();
            let mut lines = reader.read(&bytes[..cut]);
            lines.extend(reader.read(&bytes[cut..]));
            assert_eq!(lines, [text("T:21.5;H:412;P:1"), text("T:22")], "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_end_is_told_once_and_skipped() {
        let mut reader = LineReader::default();
        reader.read(b"\n");
        let noise = vec![b'x'; LINE_LENGTH_MAX * 3];
        assert_eq!(reader.read(&noise), [Line::TooLong]);
        assert_eq!(reader.read(b"x\nT:1\n"), [text("T:1")]);
        assert!(reader.line.capacity() <= LINE_LENGTH_MAX * 2);
    }

    #[test]
    fn bytes_that_are_no_text_are_told() {
        let mut reader = LineReader::default();
        assert_eq!(reader.read(b"\n\xff\xfe\nT:1\n"), [Line::NotText, text("T:1")]);
    }

    #[test]
    fn pairs_are_cut_at_separators_and_spaces_fall_off() {
        let pairs = found(&FORMAT, "T:21.5; H : 412;;noise;P:1:2");
        assert_eq!(pairs, owned(&[("T", "21.5"), ("H", "412"), ("P", "1:2")]));
    }

    #[test]
    fn columns_are_numbered_and_must_all_be_there() {
        let csv = LineFormat::Csv { separator: ',', columns: 3 };
        assert_eq!(found(&csv, "21.5, \"ok\",0"), owned(&[("1", "21.5"), ("2", "ok"), ("3", "0")]));
        assert_eq!(pairs(&csv, "21.5,ok"), Err("the line has 2 columns and not 3".into()));
    }

    #[test]
    fn objects_are_flattened_and_greetings_passed_over() {
        let line = r#"{"air":{"t":21.5,"h":null},"on":true,"name":"x","list":[1]}"#;
        assert_eq!(found(&LineFormat::Json, line), owned(&[("air.t", "21.5"), ("name", "x"), ("on", "true")]));
        assert_eq!(found(&LineFormat::Json, "ready"), []);
        assert!(pairs(&LineFormat::Json, "{\"a\":").is_err());
    }

    #[test]
    fn named_groups_are_keys() {
        let pattern = regex_lite::Regex::new(r"^TEMP=(?<t>-?[0-9.]+)(?: HUM=(?<h>[0-9]+))?$").expect("a pattern");
        let format = LineFormat::Regex(crate::config::Pattern(pattern));
        assert_eq!(
            found(&format, "TEMP=-3.5 HUM=41"),
            owned(&[("h", "41"), ("t", "-3.5")]).into_iter().rev().collect::<Vec<_>>()
        );
        assert_eq!(found(&format, "TEMP=7"), owned(&[("t", "7")]));
        assert_eq!(found(&format, "booting"), []);
    }

    #[test]
    fn commands_carry_the_value() {
        assert_eq!(command("PUMP={int}\n", true), "PUMP=1\n");
        assert_eq!(command("pump {bool}\r\n", false), "pump false\r\n");
        assert_eq!((switch("1"), switch("off"), switch("2")), (Some(true), Some(false), None));
    }
}
