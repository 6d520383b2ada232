//! `-D PACKET NAME VALUE…`: properties of 5.0 on the command line.

use crate::base::bytes::{Reader, put_with_length};
use crate::client::OwnProperties;
use crate::mqtt::{Properties, Property, PropertySet};
use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches, error::ErrorKind};

/// The packets whose properties can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet {
    /// CONNECT.
    Connect,
    /// PUBLISH.
    Publish,
    /// The will in CONNECT.
    Will,
    /// SUBSCRIBE.
    Subscribe,
}

const PACKETS: [(&str, Packet, PropertySet); 4] = [
    ("connect", Packet::Connect, PropertySet::CONNECT),
    ("publish", Packet::Publish, PropertySet::PUBLISH),
    ("will", Packet::Will, PropertySet::WILL),
    ("subscribe", Packet::Subscribe, PropertySet::SUBSCRIBE),
];

/// All properties of a command line.
#[derive(Clone, Debug, Default)]
pub struct PropertyArgs(Vec<(Packet, OwnProperties)>);

impl PropertyArgs {
    /// The properties for a packet.
    pub fn of(&self, packet: Packet) -> OwnProperties {
        let mut all = OwnProperties::default();
        self.0.iter().filter(|(of, _)| *of == packet).for_each(|(_, properties)| all.extend(properties));
        all
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn read(occurrences: Vec<Vec<&String>>) -> Result<Self, String> {
        let mut found = vec![];
        for words in occurrences {
            let words: Vec<&str> = words.into_iter().map(String::as_str).collect();
            found.push(parse(&words)?);
        }
        let all = PropertyArgs(found);
        for (name, packet, allowed) in PACKETS {
            check(name, &all.of(packet), allowed)?;
        }
        Ok(all)
    }
}

/// The codec's own judgement: which properties a packet may carry, which values they may have, and how often.
fn check(packet: &str, properties: &OwnProperties, allowed: PropertySet) -> Result<(), String> {
    let mut bytes = vec![];
    put_with_length(&mut bytes, |out| out.extend_from_slice(properties.borrow().as_bytes()));
    let checked = Properties::decode(&mut Reader::new(&bytes), allowed);
    checked.map(|_| ()).map_err(|error| format!("properties of {packet}: {error}"))
}

fn parse(words: &[&str]) -> Result<(Packet, OwnProperties), String> {
    let [packet, name, values @ ..] = words else { return Err("a packet, a name and a value are needed".into()) };
    let known = PACKETS.iter().find(|(word, ..)| word == packet);
    let Some((_, packet, _)) = known else {
        return Err(format!("no properties can be given for `{packet}`; known: connect, publish, subscribe, will"));
    };
    let mut properties = OwnProperties::default();
    properties.push(property(name, values)?);
    Ok((*packet, properties))
}

fn property<'a>(name: &str, values: &[&'a str]) -> Result<Property<'a>, String> {
    let value = match (name, values) {
        ("user-property", [name, value]) => return Ok(Property::UserProperty(name, value)),
        ("user-property", _) => return Err("user-property takes a name and a value".into()),
        (_, [value]) => *value,
        (_, _) => return Err(format!("{name} takes one value")),
    };
    Ok(match name {
        "payload-format-indicator" => Property::PayloadFormatIndicator(flag(name, value)?),
        "message-expiry-interval" => Property::MessageExpiryInterval(number(name, value)?),
        "content-type" => Property::ContentType(value),
        "response-topic" => Property::ResponseTopic(value),
        "correlation-data" => Property::CorrelationData(value.as_bytes()),
        "subscription-identifier" => Property::SubscriptionIdentifier(number(name, value)?),
        "authentication-method" => Property::AuthenticationMethod(value),
        "authentication-data" => Property::AuthenticationData(value.as_bytes()),
        "request-problem-information" => Property::RequestProblemInformation(flag(name, value)?),
        "request-response-information" => Property::RequestResponseInformation(flag(name, value)?),
        "will-delay-interval" => Property::WillDelayInterval(number(name, value)?),
        "receive-maximum" => Property::ReceiveMaximum(number(name, value)?),
        "topic-alias-maximum" => Property::TopicAliasMaximum(number(name, value)?),
        "topic-alias" => Property::TopicAlias(number(name, value)?),
        "maximum-packet-size" => Property::MaximumPacketSize(number(name, value)?),
        "session-expiry-interval" => return Err("use -x for the session expiry interval".into()),
        _ => return Err(format!("unknown property `{name}`")),
    })
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name}: `{value}` is no number, or too large"))
}

fn flag(name: &str, value: &str) -> Result<bool, String> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(format!("{name} is 0 or 1")),
    }
}

/// clap's derived arguments lose which values stand together; `-D` may stand several times, each with its values.
impl clap::Args for PropertyArgs {
    fn augment_args(command: Command) -> Command {
        let arg = Arg::new("property").short('D').long("property").num_args(3..=4).action(ArgAction::Append);
        let arg = arg.value_names(["PACKET", "NAME", "VALUE"]);
        command.arg(
            arg.help(
                "Property of 5.0, such as: -D publish content-type text/plain, -D connect user-property NAME VALUE",
            ),
        )
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PropertyArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let occurrences = matches.get_occurrences::<String>("property");
        let occurrences = occurrences.map(|all| all.map(Iterator::collect).collect()).unwrap_or_default();
        PropertyArgs::read(occurrences).map_err(|what| Error::raw(ErrorKind::ValueValidation, format!("-D: {what}\n")))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Result<PropertyArgs, String> {
        let words: Vec<Vec<String>> = lines.iter().map(|line| line.split(' ').map(str::to_owned).collect()).collect();
        PropertyArgs::read(words.iter().map(|words| words.iter().collect()).collect())
    }

    #[test]
    fn properties_go_to_their_packet_in_their_order() {
        let all = read(&["publish user-property a 1", "connect receive-maximum 5", "publish user-property a 2"])
            .expect("properties");
        let publish = all.of(Packet::Publish);
        let expected = [Property::UserProperty("a", "1"), Property::UserProperty("a", "2")];
        assert_eq!(publish.borrow().iter().collect::<Vec<_>>(), expected);
        assert!(all.of(Packet::Connect).any(|property| property == Property::ReceiveMaximum(5)));
        assert!(all.of(Packet::Will).borrow().is_empty());
    }

    #[test]
    fn what_the_codec_would_refuse_is_refused_here() {
        for bad in [
            "publish content-type",
            "publish content-type a b",
            "publish user-property a",
            "publish receive-maximum 5",
            "connect receive-maximum 0",
            "connect receive-maximum 65536",
            "publish payload-format-indicator 2",
            "publish colour red",
            "connack reason-string x",
        ] {
            assert!(read(&[bad]).is_err(), "{bad}");
        }
        assert!(read(&["publish content-type a", "publish content-type b"]).is_err());
    }
}
