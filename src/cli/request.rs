//! `gatehouse rr`: a request and its response.

use super::client::{self, Client, ConnectArgs, Failure, Packet, PayloadArgs, Show, ShowArgs, connect, qos};
use super::publish::seconds;
use crate::client::{Event, Message};
use crate::mqtt::packet::SubscriptionOptions;
use crate::mqtt::{Property, QoS, TopicName};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// Publish a request and print the response, with the options of `mosquitto_rr`.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:
  gatehouse rr -t home/lamp/get -e home/answers/me -m state
  gatehouse rr -t home/lamp/set -e home/answers/me -m on -W 5

Exit codes: 0 ok, 1 runtime error, 2 usage, 4 cannot connect, 5 refused by the broker, 6 timed out (-W)"
)]
pub struct RequestArgs {
    #[command(flatten)]
    connection: ConnectArgs,
    /// Topic of the request
    #[arg(short, long, required_unless_present = "url", allow_hyphen_values = true)]
    topic: Option<String>,
    /// Topic on which the response comes
    #[arg(short = 'e', long, value_name = "TOPIC", allow_hyphen_values = true)]
    response_topic: String,
    #[command(flatten)]
    payload: PayloadArgs,
    /// Quality of service: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = qos)]
    qos: QoS,
    /// Have the broker retain the request
    #[arg(short, long)]
    retain: bool,
    /// End after so many seconds without response, with exit code 6
    #[arg(short = 'W', value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    #[command(flatten)]
    show: ShowArgs,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Sends the request and prints the first response.
pub fn run(args: &RequestArgs) -> ExitCode {
    client::run(args.connection.quiet, request(args))
}

async fn request(args: &RequestArgs) -> Result<(), Failure> {
    let until = args.timeout.map(|timeout| Instant::now() + timeout);
    let message = args.message()?;
    let mut client = connect(&args.connection).await?;
    let answered = answer(args, &mut client, message);
    let answered = match until {
        Some(until) => tokio::time::timeout_at(until, answered).await.unwrap_or(Err(Failure::Timeout)),
        None => answered.await,
    };
    if matches!(answered, Ok(()) | Err(Failure::Timeout)) {
        // The response is printed, or will not come: how the good-bye fares changes nothing.
        _ = client.disconnect().await;
    }
    answered
}

/// Subscribes to the response first, so that none can be missed, then sends the request.
async fn answer(args: &RequestArgs, client: &mut Client, message: Message) -> Result<(), Failure> {
    client.subscribe(&[(&args.response_topic, SubscriptionOptions::plain(args.qos))])?;
    let mut request = Some(message);
    loop {
        match client.next().await? {
            Event::Subscribed { reasons, .. } => {
                if let Some(&reason) = reasons.iter().find(|reason| reason.is_error()) {
                    return Err(Failure::Refused { what: "the subscription to the response".into(), reason });
                }
                if let Some(request) = request.take() {
                    client.publish(request)?;
                }
            }
            Event::Published { reason, .. } if reason.is_error() => {
                return Err(Failure::Refused { what: "the request".into(), reason });
            }
            // What was retained there before the request is no response to it.
            Event::Message(message) if !message.retain => {
                Show(&args.show).message(&message)?;
                return Ok(client.settle().await?);
            }
            Event::Message(_)
            | Event::Released { .. }
            | Event::Published { .. }
            | Event::Connected { .. }
            | Event::Unsubscribed { .. } => {}
        }
    }
}

impl RequestArgs {
    fn message(&self) -> Result<Message, Failure> {
        let topic = self.topic.as_deref().or(self.connection.url_topic());
        let topic = topic.ok_or_else(|| Failure::Usage("a topic (-t) is missing".into()))?;
        for name in [topic, &self.response_topic] {
            if TopicName::new(name).is_err() {
                return Err(Failure::Usage(format!("`{name}` is no topic name; + and # have no place in one")));
            }
        }
        if !self.connection.version().is_v5() {
            return Err(Failure::Usage("a request carries its response topic in 5.0 only: use -V mqttv5".into()));
        }
        if self.payload.is_empty() {
            return Err(Failure::Usage("a payload is missing: -m, -f, -n or -s".into()));
        }
        let properties = self.connection.properties(Packet::Publish);
        let mut message = Message::new(topic, self.payload.read()?).qos(self.qos).with(&properties);
        if !properties.any(|property| matches!(property, Property::ResponseTopic(_))) {
            message = message.property(Property::ResponseTopic(&self.response_topic));
        }
        message.retain = self.retain;
        Ok(message)
    }
}
