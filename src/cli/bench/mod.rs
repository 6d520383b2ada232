//! `gatehouse bench`: load for any broker, and an exact account of what it did with every message.

mod flow;
mod live;
mod open;
mod report;
mod stored;

use super::EXIT_FAULTS;
use super::client::{self, ConnectArgs, Failure, qos};
use crate::load::{PAYLOAD_MIN, Shape};
use crate::mqtt::QoS;
use clap::ValueEnum;
use report::Report;
use std::cell::Cell;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Largest payload, in bytes.
const PAYLOAD_MAX: i64 = 1 << 20;

/// Clients of one kind, at most.
const CLIENTS_MAX: i64 = 100_000;

/// Publishers times subscribers, at most: each pair has an account of its own.
const STREAMS_MAX: usize = 10_000_000;

/// Put a broker under load and count, exactly, what it loses, doubles and reorders.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "Scenarios:
  pairs      each publisher has a subscriber of its own, as fast as the broker delivers, or at --rate
  fan-in     all publishers to one subscriber
  fan-out    one publisher to all subscribers
  low-rate   100 pairs at 2,000 messages/s: the latency of a broker at rest
  connect    clients that connect and subscribe, as fast as the broker takes them
  retained   messages are retained, then delivered to a new subscriber, then cleared
  offline    messages for sessions whose clients are away, which then come back

Examples:
  gatehouse bench pairs -h gateway.local -q 1 --seconds 30
  gatehouse bench fan-out --clients 500 --payload 1000 -V mqttv311
  gatehouse bench low-rate --rate 500 --json > result.json
  gatehouse bench connect --clients 200 -h gateway.local --cafile /etc/house/ca.pem
  gatehouse bench fan-in -h gateway.local -p 8083 --ws
  gatehouse bench offline -q 1 --clients 50 --messages 100000

Latencies are from the call to publish to the arrival, both on this machine. Topics begin with --prefix and the process
number, so that nothing of the house is touched; what was retained and the sessions that were made are removed again.
Exit codes: 0 ok, 1 runtime error, 2 usage, 4 cannot connect, 5 refused by the broker, 6 timed out, 7 messages were
lost, doubled, reordered or delivered to the wrong client"
)]
pub struct BenchArgs {
    /// What is done
    #[arg(value_enum, default_value_t)]
    scenario: Name,
    #[command(flatten)]
    connection: ConnectArgs,
    /// Publishers, subscribers or pairs; those that connect; sessions [default: 50; low-rate, fan-out: 100; connect: 1000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=CLIENTS_MAX))]
    clients: Option<u32>,
    /// Quality of service of publishers and subscriptions: 0, 1 or 2
    #[arg(short, long, default_value = "0", value_parser = qos)]
    qos: QoS,
    /// Bytes of a payload, at least 20
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    #[arg(value_parser = clap::value_parser!(u32).range(PAYLOAD_MIN as i64..=PAYLOAD_MAX))]
    payload: u32,
    /// Messages per second over all publishers [default: as fast as they are delivered; low-rate: 2000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// How long messages are sent
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Send so many messages instead [retained and offline: 10000]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// QoS 1 and 2 messages of a publisher that may wait for their acknowledgement
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=64))]
    window: u16,
    /// First level of all topics
    #[arg(long, value_name = "LEVEL", default_value = "gatehouse-bench")]
    prefix: String,
    /// Print the result as one JSON object
    #[arg(long)]
    json: bool,
    /// Print no progress
    #[arg(long)]
    no_progress: bool,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    /// When progress was shown last
    #[arg(skip)]
    shown: Cell<Option<Instant>>,
}

/// A scenario as it is typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Name {
    #[default]
    Pairs,
    FanIn,
    FanOut,
    LowRate,
    Connect,
    Retained,
    Offline,
}

/// Runs the load; the exit code tells whether every message arrived as it should.
pub fn run(args: &BenchArgs) -> ExitCode {
    let mut report = None;
    let ended = client::run(args.connection.quiet, async {
        report = Some(LocalSet::new().run_until(measure(args)).await?);
        Ok(())
    });
    let Some(report) = report else { return ended };
    if args.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FAULTS) }
}

async fn measure(args: &BenchArgs) -> Result<Report, Failure> {
    let prefix = format!("{}/{}", args.prefix, std::process::id());
    let count = args.count();
    match args.scenario {
        Name::Pairs | Name::LowRate => live::measure(args, &prefix, Shape::Pairs(count)).await,
        Name::FanIn => live::measure(args, &prefix, Shape::FanIn(count)).await,
        Name::FanOut => live::measure(args, &prefix, Shape::FanOut(count)).await,
        Name::Connect => open::measure(args, &prefix).await,
        Name::Retained => stored::measure_retained(args, &prefix).await,
        Name::Offline => stored::measure_offline(args, &prefix).await,
    }
}

impl BenchArgs {
    fn count(&self) -> usize {
        let default = match self.scenario {
            Name::Pairs | Name::FanIn | Name::Retained | Name::Offline => 50,
            Name::FanOut | Name::LowRate => 100,
            Name::Connect => 1000,
        };
        self.clients.unwrap_or(default) as usize
    }

    fn rate(&self) -> Option<u32> {
        self.rate.or((self.scenario == Name::LowRate).then_some(2000))
    }

    fn duration(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }

    /// The scenario as it is typed.
    fn title(&self) -> String {
        self.scenario.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Shows one line of progress, where somebody looks.
    fn progress(&self, line: &str) {
        if !self.no_progress && std::io::stderr().is_terminal() {
            eprint!("\r{line:<78}");
        } else if !self.no_progress && !self.json {
            eprintln!("{line}");
        }
    }

    /// The same for what happens often: once a second at most.
    fn progress_now_and_then(&self, line: &str) {
        let now = Instant::now();
        if self.shown.get().is_none_or(|shown| now - shown >= Duration::from_secs(1)) {
            self.shown.set(Some(now));
            self.progress(line);
        }
    }

    /// Makes room for what comes behind the progress.
    fn progress_ends(&self) {
        if !self.no_progress && std::io::stderr().is_terminal() {
            eprintln!();
        }
    }
}
