//! The lines of a transcript. Pure.

use super::bytes::{bytes_text, parse as parse_bytes};
use crate::base::parse_duration;
use std::fmt;
use std::time::Duration;

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// Kept as it is.
    Remark(String),
    /// What left or was told when the transcript was made.
    Result,
    Time(Duration),
    Received(Vec<u8>),
    Set {
        topic: String,
        payload: String,
    },
    Get {
        topic: String,
    },
    Plug,
    Unplug,
    File {
        name: String,
        text: Option<String>,
    },
    /// A line has this voltage from now on, after so many changes that nobody saw.
    Line {
        name: String,
        high: bool,
        lost: u32,
    },
    /// An output line stays as it is, whatever is written.
    Stuck {
        name: String,
    },
    /// The controller of an output gives a sign of life.
    Alive {
        topic: String,
    },
    Stop,
}

/// Reads a line; none if it is empty.
pub(super) fn parse(line: &str) -> Result<Option<Step>, String> {
    let line = line.trim();
    if let Some(time) = line.strip_prefix('+') {
        let time = parse_duration(time).map_err(|_| format!("`{time}` is not a duration such as 250ms"))?;
        return Ok(Some(Step::Time(time)));
    }
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    Ok(Some(match word {
        "" => return Ok(None),
        word if word.starts_with('#') => Step::Remark(line.to_owned()),
        ">>" | "PUBLISH" => Step::Result,
        "<<" => Step::Received(parse_bytes(rest)?),
        "SET" => {
            let (topic, payload) = rest.split_once(' ').unwrap_or((rest, ""));
            Step::Set { topic: topic.to_owned(), payload: payload.to_owned() }
        }
        "GET" => Step::Get { topic: rest.to_owned() },
        "PLUG" => Step::Plug,
        "UNPLUG" => Step::Unplug,
        "STOP" => Step::Stop,
        "LINE" => {
            let mut words = rest.split(' ');
            let (name, level, lost) = (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next());
            let high = match level {
                "1" => true,
                "0" => false,
                _ => return Err(format!("`{level}` is neither 0 nor 1")),
            };
            let lost = lost.map_or(Ok(0), str::parse).map_err(|_| format!("`{rest}` has no count of lost edges"))?;
            Step::Line { name: name.to_owned(), high, lost }
        }
        "STUCK" => Step::Stuck { name: rest.to_owned() },
        "ALIVE" => Step::Alive { topic: rest.to_owned() },
        "FILE" => {
            let (name, text) = rest.split_once(' ').unwrap_or((rest, ""));
            let text = if text.is_empty() { None } else { Some(parse_bytes(text)?) };
            let text = text.map(|text| String::from_utf8_lossy(&text).into_owned());
            Step::File { name: name.to_owned(), text }
        }
        _ => return Err(format!("`{word}` begins no line of a transcript")),
    }))
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remark(text) => formatter.write_str(text),
            Self::Result => Ok(()),
            Self::Time(time) => write!(formatter, "+{}", crate::base::duration_text(*time)),
            Self::Received(bytes) => write!(formatter, "<< {}", bytes_text(bytes)),
            Self::Set { topic, payload } => write!(formatter, "SET {topic} {payload}"),
            Self::Get { topic } => write!(formatter, "GET {topic}"),
            Self::Plug => formatter.write_str("PLUG"),
            Self::Unplug => formatter.write_str("UNPLUG"),
            Self::Line { name, high, lost: 0 } => write!(formatter, "LINE {name} {}", u8::from(*high)),
            Self::Line { name, high, lost } => write!(formatter, "LINE {name} {} {lost}", u8::from(*high)),
            Self::Stuck { name } => write!(formatter, "STUCK {name}"),
            Self::Alive { topic } => write!(formatter, "ALIVE {topic}"),
            Self::Stop => formatter.write_str("STOP"),
            Self::File { name, text: Some(text) } if text.is_empty() => write!(formatter, "FILE {name} \"\""),
            Self::File { name, text: None } => write!(formatter, "FILE {name}"),
            Self::File { name, text: Some(text) } => write!(formatter, "FILE {name} {}", bytes_text(text.as_bytes())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_return_from_what_they_mean() {
        let lines = ["# remark", "+250ms", "<< 01 03 FF", "<< \"T:1\\r\\n\"", "SET a/b {\"value\":true}", "GET a/b"];
        let of_lines = ["LINE GPIO5 1", "LINE GPIO5 0 3", "STUCK GPIO5", "ALIVE a/b", "FILE x \"\""];
        for line in
            lines.into_iter().chain(of_lines).chain(["PLUG", "UNPLUG", "STOP", "FILE in_temp_raw \"1\\n\"", "FILE x"])
        {
            assert_eq!(parse(line).expect("a line").expect("a step").to_string(), line);
        }
        assert_eq!(parse("  "), Ok(None));
        assert_eq!(parse("PUBLISH a b"), Ok(Some(Step::Result)));
        assert!(
            parse("HELLO").is_err() && parse("+x").is_err() && parse("<< 1G").is_err() && parse("LINE a 2").is_err()
        );
    }
}
