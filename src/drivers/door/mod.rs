//! One device at the broker: its connection, its topics, its availability, the answers to its commands.

mod accept;
mod mirror;
mod recover;

pub(super) use recover::read_retained;

use super::clock::civil_now;
use super::failpoint;
use super::journal::Journal;
use super::{Connect, DriverError, House, Start};
use crate::client::{Client, Event, Message, Options, OwnProperties};
use crate::config::DeviceSettings;
use crate::device::{
    BIRTH_TOPIC, Click, Command, CommandResult, DeviceTopics, Heartbeat, HomieState, Meta, Request, Status, Ticket,
    Troubles, Value, discovery, discovery_topic,
};
use crate::mqtt::packet::{RetainHandling, SubscriptionOptions};
use crate::mqtt::{Property, QoS};
use mirror::Mirror;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::time::{Instant, timeout, timeout_at};

/// Commands that the broker may send before the first of them is acknowledged.
const COMMANDS_INFLIGHT: u16 = 1_000;

/// How long the broker may take to take the subscriptions. A card that takes nothing delays them; the device lives
/// without the promise that its commands survive a power cut.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a command from before the start waits for its device to be there.
const EARLY_PATIENCE: Duration = Duration::from_secs(30);

/// Commands: once each, not the device's own, with the retain flag they were sent with.
const COMMANDS: SubscriptionOptions = SubscriptionOptions {
    qos: QoS::ExactlyOnce,
    no_local: true,
    retain_as_published: true,
    retain_handling: RetainHandling::Send,
};

/// Questions and signs of life: of no use later, and never what is retained.
const MOMENTARY: SubscriptionOptions = SubscriptionOptions {
    qos: QoS::AtMostOnce,
    no_local: true,
    retain_as_published: true,
    retain_handling: RetainHandling::DoNotSend,
};

/// What someone asks of the device.
#[derive(Debug)]
pub(super) enum Asked {
    /// To change a property.
    Set { property: String, ticket: Ticket, command: Command },
    /// To read a property again.
    Get { property: String },
    /// Nothing: the controller of these outputs is alive.
    Alive { outputs: Vec<String> },
}

/// A device's connection to the broker.
///
/// Until [`online`](Door::online) is called the device is offline, whatever is still retained of its values.
#[derive(Debug)]
pub(super) struct Door {
    id: String,
    client: Client<DuplexStream>,
    topics: DeviceTopics,
    command_ttl: Duration,
    /// What can be commanded, and whether by names; everything if absent.
    settable: Option<BTreeMap<String, bool>>,
    /// Properties whose state outlives a restart of the gateway.
    remembered: Vec<String>,
    /// Outputs by the topic on which their controllers give signs of life.
    heartbeats: Vec<(String, String)>,
    /// The first levels of all topics.
    base: String,
    /// What Home Assistant is told, and where, if it is.
    discovery: Option<(String, String)>,
    /// The mirror for controllers that know Homie, if there is one.
    mirror: Option<Mirror>,
    journal: Journal,
    /// Messages that came in while the subscriptions were made.
    arrived: VecDeque<Message>,
    /// Commands from before the start that wait for the device to be there, and how long.
    early: VecDeque<(String, Ticket, Command)>,
    early_until: Instant,
    start: Start,
    troubles: Troubles,
    online: bool,
    /// What was retained of the device's properties before it started.
    last: BTreeMap<String, Vec<u8>>,
}

/// What the client identifiers of devices begin with.
pub const DEVICE_CLIENTS: &str = "$device/";

/// The client identifier of a device. Its session lasts: the broker keeps the device's commands in it.
pub fn device_client(base: &str, device: &str) -> String {
    format!("{DEVICE_CLIENTS}{base}/{device}")
}

impl Door {
    /// Connects, tells what the device is and that it is offline, and listens for commands.
    pub(super) async fn open(
        house: &House,
        device: &DeviceSettings,
        meta: &Meta,
        start: Start,
        heartbeats: &[(&str, Option<&Heartbeat>)],
    ) -> Result<Self, DriverError> {
        let settable = meta.properties.iter().filter(|(_, property)| property.settable);
        let settable = settable.map(|(id, about)| (id.clone(), about.datatype == "enum")).collect();
        let mut door = Self::connect(house, device, start, Some(settable)).await?;
        let heartbeat =
            |(id, heartbeat): &(&str, Option<&Heartbeat>)| Some((heartbeat.as_ref()?.topic.clone(), (*id).to_owned()));
        door.heartbeats = heartbeats.iter().filter_map(heartbeat).collect();
        let remembered = meta.properties.iter().filter(|(_, property)| property.is_kept);
        door.remembered = remembered.map(|(id, _)| id.clone()).collect();
        let gateway = &house.settings.gateway;
        if gateway.home_assistant {
            door.discovery = Some((discovery_topic(&gateway.id, &device.id), String::new()));
            door.discover(meta);
        }
        door.retain(door.topics.availability(), "offline")?;
        door.mirror_description(meta)?;
        door.retain(door.topics.meta(), meta.to_json())?;
        door.retain(door.topics.problem(), door.troubles.to_json())?;
        door.introduce()?;
        let retained = read_retained(&house.connect, &door.topics.last_filter()).await?;
        let last = retained.into_iter().filter_map(|(topic, payload)| match door.topics.request(&topic) {
            Some(Request::Last(property)) => Some((property.to_owned(), payload)),
            _ => None,
        });
        door.last = last.collect();
        door.clear_strays(meta)?;
        door.subscribe().await?;
        Ok(door)
    }

    /// Tells Home Assistant what the device is, then whether it is there: in this order, or it would not know of whom
    /// the availability speaks.
    fn introduce(&mut self) -> Result<(), DriverError> {
        let Some((topic, payload)) = self.discovery.clone() else { return Ok(()) };
        // What it was before the start stands until a device that learns its properties has learned them.
        if payload.is_empty() {
            return Ok(());
        }
        self.retain(topic, payload)?;
        self.retain(self.topics.availability(), if self.online { "online" } else { "offline" })
    }

    /// Works out what Home Assistant is told: nothing of a device of which nothing is known yet.
    fn discover(&mut self, meta: &Meta) {
        if let Some((_, payload)) = self.discovery.as_mut().filter(|_| !meta.properties.is_empty()) {
            *payload = discovery(&self.base, meta, env!("CARGO_PKG_VERSION"));
        }
    }

    /// Clears what is retained of properties that the device does not have any more.
    fn clear_strays(&mut self, meta: &Meta) -> Result<(), DriverError> {
        let strays: Vec<String> = self.last.keys().filter(|id| !meta.properties.contains_key(*id)).cloned().collect();
        for id in strays {
            self.last.remove(&id);
            self.remember(Message::new(self.topics.property(&id), "").retained())?;
        }
        Ok(())
    }

    /// In the place of a driver that has failed: refuses every command until its next start.
    pub(super) async fn refuse(house: &House, device: &DeviceSettings, until: Instant) -> Result<(), DriverError> {
        let mut door = Self::connect(house, device, Start::AfterFault, None).await?;
        door.subscribe().await?;
        while let Ok(asked) = timeout_at(until, door.next()).await {
            if let Asked::Set { property, ticket, command } = asked? {
                door.result(&property, ticket, &CommandResult::because(command.id, Status::Rejected, "offline"))?;
            }
        }
        door.close().await
    }

    /// A connection that has said nothing yet. Without a list of what is settable, everything is.
    async fn connect(
        house: &House,
        device: &DeviceSettings,
        start: Start,
        settable: Option<BTreeMap<String, bool>>,
    ) -> Result<Self, DriverError> {
        let gateway = &house.settings.gateway;
        let base = &gateway.base;
        let topics = DeviceTopics::new(base, &device.id);
        let is_lasting = device.driver.takes_commands();
        let mut properties = OwnProperties::default();
        properties.push(Property::ReceiveMaximum(COMMANDS_INFLIGHT));
        let options = Options {
            clean_start: !is_lasting,
            session_expiry: if is_lasting { u32::MAX } else { 0 },
            acknowledge_later: true,
            will: Some(Message::new(topics.availability(), "offline").qos(QoS::AtLeastOnce).retained()),
            keep_alive: 0,
            properties,
            ..Options::new(device_client(base, &device.id))
        };
        let (client, _) = Client::connect(house.connect.open().await?, &options).await?;
        Ok(Self {
            id: device.id.clone(),
            client,
            command_ttl: device.command_ttl,
            settable,
            remembered: Vec::new(),
            heartbeats: Vec::new(),
            base: base.clone(),
            discovery: None,
            mirror: gateway.homie.then(|| Mirror::new(&gateway.id, &device.id)),
            journal: Journal::default(),
            arrived: VecDeque::new(),
            early: VecDeque::new(),
            early_until: Instant::now() + EARLY_PATIENCE,
            start,
            troubles: Troubles::default(),
            online: false,
            last: BTreeMap::new(),
            topics,
        })
    }

    /// Subscribes to everything the device hears. What the broker kept of commands comes in before its answer.
    async fn subscribe(&mut self) -> Result<(), DriverError> {
        let (set, get) = (self.topics.set_filter(), self.topics.get_filter());
        let mut filters = vec![(set.as_str(), COMMANDS), (get.as_str(), MOMENTARY)];
        let mirrored = self.mirror.as_ref().map(Mirror::set_filter);
        filters.extend(mirrored.iter().map(|filter| (filter.as_str(), COMMANDS)));
        filters.extend(self.heartbeats.iter().map(|(topic, _)| (topic.as_str(), MOMENTARY)));
        if self.discovery.is_some() {
            filters.push((BIRTH_TOPIC, MOMENTARY));
        }
        filters.dedup_by_key(|(filter, _)| *filter);
        self.client.subscribe(&filters)?;
        let until = Instant::now() + SUBSCRIBE_TIMEOUT;
        loop {
            let Ok(event) = timeout_at(until, self.client.next()).await else {
                tracing::warn!(device = self.id, "the store does not take the device's subscriptions");
                break;
            };
            match event? {
                Event::Message(message) => self.arrived.push_back(message),
                Event::Released { packet_id } => self.journal.released(packet_id),
                Event::Subscribed { .. } => break,
                Event::Connected { .. } | Event::Published { .. } | Event::Unsubscribed { .. } => {}
            }
        }
        self.recover()
    }

    /// The switch state that was retained before the device started.
    pub(super) fn last_switch(&self, property: &str) -> Option<bool> {
        match self.kept(property)? {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    fn kept(&self, property: &str) -> Option<&[u8]> {
        let is_kept = self.remembered.iter().any(|id| id == property);
        self.last.get(property).filter(|_| is_kept).map(Vec::as_slice)
    }

    /// The number that was retained and kept before the device started.
    pub(super) fn last_number(&self, property: &str) -> Option<f64> {
        std::str::from_utf8(self.kept(property)?).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The next thing that someone asks of the device. Sends what was published meanwhile.
    pub(super) async fn next(&mut self) -> Result<Asked, DriverError> {
        loop {
            self.acknowledge();
            if self.online
                && let Some((property, ticket, command)) = self.early.pop_front()
            {
                return Ok(Asked::Set { property, ticket, command });
            }
            if let Some(message) = self.arrived.pop_front() {
                if let Some(asked) = self.understand(&message)? {
                    return Ok(asked);
                }
                continue;
            }
            let event = if self.early.is_empty() {
                self.client.next().await?
            } else if let Ok(event) = timeout_at(self.early_until, self.client.next()).await {
                event?
            } else {
                self.give_up_early()?;
                continue;
            };
            match event {
                Event::Message(message) => self.arrived.push_back(message),
                Event::Released { packet_id } => {
                    failpoint::reach("released");
                    self.journal.released(packet_id);
                }
                Event::Connected { .. }
                | Event::Published { .. }
                | Event::Subscribed { .. }
                | Event::Unsubscribed { .. } => {}
            }
        }
    }

    /// Acknowledges the commands that the broker need not keep any longer.
    fn acknowledge(&mut self) {
        while let Some(packet_id) = self.journal.acknowledge() {
            failpoint::reach("acknowledge");
            self.client.acknowledge(packet_id);
            failpoint::reach("acknowledged");
        }
    }

    /// Publishes a property's verified value.
    pub(super) fn state(&mut self, property: &str, value: &Value) -> Result<(), DriverError> {
        self.mirror_value(property, value)?;
        let message = Message::new(self.topics.property(property), value.to_string()).retained();
        if self.remembered.iter().any(|id| id == property) {
            return self.remember(message);
        }
        self.publish(message)
    }

    /// Publishes a property's verified value that is not to be remembered: it is not left at that.
    pub(super) fn passing_state(&mut self, property: &str, value: &Value) -> Result<(), DriverError> {
        self.mirror_value(property, value)?;
        self.retain(self.topics.property(property), value.to_string())
    }

    /// Publishes what was done with a button: an event, never retained.
    pub(super) fn click(&mut self, property: &str, click: Click) -> Result<(), DriverError> {
        self.mirror_click(property, click)?;
        self.publish(Message::new(self.topics.property(property), click.name()))
    }

    /// Publishes the state that a property is to have; nothing once it has it.
    pub(super) fn target(&mut self, property: &str, on: Option<bool>) -> Result<(), DriverError> {
        self.mirror_target(property, on)?;
        self.retain(self.topics.target(property), on.map_or(String::new(), |on| on.to_string()))
    }

    /// Answers a command on `$result`, and where its sender wants the answer.
    pub(super) fn result(&mut self, property: &str, ticket: Ticket, result: &CommandResult) -> Result<(), DriverError> {
        failpoint::reach("result");
        let json = result.to_json();
        if let Some(sender) = self.journal.sender(ticket)
            && let Some(topic) = &sender.response_topic
        {
            let mut answer = Message::new(topic.clone(), json.clone());
            if let Some(data) = &sender.correlation_data {
                answer = answer.property(Property::CorrelationData(data));
            }
            self.publish(answer)?;
        }
        self.journal.answered(ticket, result);
        self.publish(Message::new(self.topics.result(property), json))?;
        failpoint::reach("answered");
        Ok(())
    }

    /// Tells that the controller of an output is silent, or back.
    pub(super) fn heartbeat(&mut self, property: &str, lost: bool) -> Result<(), DriverError> {
        if lost {
            self.trouble(property, "heartbeat", "its controller gives no sign of life")
        } else {
            self.well(property)
        }
    }

    /// Tells what the device is found to be.
    pub(super) fn describe(&mut self, meta: &Meta) -> Result<(), DriverError> {
        self.retain(self.topics.meta(), meta.to_json())?;
        self.mirror_description(meta)?;
        self.discover(meta);
        self.introduce()
    }

    /// Tells that the device's values can be trusted from now on.
    pub(super) fn online(&mut self) -> Result<(), DriverError> {
        self.set_online(true)
    }

    /// Tells that the device's values cannot be trusted.
    pub(super) fn offline(&mut self) -> Result<(), DriverError> {
        self.set_online(false)
    }

    /// Tells that something is wrong with a property or part.
    pub(super) fn trouble(&mut self, part: &str, kind: &'static str, text: &str) -> Result<(), DriverError> {
        if !self.troubles.set(part, kind, text, civil_now()) {
            return Ok(());
        }
        tracing::warn!(device = self.id, part, kind, text, "trouble");
        self.retain(self.topics.problem(), self.troubles.to_json())
    }

    /// Tells that a property or part is well.
    pub(super) fn well(&mut self, part: &str) -> Result<(), DriverError> {
        if !self.troubles.clear(part) {
            return Ok(());
        }
        tracing::info!(device = self.id, part, "well again");
        self.retain(self.topics.problem(), self.troubles.to_json())
    }

    /// Goes offline in peace: everything said is heard, and the will is not needed.
    pub(super) async fn close(mut self) -> Result<(), DriverError> {
        self.set_online(false)?;
        self.mirror_state(HomieState::Disconnected)?;
        self.acknowledge();
        // A card that takes nothing keeps answers back: nobody waits for it to stop.
        timeout(SUBSCRIBE_TIMEOUT, self.client.settle()).await.unwrap_or(Ok(()))?;
        Ok(self.client.disconnect().await?)
    }

    fn set_online(&mut self, online: bool) -> Result<(), DriverError> {
        if self.online == online {
            return Ok(());
        }
        self.online = online;
        self.mirror_state(if online { HomieState::Ready } else { HomieState::Lost })?;
        self.retain(self.topics.availability(), if online { "online" } else { "offline" })
    }

    fn retain(&mut self, topic: String, payload: impl Into<Vec<u8>>) -> Result<(), DriverError> {
        self.publish(Message::new(topic, payload).retained())
    }

    /// Publishes what the broker is to keep over a restart: of its own parts it stores QoS 2 only.
    fn remember(&mut self, message: Message) -> Result<(), DriverError> {
        self.client.publish(message.qos(QoS::ExactlyOnce))?;
        Ok(())
    }

    fn publish(&mut self, message: Message) -> Result<(), DriverError> {
        self.client.publish(message.qos(QoS::AtLeastOnce))?;
        Ok(())
    }
}
