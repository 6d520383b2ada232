//! One device at the broker: its connection, its topics, its availability, the answers to its commands.

use super::clock::civil_now;
use super::{Connect, DriverError};
use crate::client::{Client, Event, Message, Options};
use crate::device::{Click, Command, CommandResult, DeviceTopics, Meta, Request, Status, Ticket, Troubles, Value};
use crate::mqtt::packet::{RetainHandling, SubscriptionOptions};
use crate::mqtt::{Property, QoS};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::io::DuplexStream;

/// Commands that may be without their last answer at one time; more are refused.
const SENDERS_MAX: usize = 64;

/// Commands and questions: once each, not the device's own, with the retain flag they were sent with.
const REQUESTS: SubscriptionOptions = SubscriptionOptions {
    qos: QoS::ExactlyOnce,
    no_local: true,
    retain_as_published: true,
    retain_handling: RetainHandling::Send,
};

/// What someone asks of the device.
#[derive(Debug)]
pub(super) enum Asked {
    /// To change a property.
    Set { property: String, ticket: Ticket, command: Command },
    /// To read a property again.
    Get { property: String },
}

/// Who waits for an answer, and where.
#[derive(Debug)]
struct Sender {
    response_topic: Option<String>,
    correlation_data: Option<Vec<u8>>,
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
    settable: Vec<String>,
    /// Properties whose state outlives a restart of the gateway.
    remembered: Vec<String>,
    senders: BTreeMap<Ticket, Sender>,
    tickets: u64,
    troubles: Troubles,
    online: bool,
    /// What was retained of the device's properties before it started.
    last: BTreeMap<String, Vec<u8>>,
}

impl Door {
    /// Connects, tells what the device is and that it is offline, and listens for commands.
    pub(super) async fn open(
        connect: &Connect,
        base: &str,
        command_ttl: Duration,
        meta: &Meta,
        remembered: Vec<String>,
    ) -> Result<Self, DriverError> {
        let topics = DeviceTopics::new(base, &meta.id);
        let will = Message::new(topics.availability(), "offline").qos(QoS::AtLeastOnce).retained();
        let client_id = format!("$device/{}", meta.id);
        let options = Options { will: Some(will), keep_alive: 0, ..Options::new(client_id) };
        let (client, _) = Client::connect(connect.open().await?, &options).await?;
        let settable = meta.properties.iter().filter(|(_, property)| property.settable);
        let mut door = Self {
            id: meta.id.clone(),
            client,
            command_ttl,
            settable: settable.map(|(id, _)| id.clone()).collect(),
            remembered,
            senders: BTreeMap::new(),
            tickets: 0,
            troubles: Troubles::default(),
            online: false,
            last: BTreeMap::new(),
            topics,
        };
        door.retain(door.topics.availability(), "offline")?;
        door.retain(door.topics.meta(), meta.to_json())?;
        door.retain(door.topics.problem(), door.troubles.to_json())?;
        if !door.remembered.is_empty() {
            door.read_last().await?;
        }
        let filters = [door.topics.set_filter(), door.topics.get_filter()];
        door.client.subscribe(&[(filters[0].as_str(), REQUESTS), (filters[1].as_str(), REQUESTS)])?;
        Ok(door)
    }

    /// The switch state that was retained before the device started.
    pub(super) fn last_switch(&self, property: &str) -> Option<bool> {
        match self.last.get(property)?.as_slice() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// The next thing that someone asks of the device. Sends what was published meanwhile.
    pub(super) async fn next(&mut self) -> Result<Asked, DriverError> {
        loop {
            if let Event::Message(message) = self.client.next().await?
                && let Some(asked) = self.understand(&message)?
            {
                return Ok(asked);
            }
        }
    }

    /// Publishes a property's verified value.
    pub(super) fn state(&mut self, property: &str, value: &Value) -> Result<(), DriverError> {
        let message = Message::new(self.topics.property(property), value.to_string()).retained();
        if self.remembered.iter().any(|id| id == property) {
            return self.remember(message);
        }
        self.publish(message)
    }

    /// Publishes what was done with a button: an event, never retained.
    pub(super) fn click(&mut self, property: &str, click: Click) -> Result<(), DriverError> {
        self.publish(Message::new(self.topics.property(property), click.name()))
    }

    /// Publishes the state that a property is to have; nothing once it has it.
    pub(super) fn target(&mut self, property: &str, on: Option<bool>) -> Result<(), DriverError> {
        self.retain(self.topics.target(property), on.map_or(String::new(), |on| on.to_string()))
    }

    /// Answers a command on `$result`, and where its sender wants the answer.
    pub(super) fn result(&mut self, property: &str, ticket: Ticket, result: &CommandResult) -> Result<(), DriverError> {
        let json = result.to_json();
        let is_last = result.status != Status::Accepted;
        if let Some(sender) = self.senders.get(&ticket)
            && let Some(topic) = &sender.response_topic
        {
            let mut answer = Message::new(topic.clone(), json.clone());
            if let Some(data) = &sender.correlation_data {
                answer = answer.property(Property::CorrelationData(data));
            }
            self.publish(answer)?;
        }
        if is_last {
            self.senders.remove(&ticket);
        }
        self.publish(Message::new(self.topics.result(property), json))
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
        self.client.settle().await?;
        Ok(self.client.disconnect().await?)
    }

    fn set_online(&mut self, online: bool) -> Result<(), DriverError> {
        if self.online == online {
            return Ok(());
        }
        self.online = online;
        self.retain(self.topics.availability(), if online { "online" } else { "offline" })
    }

    fn understand(&mut self, message: &Message) -> Result<Option<Asked>, DriverError> {
        let asked = match self.topics.request(&message.topic) {
            Some(Request::Set(property)) => self.understand_set(property.to_owned(), message)?,
            Some(Request::Get(property)) if !message.retain => Some(Asked::Get { property: property.to_owned() }),
            Some(Request::Get(_) | Request::Last(_)) | None => None,
        };
        Ok(asked)
    }

    fn understand_set(&mut self, property: String, message: &Message) -> Result<Option<Asked>, DriverError> {
        if message.retain && message.payload.is_empty() {
            return Ok(None);
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let refusal = if message.retain {
            Err("retained".to_owned())
        } else if !self.settable.contains(&property) {
            Err("not-settable".to_owned())
        } else if self.senders.len() >= SENDERS_MAX {
            Err("too-many-commands".to_owned())
        } else {
            Command::parse(&message.payload).map_err(|error| error.to_string())
        };
        let sender = Sender {
            response_topic: message.response_topic().map(str::to_owned),
            correlation_data: message.correlation_data().map(<[u8]>::to_vec),
        };
        self.senders.insert(ticket, sender);
        match refusal {
            Ok(mut command) => {
                // Whoever is least patient decides: the command itself, or its message's expiry.
                let expiry = message.expiry().map(|seconds| Duration::from_secs(seconds.into()));
                let ttl = [command.ttl, expiry].into_iter().flatten().min();
                command.ttl = Some(ttl.unwrap_or(self.command_ttl));
                Ok(Some(Asked::Set { property, ticket, command }))
            }
            Err(reason) => {
                if message.retain {
                    self.remember(Message::new(self.topics.set(&property), "").retained())?;
                }
                let id = Command::parse(&message.payload).ok().and_then(|command| command.id);
                self.result(&property, ticket, &CommandResult::because(id, Status::Rejected, reason))?;
                Ok(None)
            }
        }
    }

    /// Reads what is retained of the device's own properties. The server sends what is retained before it answers
    /// the UNSUBSCRIBE that follows.
    async fn read_last(&mut self) -> Result<(), DriverError> {
        let filter = self.topics.last_filter();
        let options = SubscriptionOptions { no_local: true, ..SubscriptionOptions::plain(QoS::AtMostOnce) };
        self.client.subscribe(&[(filter.as_str(), options)])?;
        loop {
            match self.client.next().await? {
                Event::Subscribed { .. } => {
                    self.client.unsubscribe(&[filter.as_str()])?;
                }
                Event::Unsubscribed { .. } => return Ok(()),
                Event::Message(message) => {
                    if let Some(Request::Last(property)) = self.topics.request(&message.topic)
                        && self.remembered.iter().any(|id| id == property)
                    {
                        self.last.insert(property.to_owned(), message.payload.clone());
                    }
                }
                Event::Connected { .. } | Event::Published { .. } => {}
            }
        }
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
