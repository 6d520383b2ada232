//! `gatehouse device`.

use super::client::{self, Client, ConnectArgs, Failure, connect};
use crate::client::{Event, Message};
use crate::drivers;
use crate::mqtt::packet::SubscriptionOptions;
use crate::mqtt::{Property, QoS};
use clap::Subcommand;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::timeout;

/// How long a command may be without an answer, beyond what it takes itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// See and move the devices of a running gateway; find what this machine has.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse device list
  gatehouse device get blind
  gatehouse device set blind/up true
  gatehouse device set blind/up true --pulse 3s
  gatehouse device set desk-lamp/level 40 --transition 2s
  gatehouse device watch blind
  gatehouse device test blind/up
  gatehouse device scan

Exit codes: 0 done, 2 usage, 4 cannot connect, 5 refused by the broker or the device, 6 no answer in time")]
pub struct DeviceArgs {
    #[command(subcommand)]
    action: DeviceAction,
}

/// Towards which gateway.
#[derive(Debug, clap::Args)]
struct Towards {
    #[command(flatten)]
    connection: ConnectArgs,
    /// First levels of the house's topics
    #[arg(long, default_value = "home", value_name = "TOPIC")]
    base: String,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

#[derive(Debug, Subcommand)]
enum DeviceAction {
    /// What this machine has that a device could be on: GPIO lines, serial ports, 1-Wire, IIO, hwmon, PWM
    Scan,
    /// All devices: whether they are there, what they have, what is wrong
    #[command(disable_help_flag = true)]
    List(Towards),
    /// The values of a device, or of one property
    #[command(disable_help_flag = true)]
    Get {
        /// DEVICE or DEVICE/PROPERTY
        name: String,
        #[command(flatten)]
        towards: Towards,
    },
    /// Command a property and wait for its result
    #[command(disable_help_flag = true)]
    Set(Box<SetArgs>),
    /// Print everything that devices say, until it is interrupted
    #[command(disable_help_flag = true)]
    Watch {
        /// DEVICE; all of them if absent
        device: Option<String>,
        #[command(flatten)]
        towards: Towards,
    },
    /// Switch an output on for a second, and tell what was measured
    #[command(disable_help_flag = true)]
    Test {
        /// DEVICE/OUTPUT
        name: String,
        #[command(flatten)]
        towards: Towards,
    },
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// DEVICE/PROPERTY
    name: String,
    /// true, false, toggle or a number
    value: String,
    /// Go off again after this time
    #[arg(long, value_name = "TIME")]
    pulse: Option<String>,
    /// Get there in this time
    #[arg(long, value_name = "TIME")]
    transition: Option<String>,
    /// Do not wait longer than this
    #[arg(long, value_name = "TIME")]
    ttl: Option<String>,
    #[command(flatten)]
    towards: Towards,
}

/// Does it.
pub fn run(args: &DeviceArgs) -> ExitCode {
    match &args.action {
        DeviceAction::Scan => {
            for found in drivers::scan(Path::new("/")) {
                println!("{:6}  {:24}  {}", found.kind, found.name, found.about);
            }
            ExitCode::SUCCESS
        }
        DeviceAction::List(towards) => client::run(towards.connection.quiet, list(towards)),
        DeviceAction::Get { name, towards } => client::run(towards.connection.quiet, get(towards, name)),
        DeviceAction::Set(set) => {
            let mut command = json!({ "value": written(&set.value) });
            let options = [("pulse", &set.pulse), ("transition", &set.transition), ("ttl", &set.ttl)];
            for (key, value) in options {
                if let Some(value) = value {
                    command[key] = json!(value);
                }
            }
            client::run(set.towards.connection.quiet, order(&set.towards, &set.name, command))
        }
        DeviceAction::Watch { device, towards } => {
            client::run(towards.connection.quiet, watch(towards, device.as_deref()))
        }
        DeviceAction::Test { name, towards } => {
            let command = json!({ "value": true, "pulse": "1s" });
            client::run(towards.connection.quiet, order(towards, name, command))
        }
    }
}

/// A value as a command has it.
fn written(value: &str) -> Value {
    match serde_json::from_str(value) {
        Ok(value @ (Value::Bool(_) | Value::Number(_))) => value,
        _ => json!(value),
    }
}

/// What is retained below a filter. The server sends it before it answers the UNSUBSCRIBE that follows.
async fn retained(client: &mut Client, filter: &str) -> Result<BTreeMap<String, String>, Failure> {
    client.subscribe(&[(filter, SubscriptionOptions::plain(QoS::AtMostOnce))])?;
    let mut found = BTreeMap::new();
    loop {
        match client.next().await? {
            Event::Subscribed { reasons, .. } => {
                if let Some(&reason) = reasons.iter().find(|reason| reason.is_error()) {
                    return Err(Failure::Refused { what: "the subscription".into(), reason });
                }
                client.unsubscribe(&[filter])?;
            }
            Event::Unsubscribed { .. } => return Ok(found),
            Event::Message(message) if message.retain => {
                let text = message.text().unwrap_or_default().to_owned();
                found.insert(message.topic, text);
            }
            Event::Message(_) | Event::Connected { .. } | Event::Published { .. } | Event::Released { .. } => {}
        }
    }
}

async fn list(towards: &Towards) -> Result<(), Failure> {
    let mut client = connect(&towards.connection).await?;
    let all = retained(&mut client, &format!("{}/+/+", towards.base)).await?;
    for (topic, meta) in all.iter().filter(|(topic, _)| topic.ends_with("/$meta")) {
        let Ok(meta) = serde_json::from_str::<Value>(meta) else { continue };
        let device = topic.trim_end_matches("/$meta");
        let said = |what: &str| all.get(&format!("{device}/{what}")).map_or("", String::as_str);
        let properties: Vec<&str> =
            meta["properties"].as_object().map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
        let problem = if said("$problem") == "{}" { "" } else { said("$problem") };
        let (id, driver) = (meta["id"].as_str().unwrap_or(device), meta["driver"].as_str().unwrap_or(""));
        let line = format!("{id:20}  {driver:7}  {:8}  {}  {problem}", said("$availability"), properties.join(" "));
        println!("{}", line.trim_end());
    }
    Ok(client.disconnect().await?)
}

async fn get(towards: &Towards, name: &str) -> Result<(), Failure> {
    let mut client = connect(&towards.connection).await?;
    let device = name.split('/').next().unwrap_or(name);
    let all = retained(&mut client, &format!("{}/{device}/#", towards.base)).await?;
    let prefix = format!("{}/", towards.base);
    let availability = all.get(&format!("{prefix}{device}/$availability")).map_or("unknown", String::as_str);
    let mut is_known = false;
    for (topic, value) in &all {
        let short = topic.strip_prefix(&prefix).unwrap_or(topic);
        let is_wanted = short == name || (name == device && !short.contains('$'));
        if is_wanted {
            is_known = true;
            println!("{short} {value}{}", if availability == "online" { "" } else { "  (offline: not to be trusted)" });
        }
    }
    client.disconnect().await?;
    if is_known { Ok(()) } else { Err(Failure::Usage(format!("nothing is known of `{name}`; it is {availability}"))) }
}

async fn watch(towards: &Towards, device: Option<&str>) -> Result<(), Failure> {
    let mut client = connect(&towards.connection).await?;
    let filter = format!("{}/{}/#", towards.base, device.unwrap_or("+"));
    client.subscribe(&[(filter.as_str(), SubscriptionOptions::plain(QoS::AtLeastOnce))])?;
    loop {
        if let Event::Message(message) = client.next().await? {
            println!("{} {}", message.topic, message.text().unwrap_or("(no text)"));
        }
    }
}

/// Sends a command and prints its results until the last one.
async fn order(towards: &Towards, name: &str, mut command: Value) -> Result<(), Failure> {
    let id = format!("cli-{}", std::process::id());
    command["id"] = json!(id);
    let answers = format!("gatehouse/device/{id}");
    let mut client = connect(&towards.connection).await?;
    client.subscribe(&[(answers.as_str(), SubscriptionOptions::plain(QoS::AtLeastOnce))])?;
    let request = Message::new(format!("{}/{name}/set", towards.base), command.to_string());
    let mut request = Some(request.qos(QoS::ExactlyOnce).property(Property::ResponseTopic(&answers)));
    let mut patience = PATIENCE;
    loop {
        let event = timeout(patience, client.next()).await.map_err(|_| Failure::Timeout)??;
        match event {
            Event::Subscribed { .. } => {
                if let Some(request) = request.take() {
                    client.publish(request)?;
                }
            }
            Event::Published { reason, .. } if reason.is_error() => {
                return Err(Failure::Refused { what: "the command".into(), reason });
            }
            Event::Message(message) => {
                let text = message.text().unwrap_or_default().to_owned();
                println!("{text}");
                let result: Value = serde_json::from_str(&text).unwrap_or_default();
                match result["status"].as_str() {
                    Some("accepted") => {
                        patience = PATIENCE + Duration::from_millis(result["pulse_ms"].as_u64().unwrap_or_default());
                    }
                    Some("done") => return Ok(client.settle().await?),
                    _ => {
                        let reason = result["reason"].as_str().unwrap_or("no reason").to_owned();
                        return Err(Failure::Device(reason));
                    }
                }
            }
            _ => {}
        }
    }
}
