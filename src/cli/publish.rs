//! `gatehouse pub`.

use super::client::{self, Client, ConnectArgs, Failure, Packet, PayloadArgs, connect, qos};
use crate::client::{Event, Message};
use crate::mqtt::{QoS, ReasonCode, TopicName};
use std::io::BufRead;
use std::process::ExitCode;
use std::time::Duration;
use tokio::sync::mpsc;

/// Lines read from standard input that may wait to be published.
const LINES_WAITING: usize = 64;

/// Publish messages, with the options of `mosquitto_pub`.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:
  gatehouse pub -t home/lamp/set -m on
  gatehouse pub -h gateway.local -u anna -P secret -q 1 -r -t home/note -m 'back at six'
  sensor | gatehouse pub -t home/raw -l

Exit codes: 0 ok, 1 runtime error, 2 usage, 4 cannot connect, 5 refused by the broker, 6 timed out"
)]
pub struct PublishArgs {
    #[command(flatten)]
    connection: ConnectArgs,
    /// Topic to publish to
    #[arg(short, long, required_unless_present = "url", allow_hyphen_values = true)]
    topic: Option<String>,
    #[command(flatten)]
    payload: PayloadArgs,
    /// Publish every line of standard input
    #[arg(short = 'l', long, conflicts_with_all = ["message", "file", "null_message", "stdin_file"])]
    stdin_line: bool,
    /// Quality of service: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = qos)]
    qos: QoS,
    /// Have the broker retain the message
    #[arg(short, long)]
    retain: bool,
    /// Publish the message so many times
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with = "stdin_line")]
    repeat: u32,
    /// Seconds between two repetitions
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    repeat_delay: Duration,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Publishes, and waits until the broker has answered for every message.
pub fn run(args: &PublishArgs) -> ExitCode {
    client::run(args.connection.quiet, publish(args))
}

async fn publish(args: &PublishArgs) -> Result<(), Failure> {
    let template = args.template()?;
    let mut publisher = Publisher { client: connect(&args.connection).await?, refused: None };
    if args.stdin_line {
        publisher.lines(&template).await?;
    } else {
        publisher.repeat(&template, args).await?;
    }
    publisher.end().await
}

impl PublishArgs {
    fn template(&self) -> Result<Message, Failure> {
        let topic = self.topic.as_deref().or(self.connection.url_topic());
        let topic = topic.ok_or_else(|| Failure::Usage("a topic (-t) is missing".into()))?;
        if TopicName::new(topic).is_err() {
            return Err(Failure::Usage(format!("`{topic}` is no topic name; + and # have no place in one")));
        }
        if self.payload.is_empty() && !self.stdin_line {
            return Err(Failure::Usage("a payload is missing: -m, -f, -n, -s or -l".into()));
        }
        let message = Message::new(topic, self.payload.read()?).qos(self.qos);
        let mut message = message.with(&self.connection.properties(Packet::Publish));
        message.retain = self.retain;
        Ok(message)
    }
}

/// A client that publishes, and what the broker did not take.
struct Publisher {
    client: Client,
    refused: Option<(String, ReasonCode)>,
}

impl Publisher {
    async fn repeat(&mut self, message: &Message, args: &PublishArgs) -> Result<(), Failure> {
        for round in 0..args.repeat {
            if round > 0 && !args.repeat_delay.is_zero() {
                self.wait(args.repeat_delay).await?;
            }
            self.send(message.clone()).await?;
        }
        Ok(())
    }

    /// Publishes lines as they come. The connection is kept alive while none does.
    async fn lines(&mut self, template: &Message) -> Result<(), Failure> {
        let mut lines = stdin_lines();
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(Ok(line)) => {
                        let mut message = template.clone();
                        message.payload = line;
                        self.send(message).await?;
                    }
                    Some(Err(source)) => {
                        return Err(Failure::Io { what: "cannot read standard input".into(), source });
                    }
                    None => return Ok(()),
                },
                event = self.client.next() => self.note(&event?),
            }
        }
    }

    async fn wait(&mut self, pause: Duration) -> Result<(), Failure> {
        let until = tokio::time::Instant::now() + pause;
        while let Ok(event) = tokio::time::timeout_at(until, self.client.next()).await {
            self.note(&event?);
        }
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), Failure> {
        while !self.client.has_room() {
            let event = self.client.next().await?;
            self.note(&event);
        }
        self.client.publish(message)?;
        Ok(self.client.flush().await?)
    }

    fn note(&mut self, event: &Event) {
        if let Event::Published { reason, .. } = event
            && reason.is_error()
        {
            self.refused = Some(("the message".into(), *reason));
        }
    }

    async fn end(mut self) -> Result<(), Failure> {
        self.client.settle().await?;
        while let Some(event) = self.client.poll_output() {
            self.note(&event);
        }
        self.client.disconnect().await?;
        self.refused.map_or(Ok(()), |(what, reason)| Err(Failure::Refused { what, reason }))
    }
}

/// The lines of standard input, without their ends, read beside the connection.
fn stdin_lines() -> mpsc::Receiver<std::io::Result<Vec<u8>>> {
    let (sender, lines) = mpsc::channel(LINES_WAITING);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().split(b'\n') {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Seconds with a fraction.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|length| *length <= crate::base::DURATION_MAX)
        .ok_or_else(|| "write seconds, such as 5 or 0.5".into())
}
