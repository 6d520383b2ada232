//! `-F`: how `sub` and `rr` print a message, in mosquitto's letters.

use super::civil::Civil;
use super::json::json;
use crate::client::Message;
use crate::mqtt::{Property, QoS};

/// A format that was understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Field(Pad, u8),
    Time(u8),
}

/// How wide a field is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pad {
    left: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
}

/// The widest field.
const WIDTH_MAX: usize = 10_000;

const FIELDS: &[u8] = b"ACDEFIJjlmpPqRrStUxX";
const TIMES: &[u8] = b"YmdHMSFTNsz";

/// A payload that `%J` is asked for is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotJson;

/// Reads a format.
pub fn parse_format(text: &str) -> Result<Format, String> {
    let mut parts = vec![];
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (part, left) = match byte {
            b'%' => field(after)?,
            b'@' => time(after)?,
            b'\\' => escape(after)?,
            _ => (Part::Bytes(vec![byte]), after),
        };
        match (parts.last_mut(), part) {
            (Some(Part::Bytes(bytes)), Part::Bytes(more)) => bytes.extend(more),
            (_, part) => parts.push(part),
        }
        rest = left;
    }
    Ok(Format(parts))
}

fn field(mut rest: &[u8]) -> Result<(Part, &[u8]), String> {
    let mut pad = Pad::default();
    while let [flag @ (b'-' | b'0'), after @ ..] = rest {
        if *flag == b'-' {
            pad.left = true;
        } else {
            pad.zeros = true;
        }
        rest = after;
    }
    (pad.width, rest) = number(rest);
    if let [b'.', after @ ..] = rest {
        let (precision, after) = number(after);
        (pad.precision, rest) = (Some(precision), after);
    }
    if pad.width > WIDTH_MAX {
        return Err(format!("a field is at most {WIDTH_MAX} wide"));
    }
    match rest {
        [b'%', after @ ..] => Ok((Part::Bytes(b"%".to_vec()), after)),
        [letter, after @ ..] if FIELDS.contains(letter) => Ok((Part::Field(pad, *letter), after)),
        [letter, ..] => Err(format!("unknown field `%{}`", char::from(*letter))),
        [] => Err("the format ends in a %".into()),
    }
}

fn number(rest: &[u8]) -> (usize, &[u8]) {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let value = rest[..digits]
        .iter()
        .fold(0usize, |value, digit| value.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
    (value, &rest[digits..])
}

fn time(rest: &[u8]) -> Result<(Part, &[u8]), String> {
    match rest {
        [b'@', after @ ..] => Ok((Part::Bytes(b"@".to_vec()), after)),
        [letter, after @ ..] if TIMES.contains(letter) => Ok((Part::Time(*letter), after)),
        [letter, ..] => Err(format!("unknown time `@{}`", char::from(*letter))),
        [] => Err("the format ends in a @".into()),
    }
}

fn escape(rest: &[u8]) -> Result<(Part, &[u8]), String> {
    let (letter, after) = rest.split_first().ok_or("the format ends in a backslash")?;
    let byte = match letter {
        b'\\' => b'\\',
        b'0' => 0,
        b'a' => 7,
        b'e' => 27,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 11,
        _ => return Err(format!("unknown escape `\\{}`", char::from(*letter))),
    };
    Ok((Part::Bytes(vec![byte]), after))
}

impl Format {
    /// The message in this format.
    pub fn print(&self, message: &Message, now: Civil) -> Result<Vec<u8>, NotJson> {
        let mut out = vec![];
        for part in &self.0 {
            match part {
                Part::Bytes(bytes) => out.extend_from_slice(bytes),
                Part::Field(pad, letter) => pad.put(&mut out, field_value(*letter, message, now)?),
                Part::Time(letter) => out.extend_from_slice(time_value(*letter, now).as_bytes()),
            }
        }
        Ok(out)
    }
}

impl Pad {
    fn put(self, out: &mut Vec<u8>, mut value: Vec<u8>) {
        value.truncate(self.precision.unwrap_or(usize::MAX));
        let missing = self.width.saturating_sub(value.len());
        let filler = if self.zeros && !self.left { b'0' } else { b' ' };
        if !self.left {
            out.resize(out.len() + missing, filler);
        }
        out.append(&mut value);
        if self.left {
            out.resize(out.len() + missing, filler);
        }
    }
}

fn field_value(letter: u8, message: &Message, now: Civil) -> Result<Vec<u8>, NotJson> {
    let hex = |upper: bool| {
        let digit = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
        message.payload.iter().map(digit).collect::<String>().into_bytes()
    };
    Ok(match letter {
        b't' => message.topic.clone().into_bytes(),
        b'p' => message.payload.clone(),
        b'l' => message.payload.len().to_string().into_bytes(),
        b'q' => message.qos.bits().to_string().into_bytes(),
        b'r' => u8::from(message.retain).to_string().into_bytes(),
        b'm' if message.qos == QoS::AtMostOnce => b"0".to_vec(),
        b'm' => message.packet_id.to_string().into_bytes(),
        b'x' => hex(false),
        b'X' => hex(true),
        b'I' => format!("{}+0000", now.iso()).into_bytes(),
        b'U' => format!("{}.{:09}", now.unix, now.nanosecond).into_bytes(),
        b'j' => json(message, now, false).ok_or(NotJson)?.into_bytes(),
        b'J' => json(message, now, true).ok_or(NotJson)?.into_bytes(),
        letter => property_value(letter, message),
    })
}

/// The property that a letter stands for; nothing if the message has none.
fn property_value(letter: u8, message: &Message) -> Vec<u8> {
    let values = message.properties().iter().filter_map(|property| match (letter, property) {
        (b'A', Property::TopicAlias(alias)) => Some(alias.to_string().into_bytes()),
        (b'C', Property::ContentType(text)) | (b'R', Property::ResponseTopic(text)) => Some(text.as_bytes().to_vec()),
        (b'D', Property::CorrelationData(data)) => Some(data.to_vec()),
        (b'E', Property::MessageExpiryInterval(seconds)) => Some(seconds.to_string().into_bytes()),
        (b'F', Property::PayloadFormatIndicator(on)) => Some(u8::from(on).to_string().into_bytes()),
        (b'P', Property::UserProperty(name, value)) => Some(format!("{name}:{value}").into_bytes()),
        (b'S', Property::SubscriptionIdentifier(number)) => Some(number.to_string().into_bytes()),
        _ => None,
    });
    values.collect::<Vec<_>>().join(&b' ')
}

fn time_value(letter: u8, now: Civil) -> String {
    match letter {
        b'Y' => format!("{:04}", now.year),
        b'm' => format!("{:02}", now.month),
        b'd' => format!("{:02}", now.day),
        b'H' => format!("{:02}", now.hour),
        b'M' => format!("{:02}", now.minute),
        b'S' => format!("{:02}", now.second),
        b'F' => now.iso()[..10].to_owned(),
        b'T' => now.iso()[11..].to_owned(),
        b'N' => format!("{:09}", now.nanosecond),
        b'z' => "+0000".to_owned(),
        _ => now.unix.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: &str, message: &Message) -> String {
        let printed = parse_format(format).expect("a format").print(message, Civil::now()).expect("JSON");
        String::from_utf8(printed).expect("text")
    }

    #[test]
    fn fields_print_what_they_stand_for() {
        let message = Message::new("a/b", "hello").qos(QoS::AtLeastOnce).property(Property::ContentType("text"));
        let message = message.property(Property::UserProperty("k", "v")).property(Property::UserProperty("l", "w"));
        assert_eq!(
            printed("%t %p %l %q %r %x %X|%%|%C|%P|%R|", &message),
            "a/b hello 5 1 0 68656c6c6f 68656C6C6F|%|text|k:v l:w||"
        );
        assert_eq!(printed("%5t|%-5t|%.2p|%05l|\\t@@", &message), "  a/b|a/b  |he|00005|\t@");
    }

    #[test]
    fn json_has_mosquittos_keys() {
        let message = Message::new("a", "{\"x\": 1}").retained();
        let text = printed("%J", &message);
        assert!(
            text.ends_with(",\"topic\":\"a\",\"qos\":0,\"retain\":1,\"payloadlen\":8,\"payload\":{\"x\":1}}"),
            "{text}"
        );
        assert!(printed("%j", &message).ends_with("\"payload\":\"{\\\"x\\\": 1}\"}"));
        assert_eq!(parse_format("%J").expect("a format").print(&Message::new("a", "x"), Civil::now()), Err(NotJson));
    }

    #[test]
    fn unknown_letters_are_refused() {
        for bad in ["%y", "%", "@", "@y", "\\", "\\y", "%5", "%99999t"] {
            assert!(parse_format(bad).is_err(), "{bad}");
        }
    }
}
