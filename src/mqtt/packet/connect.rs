//! CONNECT (section 3.1).

use crate::base::bytes::{Reader, put_binary};
use crate::mqtt::frame::put_fixed_header;
use crate::mqtt::{DecodeError, Properties, Property, PropertySet, QoS, TopicName, Version, put_properties, text};

/// A client asks to be connected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Connect<'a> {
    /// Protocol version.
    pub version: Version,
    /// Whether the connection to a bridge is announced (bit 7 of the level, mosquitto's private bit).
    pub is_bridge: bool,
    /// Clean session (3.1.1) or clean start (5.0): forget what was.
    pub clean_start: bool,
    /// Seconds within which the client sends something; 0 turns the check off.
    pub keep_alive: u16,
    /// Client identifier; may be empty.
    pub client_id: &'a str,
    /// Message to publish when the connection is lost.
    pub will: Option<WillMessage<'a>>,
    /// User name and password.
    pub credentials: Credentials<'a>,
    /// Properties; none before 5.0.
    pub properties: Properties<'a>,
}

/// The will of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WillMessage<'a> {
    /// Where it is published.
    pub topic: TopicName<'a>,
    /// What is published.
    pub payload: &'a [u8],
    /// Quality of service.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Will properties, the delay among them; none before 5.0.
    pub properties: Properties<'a>,
}

impl WillMessage<'_> {
    /// Bytes of topic, properties and payload.
    pub fn size(&self) -> usize {
        self.topic.as_str().len() + self.properties.as_bytes().len() + self.payload.len()
    }
}

/// Who the client says it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Credentials<'a> {
    /// User name.
    pub user_name: Option<&'a str>,
    /// Password.
    pub password: Option<&'a [u8]>,
}

const BRIDGE_BIT: u8 = 0x80;
const CLEAN_START: u8 = 0x02;
const WILL: u8 = 0x04;
const WILL_RETAIN: u8 = 0x20;
const PASSWORD: u8 = 0x40;
const USER_NAME: u8 = 0x80;

impl<'a> Connect<'a> {
    /// Decodes the body behind the fixed header.
    ///
    /// # Errors
    /// See [`DecodeError`]; [`Connect::answer_version`] tells in which version to answer.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(body);
        let (version, is_bridge) = read_version(&mut reader)?;
        let flags = reader.u8()?;
        check_flags(flags, version)?;
        let keep_alive = reader.u16()?;
        let properties = read_properties(&mut reader, version, PropertySet::CONNECT)?;
        check_authentication(properties)?;
        let client_id = text::read_name(&mut reader)?;
        let will = if flags & WILL == 0 { None } else { Some(read_will(&mut reader, flags, version)?) };
        let user_name = if flags & USER_NAME == 0 { None } else { Some(text::read_name(&mut reader)?) };
        let password = if flags & PASSWORD == 0 { None } else { Some(reader.binary()?) };
        if !reader.is_empty() {
            return Err(DecodeError::Malformed("CONNECT has bytes behind its payload"));
        }
        let clean_start = flags & CLEAN_START != 0;
        // [MQTT-3.1.3-8] of 3.1.1: an empty identifier goes with a clean session only. 3.1 has none at all.
        if client_id.is_empty() && (version == Version::V31 || (version == Version::V311 && !clean_start)) {
            return Err(DecodeError::ClientIdNotValid);
        }
        let credentials = Credentials { user_name, password };
        Ok(Connect { version, is_bridge, clean_start, keep_alive, client_id, will, credentials, properties })
    }

    /// The version in which a CONNECT that could not be decoded is to be answered, if it can be told.
    pub fn answer_version(body: &[u8]) -> Option<Version> {
        let mut reader = Reader::new(body);
        let name = reader.binary().ok()?;
        let level = reader.u8().ok()? & !BRIDGE_BIT;
        match (name, level) {
            (b"MQTT", level) if level >= 5 => Some(Version::V5),
            (b"MQTT", _) => Some(Version::V311),
            (b"MQIsdp", _) => Some(Version::V31),
            // Whatever protocol that is: section 3.1.2.1 of 5.0 lets it be told, and 5 is a level of no other.
            (_, 5) => Some(Version::V5),
            _ => None,
        }
    }

    /// Appends the whole packet.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(64);
        let (name, level) = self.version.to_wire();
        put_binary(&mut body, name.as_bytes());
        body.push(level | if self.is_bridge { BRIDGE_BIT } else { 0 });
        body.push(self.flags());
        body.extend_from_slice(&self.keep_alive.to_be_bytes());
        self.put_v5_properties(&mut body, self.properties);
        put_binary(&mut body, self.client_id.as_bytes());
        if let Some(will) = &self.will {
            self.put_v5_properties(&mut body, will.properties);
            put_binary(&mut body, will.topic.as_str().as_bytes());
            put_binary(&mut body, will.payload);
        }
        if let Some(user_name) = self.credentials.user_name {
            put_binary(&mut body, user_name.as_bytes());
        }
        if let Some(password) = self.credentials.password {
            put_binary(&mut body, password);
        }
        put_fixed_header(out, 0x10, body.len());
        out.extend_from_slice(&body);
    }

    fn put_v5_properties(&self, body: &mut Vec<u8>, properties: Properties<'_>) {
        if self.version.is_v5() {
            put_properties(body, properties.iter());
        }
    }

    fn flags(&self) -> u8 {
        let mut flags = if self.clean_start { CLEAN_START } else { 0 };
        if let Some(will) = &self.will {
            flags |= WILL | will.qos.bits() << 3 | if will.retain { WILL_RETAIN } else { 0 };
        }
        flags |= if self.credentials.user_name.is_some() { USER_NAME } else { 0 };
        flags | if self.credentials.password.is_some() { PASSWORD } else { 0 }
    }
}

fn read_version(reader: &mut Reader<'_>) -> Result<(Version, bool), DecodeError> {
    let name = reader.binary()?;
    let level = reader.u8()?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return Err(DecodeError::UnsupportedVersion);
    }
    let is_bridge = level & BRIDGE_BIT != 0;
    let version = Version::from_wire(name, level & !BRIDGE_BIT).ok_or(DecodeError::UnsupportedVersion)?;
    if is_bridge && version.is_v5() {
        return Err(DecodeError::UnsupportedVersion);
    }
    Ok((version, is_bridge))
}

fn check_flags(flags: u8, version: Version) -> Result<(), DecodeError> {
    if flags & 1 != 0 {
        return Err(DecodeError::Malformed("the reserved flag of CONNECT is set"));
    }
    if flags & WILL == 0 && flags & 0x38 != 0 {
        return Err(DecodeError::Malformed("will flags are set without a will"));
    }
    if flags & 0x18 == 0x18 {
        return Err(DecodeError::Malformed("the will has QoS 3"));
    }
    if flags & PASSWORD != 0 && flags & USER_NAME == 0 && !version.is_v5() {
        return Err(DecodeError::Malformed("there is a password but no user name"));
    }
    Ok(())
}

fn read_properties<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    allowed: PropertySet,
) -> Result<Properties<'a>, DecodeError> {
    if version.is_v5() { Properties::decode(reader, allowed) } else { Ok(Properties::NONE) }
}

/// [MQTT-3.1.2.11.10]: authentication data without a method is a protocol error.
fn check_authentication(properties: Properties<'_>) -> Result<(), DecodeError> {
    let (mut method, mut data) = (false, false);
    for property in properties.iter() {
        method |= matches!(property, Property::AuthenticationMethod(_));
        data |= matches!(property, Property::AuthenticationData(_));
    }
    if data && !method {
        return Err(DecodeError::Protocol("there is authentication data but no method"));
    }
    Ok(())
}

fn read_will<'a>(reader: &mut Reader<'a>, flags: u8, version: Version) -> Result<WillMessage<'a>, DecodeError> {
    let properties = read_properties(reader, version, PropertySet::WILL)?;
    let topic = TopicName::new(text::read_name(reader)?)?;
    let payload = reader.binary()?;
    let qos = QoS::from_bits(flags >> 3 & 3).ok_or(DecodeError::Malformed("the will has QoS 3"))?;
    Ok(WillMessage { topic, payload, qos, retain: flags & WILL_RETAIN != 0, properties })
}
