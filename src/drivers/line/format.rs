//! Bytes of a serial port become lines, lines become keys and values. Pure.

use crate::config::LineFormat;

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

/// The keys and values of a line. What has no `assign` in it is left out.
pub(super) fn pairs(format: LineFormat, line: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = line.split(format.separator).filter_map(move |pair| pair.split_once(format.assign));
    pairs.map(|(key, value)| (key.trim(), value.trim()))
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

    const FORMAT: LineFormat = LineFormat { separator: ';', assign: ':' };

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
        let found: Vec<(&str, &str)> = pairs(FORMAT, "T:21.5; H : 412;;noise;P:1:2").collect();
        assert_eq!(found, [("T", "21.5"), ("H", "412"), ("P", "1:2")]);
    }

    #[test]
    fn commands_carry_the_value() {
        assert_eq!(command("PUMP={int}\n", true), "PUMP=1\n");
        assert_eq!(command("pump {bool}\r\n", false), "pump false\r\n");
        assert_eq!((switch("1"), switch("off"), switch("2")), (Some(true), Some(false), None));
    }
}
