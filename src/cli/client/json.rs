//! `-F %j` and `-F %J`: a message as one line of JSON, with mosquitto's keys in mosquitto's order.

use super::civil::Civil;
use crate::client::Message;
use crate::mqtt::{Property, QoS};
use std::fmt::Write;

/// A message as a JSON object. With `as_value` the payload must be JSON and stands in it unquoted.
/// `None` if it is not.
pub fn json(message: &Message, now: Civil, as_value: bool) -> Option<String> {
    let mut text = format!("{{\"tst\":\"{}.{:06}Z+0000\"", now.iso(), now.nanosecond / 1_000);
    _ = write!(text, ",\"topic\":{},\"qos\":{}", quoted(&message.topic), message.qos.bits());
    _ = write!(text, ",\"retain\":{},\"payloadlen\":{}", u8::from(message.retain), message.payload.len());
    if message.qos != QoS::AtMostOnce {
        _ = write!(text, ",\"mid\":{}", message.packet_id);
    }
    if !message.properties().is_empty() {
        _ = write!(text, ",\"properties\":{{{}}}", properties(message));
    }
    let payload = match (message.payload.is_empty(), as_value) {
        (true, _) => "null".to_owned(),
        (false, false) => quoted(&String::from_utf8_lossy(&message.payload)),
        (false, true) => serde_json::from_slice::<serde_json::Value>(&message.payload).ok()?.to_string(),
    };
    _ = write!(text, ",\"payload\":{payload}}}");
    Some(text)
}

/// A text in JSON's quotes.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn properties(message: &Message) -> String {
    let user: Vec<String> = message.properties().iter().filter_map(user_property).collect();
    let mut seen_user = false;
    let mut parts = vec![];
    for property in message.properties().iter() {
        if let Property::UserProperty(..) = property {
            if !std::mem::replace(&mut seen_user, true) {
                parts.push(format!("\"user-properties\":{{{}}}", user.join(",")));
            }
        } else if let Some(part) = other_property(&property) {
            parts.push(part);
        }
    }
    parts.join(",")
}

fn user_property(property: Property<'_>) -> Option<String> {
    match property {
        Property::UserProperty(name, value) => Some(format!("{}:{}", quoted(name), quoted(value))),
        _ => None,
    }
}

fn other_property(property: &Property<'_>) -> Option<String> {
    let (name, value) = match property {
        Property::PayloadFormatIndicator(on) => ("payload-format-indicator", u8::from(*on).to_string()),
        Property::MessageExpiryInterval(seconds) => ("message-expiry-interval", seconds.to_string()),
        Property::ContentType(text) => ("content-type", quoted(text)),
        Property::ResponseTopic(text) => ("response-topic", quoted(text)),
        Property::CorrelationData(data) => ("correlation-data", quoted(&String::from_utf8_lossy(data))),
        Property::SubscriptionIdentifier(number) => ("subscription-identifier", number.to_string()),
        Property::TopicAlias(number) => ("topic-alias", number.to_string()),
        _ => return None,
    };
    Some(format!("\"{name}\":{value}"))
}
