//! Reading what the broker sends. Strict: what the specification does not allow is told and not passed over.

use super::Version::{self, V5};
use super::{Kind, Message, Properties, Received, Value, id, number_width};

/// Reads one packet from the front of what came in: the packet and its length, nothing when it is not whole yet,
/// or what is wrong with it.
pub fn decode(version: Version, bytes: &[u8]) -> Result<Option<(Received, usize)>, String> {
    let Some((length, header)) = remaining_length(bytes)? else { return Ok(None) };
    let Some(body) = bytes.get(header..header + length) else { return Ok(None) };
    let mut reader = Reader { version, rest: body };
    let received = reader.packet(bytes[0])?;
    if !reader.rest.is_empty() {
        return Err(format!("{} bytes too many in {received:?}", reader.rest.len()));
    }
    Ok(Some((received, header + length)))
}

fn remaining_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let mut length = 0;
    for index in 0..4 {
        let Some(byte) = bytes.get(1 + index) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, index + 2)));
        }
    }
    Err("a remaining length of more than four bytes".to_owned())
}

struct Reader<'a> {
    version: Version,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or("a packet that ends too early")?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self, width: usize) -> Result<u32, String> {
        Ok(self.take(width)?.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    fn packet_id(&mut self) -> Result<u16, String> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn text(&mut self) -> Result<Vec<u8>, String> {
        let length = usize::from(self.packet_id()?);
        Ok(self.take(length)?.to_vec())
    }

    fn variable(&mut self) -> Result<usize, String> {
        let mut value = 0;
        for index in 0..4 {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a variable byte integer of more than four bytes".to_owned())
    }

    fn properties(&mut self) -> Result<Properties, String> {
        let mut properties = Properties::default();
        if self.version != V5 || self.rest.is_empty() {
            return Ok(properties);
        }
        let length = self.variable()?;
        let mut inner = Reader { version: V5, rest: self.take(length)? };
        while !inner.rest.is_empty() {
            let id = inner.byte()?;
            let value = match (id, number_width(id)) {
                (_, Some(0)) => Value::Number(u32::try_from(inner.variable()?).expect("28 bits")),
                (_, Some(width)) => Value::Number(inner.number(width)?),
                (id::USER_PROPERTY, _) => Value::Pair(inner.text()?, inner.text()?),
                (0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f, _) => Value::Bytes(inner.text()?),
                _ => return Err(format!("property {id:#04x}")),
            };
            properties.0.push((id, value));
        }
        Ok(properties)
    }

    /// A reason code and properties, either of which may be left out at the end.
    fn reason(&mut self) -> Result<u8, String> {
        let reason = if self.version == V5 && !self.rest.is_empty() { self.byte()? } else { 0 };
        self.properties()?;
        Ok(reason)
    }

    fn packet(&mut self, first: u8) -> Result<Received, String> {
        Ok(match first {
            0x20 => {
                let flags = self.byte()?;
                let code = self.byte()?;
                if flags > 1 {
                    return Err(format!("CONNACK flags {flags:#04x}"));
                }
                Received::Connack { session_present: flags == 1, code, properties: self.properties()? }
            }
            0x30..=0x3f => Received::Publish(self.publish(first)?),
            0x40 => self.acknowledgement(Kind::Puback)?,
            0x50 => self.acknowledgement(Kind::Pubrec)?,
            0x62 => self.acknowledgement(Kind::Pubrel)?,
            0x70 => self.acknowledgement(Kind::Pubcomp)?,
            0x90 => {
                let packet_id = self.packet_id()?;
                self.properties()?;
                Received::Suback { packet_id, codes: std::mem::take(&mut self.rest).to_vec() }
            }
            0xb0 => {
                let packet_id = self.packet_id()?;
                self.properties()?;
                Received::Unsuback { packet_id, codes: std::mem::take(&mut self.rest).to_vec() }
            }
            0xd0 => Received::Pingresp,
            0xe0 => Received::Disconnect { reason: self.reason()? },
            0xf0 => Received::Auth { reason: self.byte()?, properties: self.properties()? },
            _ => return Err(format!("a packet that starts with {first:#04x}")),
        })
    }

    fn acknowledgement(&mut self, kind: Kind) -> Result<Received, String> {
        let packet_id = self.packet_id()?;
        Ok(Received::Acknowledge { kind, packet_id, reason: self.reason()? })
    }

    fn publish(&mut self, first: u8) -> Result<Message, String> {
        let qos = first >> 1 & 3;
        let topic = String::from_utf8(self.text()?).map_err(|_| "a topic that is no UTF-8")?;
        let packet_id = if qos > 0 { self.packet_id()? } else { 0 };
        let dup = first & 0x08 != 0;
        if qos == 3 || (qos > 0 && packet_id == 0) || (qos == 0 && dup) || topic.contains(['+', '#', '\0']) {
            return Err(format!("PUBLISH {first:#04x} to {topic:?} with packet identifier {packet_id}"));
        }
        let properties = self.properties()?;
        let payload = std::mem::take(&mut self.rest).to_vec();
        Ok(Message { topic, payload, qos, retain: first & 1 != 0, dup, packet_id, properties })
    }
}
