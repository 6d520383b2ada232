//! The gateway's own topics below `$gw`: whether it is there, what it is, which devices it has; and the handles of
//! what is simulated.
//!
//! `$gw/simulate/NAME/set` exists only for what the configuration simulates: a line (`press`, `press 800ms`, `1`,
//! `0`), a thermometer (`21.5`), a serial port (`unplug`, `plug`). The answer is on `$gw/simulate/NAME/$result`.

use super::simulation::Done;
use super::{DriverError, House, stopped};
use crate::client::{Client, Event, Message, Options};
use crate::mqtt::QoS;
use crate::mqtt::packet::{RetainHandling, SubscriptionOptions};
use serde::Serialize;
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

/// Runs the gateway's client until `stop` says so.
pub(super) async fn run(house: House, mut stop: watch::Receiver<bool>) -> Result<(), DriverError> {
    let prefix = format!("{}/$gw", house.settings.gateway.base);
    let availability = format!("{prefix}/availability");
    let will = Message::new(&availability, "offline").qos(QoS::AtLeastOnce).retained();
    let options = Options { will: Some(will), keep_alive: 0, ..Options::new("$gw") };
    let (mut client, _) = Client::connect(house.connect.open().await?, &options).await?;
    introduce(&house, &prefix, &mut client)?;
    let filter = format!("{prefix}/simulate/+/set");
    client.subscribe(&[(filter.as_str(), ACTIONS)])?;
    client.publish(Message::new(&availability, "online").qos(QoS::AtLeastOnce).retained())?;
    let mut presses = tokio::task::JoinSet::new();
    loop {
        let event = tokio::select! {
            () = stopped(&mut stop) => break,
            Some(_) = presses.join_next() => continue,
            event = client.next() => event?,
        };
        let Event::Message(message) = event else { continue };
        let name = message.topic.strip_prefix(&prefix).and_then(|rest| rest.strip_prefix("/simulate/"));
        let Some(name) = name.and_then(|rest| rest.strip_suffix("/set")) else { continue };
        let done = act(&house, name, &message, presses.len());
        let reason = done.as_ref().err().map(String::as_str);
        let result = ActionResult { status: if reason.is_none() { "done" } else { "rejected" }, reason };
        let topic = format!("{prefix}/simulate/{name}/$result");
        client.publish(Message::new(topic, json(&result)).qos(QoS::AtLeastOnce))?;
        if let Ok(Done::Release { after, high }) = done {
            let (chip, clock, name) = (house.simulation.chip.clone(), house.clock, name.to_owned());
            presses.spawn(async move {
                tokio::time::sleep(after).await;
                chip.set(clock, &name, high);
            });
        }
    }
    client.publish(Message::new(&availability, "offline").qos(QoS::AtLeastOnce).retained())?;
    client.settle().await?;
    Ok(client.disconnect().await?)
}

fn introduce(house: &House, prefix: &str, client: &mut Client<DuplexStream>) -> Result<(), DriverError> {
    let info = Info { id: &house.settings.gateway.id, version: env!("CARGO_PKG_VERSION") };
    let devices = house.settings.devices.iter().map(|device| DeviceEntry {
        id: &device.id,
        driver: device.driver.name(),
        name: device.name.as_deref(),
    });
    let devices: Vec<DeviceEntry<'_>> = devices.collect();
    let retained = |topic: &str, payload: String| {
        Message::new(format!("{prefix}/{topic}"), payload).qos(QoS::AtLeastOnce).retained()
    };
    client.publish(retained("info", json(&info)))?;
    // Kept, so that the next start knows which devices are no more.
    client.publish(retained("devices", json(&devices)).qos(QoS::ExactlyOnce))?;
    Ok(())
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
