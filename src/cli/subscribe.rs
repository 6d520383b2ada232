//! `gatehouse sub`.

use super::client::{self, Client, ConnectArgs, Failure, Packet, Show, ShowArgs, connect, qos};
use super::publish::seconds;
use crate::client::{ClientError, Event, Message};
use crate::mqtt::packet::SubscriptionOptions;
use crate::mqtt::{QoS, TopicFilter, TopicName, matches};
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::Instant;

/// Pause before a lost connection is made anew.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Subscribe and print messages, with the options of `mosquitto_sub`.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:
  gatehouse sub -v -t 'home/#'
  gatehouse sub -t home/door/state -C 1 -W 5
  gatehouse sub -t 'home/+/temperature' -F '@Y-@m-@d @H:@M:@S %t %p'

A lost connection is made anew. Exit codes: 0 ok, 1 runtime error, 2 usage, 4 cannot connect,
5 refused by the broker, 6 timed out (-W)"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct SubscribeArgs {
    #[command(flatten)]
    connection: ConnectArgs,
    /// Topic filter to subscribe to; may be given several times
    #[arg(short, long, required_unless_present_any = ["url", "unsubscribe"], allow_hyphen_values = true)]
    topic: Vec<String>,
    /// Topic filter whose messages are not printed; may be given several times
    #[arg(short = 'T', long, value_name = "TOPIC", allow_hyphen_values = true)]
    filter_out: Vec<String>,
    /// Topic filter to unsubscribe from; may be given several times
    #[arg(short = 'U', long, value_name = "TOPIC", allow_hyphen_values = true)]
    unsubscribe: Vec<String>,
    /// Quality of service of the subscriptions: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = qos)]
    qos: QoS,
    /// End after so many messages
    #[arg(short = 'C', value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after so many seconds, with exit code 6
    #[arg(short = 'W', value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// End when the broker has answered the subscriptions
    #[arg(short = 'E')]
    exit_when_subscribed: bool,
    /// Print no retained messages
    #[arg(short = 'R', conflicts_with = "retained_only")]
    no_retained: bool,
    /// Print retained messages only, and end at the first other one
    #[arg(long)]
    retained_only: bool,
    /// Clear the retained messages that come; -T keeps some
    #[arg(long)]
    remove_retained: bool,
    #[command(flatten)]
    show: ShowArgs,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Subscribes and prints until there is a reason to end.
pub fn run(args: &SubscribeArgs) -> ExitCode {
    client::run(args.connection.quiet, subscribe(args))
}

async fn subscribe(args: &SubscribeArgs) -> Result<(), Failure> {
    let mut reader = Reader::new(args)?;
    let mut client = connect(&args.connection).await?;
    loop {
        let end = reader.session(&mut client).await;
        match end {
            Err(Failure::Client(ClientError::Io(_) | ClientError::Closed | ClientError::Timeout)) => {}
            Ok(()) | Err(Failure::Timeout) => {
                // The session is over either way: what the broker thinks of the good-bye changes nothing.
                _ = client.disconnect().await;
                return end;
            }
            Err(_) => return end,
        }
        if !args.connection.quiet {
            eprintln!("gatehouse: the connection is lost; connecting again");
        }
        client = reader.connect_again().await?;
    }
}

/// The reading end of the command line's subscriptions.
struct Reader<'a> {
    args: &'a SubscribeArgs,
    filters: Vec<&'a str>,
    until: Option<Instant>,
    printed: u64,
}

impl<'a> Reader<'a> {
    fn new(args: &'a SubscribeArgs) -> Result<Self, Failure> {
        let filters: Vec<&str> = args.topic.iter().map(String::as_str).chain(args.connection.url_topic()).collect();
        let all = filters.iter().copied().chain(args.filter_out.iter().chain(&args.unsubscribe).map(String::as_str));
        for filter in all {
            if TopicFilter::new(filter).is_err() {
                return Err(Failure::Usage(format!("`{filter}` is no topic filter; + and # fill a whole level")));
            }
        }
        if filters.is_empty() && args.unsubscribe.is_empty() {
            return Err(Failure::Usage("a topic (-t) is missing".into()));
        }
        let until = args.timeout.map(|timeout| Instant::now() + timeout);
        Ok(Reader { args, filters, until, printed: 0 })
    }

    async fn connect_again(&self) -> Result<Client, Failure> {
        loop {
            let again = Instant::now() + RECONNECT_PAUSE;
            if self.until.is_some_and(|until| until <= again) {
                return Err(Failure::Timeout);
            }
            tokio::time::sleep_until(again).await;
            match connect(&self.args.connection).await {
                Err(Failure::Connect { .. }) => {}
                other => return other,
            }
        }
    }

    /// One connection from its subscriptions to its end.
    async fn session(&mut self, client: &mut Client) -> Result<(), Failure> {
        let options = SubscriptionOptions::plain(self.args.qos);
        let properties = self.args.connection.properties(Packet::Subscribe);
        let filters: Vec<_> = self.filters.iter().map(|filter| (*filter, options)).collect();
        if !self.args.unsubscribe.is_empty() {
            let filters: Vec<&str> = self.args.unsubscribe.iter().map(String::as_str).collect();
            client.unsubscribe(&filters)?;
        }
        if !filters.is_empty() {
            client.subscribe_with(&filters, properties.borrow())?;
        }
        loop {
            let event = match self.until {
                Some(until) => tokio::time::timeout_at(until, client.next()).await.map_err(|_| Failure::Timeout)?,
                None => client.next().await,
            }?;
            if self.is_end(client, event)? {
                return Ok(client.settle().await?);
            }
        }
    }

    /// Handles an event; tells whether it was the last that matters.
    fn is_end(&mut self, client: &mut Client, event: Event) -> Result<bool, Failure> {
        match event {
            Event::Connected { .. } | Event::Published { .. } | Event::Released { .. } => Ok(false),
            Event::Message(message) => self.message(client, &message),
            Event::Unsubscribed { .. } => Ok(self.filters.is_empty() && self.args.exit_when_subscribed),
            Event::Subscribed { reasons, .. } => {
                for (filter, reason) in self.filters.iter().zip(&reasons) {
                    if reason.is_error() && !self.args.connection.quiet {
                        eprintln!("gatehouse: the broker refused to subscribe to {filter}: {}", reason.text());
                    }
                }
                match reasons.first() {
                    Some(&reason) if reasons.iter().all(|reason| reason.is_error()) => {
                        Err(Failure::Refused { what: "every subscription".into(), reason })
                    }
                    _ => Ok(self.args.exit_when_subscribed),
                }
            }
        }
    }

    fn message(&mut self, client: &mut Client, message: &Message) -> Result<bool, Failure> {
        let args = self.args;
        if args.retained_only && !message.retain {
            return Ok(true);
        }
        if (args.no_retained && message.retain) || self.is_filtered_out(&message.topic) {
            return Ok(false);
        }
        if args.remove_retained && message.retain {
            client.publish(Message::new(message.topic.as_str(), "").qos(QoS::AtLeastOnce).retained())?;
        }
        Show(&args.show).message(message)?;
        self.printed += 1;
        Ok(args.count == Some(self.printed))
    }

    fn is_filtered_out(&self, topic: &str) -> bool {
        let Ok(topic) = TopicName::new(topic) else { return false };
        let mut filters = self.args.filter_out.iter();
        filters.any(|filter| TopicFilter::new(filter).is_ok_and(|filter| matches(filter, topic)))
    }
}
