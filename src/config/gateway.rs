//! `[gateway]`, `[broker]` and `[gpio]`.

use super::listener::{Addresses, listener};
use super::listener_settings::ListenAddress;
use super::problem::Mistake;
use super::reader::Table;
use super::settings::{BrokerLimits, BrokerSettings, GatewaySettings, GpioBackend};
use super::text;
use crate::base::limits::{QueueFull, TOPIC_LEVELS};
use crate::rules::schedule::{Location, Zone};

/// MQTT's own bound of a packet: five bytes of fixed header and 268,435,455 of remaining length.
const PACKET_SIZE_MAX: u64 = 268_435_460;

/// Most connections in a second; more than any board can accept.
const RATE_MAX: u64 = 1_000_000;

/// Longest time to CONNECT, in seconds.
const CONNECT_TIMEOUT_MAX: u64 = 3_600;

pub(super) fn gateway(mut table: Table) -> GatewaySettings {
    let mut gateway = GatewaySettings::default();
    let id = table.text("id", text::id);
    if let Some(id) = table.require("id", id, "\"gw1\"") {
        gateway.id = id.value;
    }
    if let Some(mut topics) = table.table("topics") {
        if let Some(base) = topics.text("base", text::topic_base) {
            gateway.base = base.value;
        }
        gateway.home_assistant = topics.boolean("home_assistant").unwrap_or(false);
        gateway.homie = topics.boolean("homie").unwrap_or(false);
        topics.close(&[]);
    }
    if let Some(zone) = table.text("timezone", timezone) {
        gateway.zone = zone.value;
    }
    gateway.location = table.table("location").and_then(location);
    table.close(&["name"]);
    gateway
}

/// A zone by its name in the tz database.
fn timezone(name: &str) -> Result<Zone, Mistake> {
    let hint = "write a name of the tz database, such as \"Europe/Amsterdam\"";
    Zone::named(name).ok_or_else(|| Mistake::new(format!("there is no time zone `{name}`"), hint))
}

/// `location = { lat = 52.09, lon = 5.12 }`
fn location(mut table: Table) -> Option<Location> {
    let mut degrees = |key, most: f64| {
        let written = table.number(key);
        let written = table.require(key, written, "52.09")?;
        if written.value.abs() > most {
            table.problem_at(&written.place, format!("{} is beyond {most} degrees", written.value), "");
            return None;
        }
        Some(written.value)
    };
    let (latitude, longitude) = (degrees("lat", 90.0), degrees("lon", 180.0));
    table.close(&[]);
    Some(Location { latitude: latitude?, longitude: longitude? })
}

pub(super) fn broker(mut table: Table) -> BrokerSettings {
    let mut addresses = Addresses::default();
    let mut listen = Vec::new();
    for placed in table.texts("listen", text::listen).map(|list| list.value).unwrap_or_default() {
        addresses.claim(&table, &ListenAddress::Tcp(placed.value), &placed.place);
        listen.push(placed.value);
    }
    let listeners = table.tables("listener").into_iter();
    let listeners = listeners.filter_map(|table| listener(table, &mut addresses)).collect();
    let data_dir = table.text("data_dir", text::absolute_path).map(|placed| placed.value);
    let limits = table.table("limits").map(limits).unwrap_or_default();
    let users = table.text("users", text::path).map(|placed| placed.value);
    let anonymous = table.boolean("anonymous");
    if anonymous == Some(false) && users.is_none() && !table.has("users") {
        table.problem("without users and without `anonymous` nobody could connect", "add `users = \"users.toml\"`");
    }
    table.close(&["tls", "websocket"]);
    BrokerSettings { listen, listeners, data_dir, users, anonymous, limits }
}

const QUEUE_FULL: [(&str, QueueFull); 3] =
    [("refuse", QueueFull::Refuse), ("drop-oldest", QueueFull::DropOldest), ("drop-newest", QueueFull::DropNewest)];

fn limits(mut table: Table) -> BrokerLimits {
    const COUNT_MAX: u64 = u32::MAX as u64;
    let limits = BrokerLimits {
        connections: table.integer("connections", 1..=COUNT_MAX),
        connections_per_address: table.integer("connections_per_address", 1..=COUNT_MAX),
        connect_rate: table.integer("connect_rate", 1..=RATE_MAX),
        connect_rate_per_address: table.integer("connect_rate_per_address", 1..=RATE_MAX),
        unauthenticated: table.integer("unauthenticated", 1..=COUNT_MAX),
        connect_timeout: table.integer("connect_timeout", 1..=CONNECT_TIMEOUT_MAX),
        packet_size_before_connect: table.integer("packet_size_before_connect", 128..=PACKET_SIZE_MAX),
        will_size: table.integer("will_size", 1..=PACKET_SIZE_MAX),
        packet_size: table.integer("packet_size", 16..=PACKET_SIZE_MAX),
        inflight: table.integer("inflight", 1..=u64::from(u16::MAX)),
        queue_messages: table.integer("queue_messages", 1..=COUNT_MAX),
        queue_bytes: table.integer("queue_bytes", 1..=COUNT_MAX),
        queue_full: table.word("queue_full", &QUEUE_FULL).unwrap_or_default(),
        retained_messages: table.integer("retained_messages", 1..=COUNT_MAX),
        retained_bytes: table.integer("retained_bytes", 1..=u64::MAX >> 1),
        topic_levels: table.integer("topic_levels", 1..=TOPIC_LEVELS as u64),
        sessions: table.integer("sessions", 1..=COUNT_MAX),
        subscriptions: table.integer("subscriptions", 1..=COUNT_MAX),
        keep_alive: table.integer("keep_alive", 1..=u64::from(u16::MAX)),
    };
    table.close(&[]);
    limits
}

pub(super) fn gpio(mut table: Table) -> GpioBackend {
    let words =
        [("gpiochip", GpioBackend::Gpiochip), ("rppal", GpioBackend::Rppal), ("simulated", GpioBackend::Simulated)];
    let backend = table.word("backend", &words);
    table.close(&[]);
    backend.unwrap_or_default()
}
