//! The gateway's own topics below `$gw`: whether it is there, what it is, which devices it has; and the handles of
//! what is simulated.
//!
//! `$gw/simulate/NAME/set` exists only for what the configuration simulates: a line (`press`, `press 800ms`, `1`,
//! `0`), a thermometer (`21.5`), a serial port (`unplug`, `plug`). The answer is on `$gw/simulate/NAME/$result`.

use super::door::read_retained;
use super::simulation::Done;
use super::{DriverError, House, Plan, stopped};
use crate::client::{Client, Event, Message, Options};
use crate::device::{BIRTH_TOPIC, discovery_topic};
use crate::mqtt::QoS;
use crate::mqtt::packet::{RetainHandling, SubscriptionOptions};
use serde::Serialize;
use std::collections::BTreeSet;
use tokio::io::DuplexStream;
use tokio::sync::watch;

/// The longest action on something simulated, in bytes.
const ACTION_LENGTH_MAX: usize = 64;

/// Presses that wait for their release at one time.
const PRESSES_MAX: usize = 64;

/// Never what is retained: a press is an event.
const ACTIONS: SubscriptionOptions = SubscriptionOptions {
    qos: QoS::ExactlyOnce,
    no_local: true,
    retain_as_published: true,
    retain_handling: RetainHandling::DoNotSend,
};

#[derive(Serialize)]
struct Info<'s> {
    id: &'s str,
    version: &'static str,
}

#[derive(Serialize)]
struct DeviceEntry<'s> {
    id: &'s str,
    driver: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'s str>,
}

#[derive(Serialize)]
struct ActionResult<'s> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'s str>,
}

/// What became of the newest configuration: the payload of `$gw/config`.
#[derive(Serialize)]
struct ConfigEntry<'s> {
    status: &'static str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    problems: &'s [String],
}

/// The gateway's own client.
struct Gateway {
    house: House,
    prefix: String,
    client: Client<DuplexStream>,
    /// Devices that are no more, and that Home Assistant may still know.
    gone: BTreeSet<String>,
}

/// Runs the gateway's client until `stop` says so.
pub(super) async fn run(
    mut houses: watch::Receiver<House>,
    mut plan: watch::Receiver<Plan>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), DriverError> {
    let house = houses.borrow_and_update().clone();
    let mut gateway = Gateway::open(house).await?;
    gateway.introduce()?;
    gateway.tell_config(&plan.borrow_and_update())?;
    gateway.set_availability("online")?;
    let mut presses = tokio::task::JoinSet::new();
    loop {
        let event = tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = presses.join_next() => continue,
            Ok(()) = houses.changed() => {
                gateway.house = houses.borrow_and_update().clone();
                gateway.introduce()?;
                continue;
            }
            Ok(()) = plan.changed() => {
                gateway.tell_config(&plan.borrow_and_update())?;
                continue;
            }
            event = gateway.client.next() => event?,
        };
        let Event::Message(message) = event else { continue };
        if let Some(Done::Release { after, high }) = gateway.message(&message, presses.len())? {
            let (chip, clock) = (gateway.house.simulation.chip.clone(), gateway.house.clock);
            let Some(name) = gateway.simulated(&message.topic).map(str::to_owned) else { continue };
            presses.spawn(async move {
                tokio::time::sleep(after).await;
                chip.set(clock, &name, high);
            });
        }
    }
    gateway.set_availability("offline")?;
    gateway.client.settle().await?;
    Ok(gateway.client.disconnect().await?)
}

impl Gateway {
    async fn open(house: House) -> Result<Self, DriverError> {
        let prefix = format!("{}/$gw", house.settings.gateway.base);
        let will = Message::new(format!("{prefix}/availability"), "offline").qos(QoS::AtLeastOnce).retained();
        let options = Options { will: Some(will), keep_alive: 0, ..Options::new("$gw") };
        let gone = listed(&house, &prefix).await?;
        let (mut client, _) = Client::connect(house.connect.open().await?, &options).await?;
        let filter = format!("{prefix}/simulate/+/set");
        client.subscribe(&[(filter.as_str(), ACTIONS), (BIRTH_TOPIC, ACTIONS)])?;
        Ok(Self { house, prefix, client, gone })
    }

    /// Tells what the gateway is and which devices it has.
    fn introduce(&mut self) -> Result<(), DriverError> {
        let settings = self.house.settings.clone();
        let info = Info { id: &settings.gateway.id, version: env!("CARGO_PKG_VERSION") };
        let devices = settings.devices.iter().map(|device| DeviceEntry {
            id: &device.id,
            driver: device.driver.name(),
            name: device.name.as_deref(),
        });
        let devices: Vec<DeviceEntry<'_>> = devices.collect();
        self.retain("info", json(&info), QoS::AtLeastOnce)?;
        // Kept, so that the next start knows which devices are no more.
        self.retain("devices", json(&devices), QoS::ExactlyOnce)
    }

    /// Tells what became of the newest configuration.
    fn tell_config(&mut self, plan: &Plan) -> Result<(), DriverError> {
        let status = if plan.problems.is_empty() { "ok" } else { "refused" };
        self.retain("config", json(&ConfigEntry { status, problems: &plan.problems }), QoS::AtLeastOnce)
    }

    fn set_availability(&mut self, availability: &str) -> Result<(), DriverError> {
        self.retain("availability", availability.to_owned(), QoS::AtLeastOnce)
    }

    fn retain(&mut self, topic: &str, payload: String, qos: QoS) -> Result<(), DriverError> {
        self.client.publish(Message::new(format!("{}/{topic}", self.prefix), payload).qos(qos).retained())?;
        Ok(())
    }

    /// The name of what a message wants simulated.
    fn simulated<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.strip_prefix(&self.prefix)?.strip_prefix("/simulate/")?.strip_suffix("/set")
    }

    /// A message; what remains to be done for it.
    fn message(&mut self, message: &Message, presses: usize) -> Result<Option<Done>, DriverError> {
        if message.topic == BIRTH_TOPIC {
            if message.payload == b"online" {
                self.tell_gone()?;
            }
            return Ok(None);
        }
        let Some(name) = self.simulated(&message.topic) else { return Ok(None) };
        let done = act(&self.house, name, message, presses);
        let reason = done.as_ref().err().map(String::as_str);
        let result = ActionResult { status: if reason.is_none() { "done" } else { "rejected" }, reason };
        let topic = format!("{}/simulate/{name}/$result", self.prefix);
        self.client.publish(Message::new(topic, json(&result)).qos(QoS::AtLeastOnce))?;
        Ok(done.ok())
    }

    /// Tells Home Assistant which devices are no more: it may have been away when they went.
    fn tell_gone(&mut self) -> Result<(), DriverError> {
        let settings = self.house.settings.clone();
        if !settings.gateway.home_assistant {
            return Ok(());
        }
        for id in self.gone.iter().filter(|id| settings.devices.iter().all(|device| device.id != **id)) {
            let topic = discovery_topic(&settings.gateway.id, id);
            self.client.publish(Message::new(topic, "").retained().qos(QoS::AtLeastOnce))?;
        }
        Ok(())
    }
}

/// The devices of the gateway's last own list.
async fn listed(house: &House, prefix: &str) -> Result<BTreeSet<String>, DriverError> {
    let retained = read_retained(&house.connect, &format!("{prefix}/devices")).await?;
    let list = retained.into_values().next().unwrap_or_default();
    let devices: Vec<serde_json::Value> = serde_json::from_slice(&list).unwrap_or_default();
    Ok(devices.iter().filter_map(|device| device["id"].as_str().map(str::to_owned)).collect())
}

fn act(house: &House, name: &str, message: &Message, presses: usize) -> Result<Done, String> {
    if message.retain {
        return Err("retained".to_owned());
    }
    if presses >= PRESSES_MAX {
        return Err("too many presses at one time".to_owned());
    }
    let action = message.text().filter(|text| text.len() <= ACTION_LENGTH_MAX).ok_or("not an action")?;
    house.simulation.act(house.clock, name, action)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings can always be written as JSON")
}
