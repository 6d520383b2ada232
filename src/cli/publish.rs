//! `gatehouse pub`.

use super::address::{AddressArgs, qos};
use crate::client::{ClientError, Event, Message};
use crate::mqtt::QoS;
use std::process::ExitCode;

/// Publish a message, and wait until the broker has it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse pub home/blind/up/set true
  gatehouse pub home/blind/up/set '{\"value\":true,\"pulse\":\"3s\"}'
  gatehouse pub 'home/$gw/simulate/GPIO6/set' press

Exit codes: 0 the broker has it, 1 it has not, 2 usage")]
pub struct PublishArgs {
    /// Topic name
    topic: String,
    /// Payload
    #[arg(default_value = "")]
    payload: String,
    /// Have the broker keep it for those who subscribe later
    #[arg(long, short)]
    retain: bool,
    /// Quality of service
    #[arg(long, short, value_parser = qos, value_name = "0|1|2", default_value = "1")]
    qos: QoS,
    #[command(flatten)]
    address: AddressArgs,
}

/// Publishes the message.
pub fn run(args: &PublishArgs) -> ExitCode {
    args.address.run(publish(args))
}

async fn publish(args: &PublishArgs) -> Result<(), ClientError> {
    let mut client = args.address.connect().await?;
    let message = Message::new(&args.topic, args.payload.as_bytes()).qos(args.qos);
    client.publish(if args.retain { message.retained() } else { message })?;
    client.settle().await?;
    if args.qos != QoS::AtMostOnce
        && let Event::Published { reason, .. } = client.next().await?
        && reason.is_error()
    {
        return Err(ClientError::Refused(reason));
    }
    client.disconnect().await
}
