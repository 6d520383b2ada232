//! A wish to change a property, and the answer to it.

use super::Value;
use crate::base::parse_duration;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The longest payload of a command, in bytes; the JSON form with an id fits many times.
pub const COMMAND_LENGTH_MAX: usize = 1024;

/// A wish to switch an output.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// What to do.
    pub action: Action,
    /// Go off again after this time.
    pub pulse: Option<Duration>,
    /// Get there in this time, where the output can.
    pub transition: Option<Duration>,
    /// How long it may wait; the device's own limit if absent.
    pub ttl: Option<Duration>,
    /// What the sender calls it; given back in every result.
    pub id: Option<String>,
}

/// What a command asks of an output.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Be on or off.
    Set(bool),
    /// Be this number: a dimmer's level, a register's value. It is finite.
    Number(f64),
    /// Be what it is not.
    Toggle,
    /// Be what has this name: one of an enum.
    Word(String),
}

/// Why a payload is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// Longer than [`COMMAND_LENGTH_MAX`].
    #[error("too-long")]
    TooLong,
    /// Neither a word nor the JSON form.
    #[error(
        "malformed:expected true, false, toggle, a number or {{\"value\":true,\"pulse\":\"30s\",\"ttl\":\"5s\",\"id\":\"a7\"}}"
    )]
    Malformed,
    /// A duration that cannot be read.
    #[error("malformed:{0} is not a duration such as \"30s\"")]
    Duration(&'static str),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    value: WrittenValue,
    pulse: Option<String>,
    transition: Option<String>,
    ttl: Option<String>,
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenValue {
    Boolean(bool),
    Number(f64),
    Word(String),
}

impl Command {
    /// A command without conditions.
    pub fn plain(action: Action) -> Self {
        Self { action, pulse: None, transition: None, ttl: None, id: None }
    }

    /// Parses `true`, `false`, `toggle`, a number or `{"value":true,"pulse":"30s","ttl":"5s","id":"a7"}`.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn parse(payload: &[u8]) -> Result<Self, CommandError> {
        if payload.len() > COMMAND_LENGTH_MAX {
            return Err(CommandError::TooLong);
        }
        let text = std::str::from_utf8(payload).map_err(|_| CommandError::Malformed)?.trim();
        if let Some(action) = word(text) {
            return Ok(Self::plain(action));
        }
        let Ok(written) = serde_json::from_str::<Written>(text) else {
            return name(text).map(Self::plain).ok_or(CommandError::Malformed);
        };
        let action = match written.value {
            WrittenValue::Boolean(on) => Action::Set(on),
            WrittenValue::Number(number) => Action::Number(number),
            WrittenValue::Word(text) => word(&text).or_else(|| name(&text)).ok_or(CommandError::Malformed)?,
        };
        let pulse = positive(written.pulse.as_deref(), "pulse")?;
        let transition = duration(written.transition.as_deref(), "transition")?;
        let ttl = positive(written.ttl.as_deref(), "ttl")?;
        Ok(Self { action, pulse, transition, ttl, id: written.id })
    }
}

fn word(text: &str) -> Option<Action> {
    match text {
        "true" => Some(Action::Set(true)),
        "false" => Some(Action::Set(false)),
        "toggle" => Some(Action::Toggle),
        // What Rust reads as a number beyond these characters, such as `inf`, is none in JSON.
        number if number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E')) => {
            number.parse().ok().filter(|number: &f64| number.is_finite()).map(Action::Number)
        }
        _ => None,
    }
}

/// A name that an enum could have: it begins with a letter, which neither a number nor JSON does.
fn name(text: &str) -> Option<Action> {
    let is_name = text.chars().next().is_some_and(char::is_alphabetic) && !text.chars().any(char::is_control);
    is_name.then(|| Action::Word(text.to_owned()))
}

fn positive(text: Option<&str>, key: &'static str) -> Result<Option<Duration>, CommandError> {
    match duration(text, key)? {
        Some(duration) if duration.is_zero() => Err(CommandError::Duration(key)),
        duration => Ok(duration),
    }
}

fn duration(text: Option<&str>, key: &'static str) -> Result<Option<Duration>, CommandError> {
    text.map(|text| parse_duration(text).map_err(|_| CommandError::Duration(key))).transpose()
}

/// What became of a command so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Begun; another result follows.
    Accepted,
    /// Carried out and verified.
    Done,
    /// Not begun, and why.
    Rejected,
    /// It waited longer than it may.
    Expired,
    /// A later command took its place.
    Superseded,
    /// Begun, but the device did not follow.
    Failed,
}

/// An answer to a command: the payload of `$result`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CommandResult {
    /// The id of the command, if it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What became of it.
    pub status: Status,
    /// The verified value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Why it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Milliseconds from the command's arrival to this result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<u64>,
    /// Milliseconds a pulse should have lasted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulse_ms: Option<u64>,
    /// Milliseconds it lasted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_ms: Option<u64>,
}

impl CommandResult {
    /// A result of nothing but an id and a status.
    pub fn new(id: Option<String>, status: Status) -> Self {
        Self { id, status, value: None, reason: None, took_ms: None, pulse_ms: None, measured_ms: None }
    }

    /// A result with a reason.
    pub fn because(id: Option<String>, status: Status, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..Self::new(id, status) }
    }

    /// The payload.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings and numbers can always be written as JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_words_or_json() {
        assert_eq!(Command::parse(b"true"), Ok(Command::plain(Action::Set(true))));
        assert_eq!(Command::parse(b" false\n"), Ok(Command::plain(Action::Set(false))));
        assert_eq!(Command::parse(b"toggle"), Ok(Command::plain(Action::Toggle)));
        let full = Command::parse(br#"{"value":true,"pulse":"30s","ttl":"5s","id":"a7"}"#).expect("a command");
        assert_eq!(full.pulse, Some(Duration::from_secs(30)));
        assert_eq!(full.ttl, Some(Duration::from_secs(5)));
        assert_eq!(full.id.as_deref(), Some("a7"));
        assert_eq!(Command::parse(br#"{"value":"toggle"}"#), Ok(Command::plain(Action::Toggle)));
        assert_eq!(Command::parse(b"40.5"), Ok(Command::plain(Action::Number(40.5))));
        for payload in [&b"heating"[..], br#"{"value":"heating"}"#] {
            assert_eq!(Command::parse(payload), Ok(Command::plain(Action::Word("heating".into()))));
        }
        let slow = Command::parse(br#"{"value":40,"transition":"2s"}"#).expect("a command");
        assert_eq!((slow.action, slow.transition), (Action::Number(40.0), Some(Duration::from_secs(2))));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for wrong in ["", "1e999", "{}", "-", "\"on\"", r#"{"value":true,"plus":1}"#, r#"{"value":""}"#, "["] {
            assert_eq!(Command::parse(wrong.as_bytes()), Err(CommandError::Malformed), "{wrong}");
        }
        assert_eq!(Command::parse(b"\xff"), Err(CommandError::Malformed));
        assert_eq!(Command::parse(br#"{"value":true,"pulse":"0s"}"#), Err(CommandError::Duration("pulse")));
        assert_eq!(Command::parse(br#"{"value":true,"ttl":"5"}"#), Err(CommandError::Duration("ttl")));
        assert_eq!(Command::parse(&[b' '; COMMAND_LENGTH_MAX + 1]), Err(CommandError::TooLong));
    }

    #[test]
    fn results_say_only_what_is_known() {
        let mut result = CommandResult::new(Some("a7".into()), Status::Done);
        result.value = Some(Value::Boolean(true));
        result.took_ms = Some(12);
        assert_eq!(result.to_json(), r#"{"id":"a7","status":"done","value":true,"took_ms":12}"#);
        let rejected = CommandResult::because(None, Status::Rejected, "interlock:down");
        assert_eq!(rejected.to_json(), r#"{"status":"rejected","reason":"interlock:down"}"#);
    }
}
