//! `gatehouse sub`.

use super::address::{AddressArgs, qos};
use crate::client::{ClientError, Event, Message};
use crate::mqtt::QoS;
use crate::mqtt::packet::SubscriptionOptions;
use std::io::{self, Write};
use std::process::ExitCode;

/// Subscribe to topics, and print each message as topic and payload on one line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gatehouse sub '#'                  everything
  gatehouse sub 'home/+/$availability'
  gatehouse sub --count 1 home/boiler-flow/temperature

Exit codes: 0 as many as wanted have come, 1 the connection failed or a topic was refused, 2 usage")]
pub struct SubscribeArgs {
    /// Topic filters
    #[arg(required = true, value_name = "FILTER")]
    filters: Vec<String>,
    /// End after so many messages
    #[arg(long, short, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Highest quality of service
    #[arg(long, short, value_parser = qos, value_name = "0|1|2", default_value = "1")]
    qos: QoS,
    #[command(flatten)]
    address: AddressArgs,
}

/// Prints messages until enough have come, or for ever.
pub fn run(args: &SubscribeArgs) -> ExitCode {
    args.address.run(subscribe(args))
}

async fn subscribe(args: &SubscribeArgs) -> Result<(), ClientError> {
    let mut client = args.address.connect().await?;
    let options = SubscriptionOptions::plain(args.qos);
    let filters: Vec<_> = args.filters.iter().map(|filter| (filter.as_str(), options)).collect();
    client.subscribe(&filters)?;
    let mut seen = 0;
    while args.count.is_none_or(|count| seen < count) {
        match client.next().await? {
            Event::Message(message) => {
                match print(&message) {
                    // Whoever reads has enough.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                    printed => printed?,
                }
                seen += 1;
            }
            Event::Subscribed { reasons, .. } => {
                if let Some(reason) = reasons.into_iter().find(|reason| reason.is_error()) {
                    return Err(ClientError::Refused(reason));
                }
            }
            Event::Connected { .. } | Event::Published { .. } | Event::Unsubscribed { .. } => {}
        }
    }
    client.disconnect().await
}

fn print(message: &Message) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{} ", message.topic)?;
    out.write_all(&message.payload)?;
    writeln!(out)?;
    out.flush()
}
