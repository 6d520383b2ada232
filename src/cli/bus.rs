//! `gatehouse bus doctor`.

use super::client::{self, Client, ConnectArgs, Failure, connect};
use crate::client::{Event, Message};
use crate::mqtt::QoS;
use crate::mqtt::packet::SubscriptionOptions;
use serde_json::Value;
use std::fmt::Write as _;
use std::process::ExitCode;

/// How the buses of the gateway do.
#[derive(Debug, clap::Args)]
pub struct BusArgs {
    #[command(subcommand)]
    command: BusCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BusCommand {
    /// Print utilisation, reply times and errors of every Modbus bus.
    Doctor(Box<DoctorArgs>),
}

/// Print utilisation, reply times and errors of every Modbus bus, as the running gateway last reported them.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "The gateway reports every 30 s under $gw/bus/ID; counters run since its start.

Examples:
  gatehouse bus doctor
  gatehouse bus doctor -h gateway.lan -u anna -P secret --base our/home

Exit codes: 0 ok, 1 there is no bus, 2 usage, 4 cannot connect, 5 refused by the broker"
)]
struct DoctorArgs {
    #[command(flatten)]
    connection: ConnectArgs,
    /// The first levels of the gateway's topics
    #[arg(long, default_value = "home")]
    base: String,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
}

/// Does what the arguments say.
pub fn run(args: &BusArgs) -> ExitCode {
    let BusCommand::Doctor(args) = &args.command;
    client::run(args.connection.quiet, doctor(args))
}

async fn doctor(args: &DoctorArgs) -> Result<(), Failure> {
    let mut client = connect(&args.connection).await?;
    let reports = reports(args, &mut client).await?;
    // The answer is there: how the good-bye fares changes nothing.
    _ = client.disconnect().await;
    if reports.is_empty() {
        return Err(Failure::Usage("no Modbus bus has reported yet; the first report comes after 30 s".into()));
    }
    for (bus, report) in reports {
        print!("{}", examine(&bus, &report));
    }
    Ok(())
}

/// What is retained of the buses. The server sends it before it answers the UNSUBSCRIBE.
async fn reports(args: &DoctorArgs, client: &mut Client) -> Result<Vec<(String, Value)>, Failure> {
    let prefix = format!("{}/$gw/bus/", args.base);
    let filter = format!("{prefix}+");
    client.subscribe(&[(&filter, SubscriptionOptions::plain(QoS::AtMostOnce))])?;
    let mut reports = Vec::new();
    loop {
        match client.next().await? {
            Event::Subscribed { reasons, .. } => {
                if let Some(&reason) = reasons.iter().find(|reason| reason.is_error()) {
                    return Err(Failure::Refused { what: "the subscription to the reports".into(), reason });
                }
                client.unsubscribe(&[filter.as_str()])?;
            }
            Event::Unsubscribed { .. } => return Ok(reports),
            Event::Message(message) => reports.extend(report(&prefix, &message)),
            Event::Released { .. } | Event::Published { .. } | Event::Connected { .. } => {}
        }
    }
}

fn report(prefix: &str, message: &Message) -> Option<(String, Value)> {
    let bus = message.topic.strip_prefix(prefix)?.to_owned();
    Some((bus, serde_json::from_str(message.text()?).ok()?))
}

/// A table of one bus, with what stands out said in words.
fn examine(bus: &str, report: &Value) -> String {
    let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let is_open = report.get("open").and_then(Value::as_bool).unwrap_or(false);
    let utilisation = number(report, "utilisation");
    let mut text = format!(
        "bus {bus}: {}, {utilisation:.1} % in use, {} requests made again, {} stray bytes\n",
        if is_open { "open" } else { "the port is not there" },
        number(report, "retries"),
        number(report, "stray_bytes"),
    );
    text.push_str("  unit requests  replies timeouts  garbled  refused    wrong   mean ms    max ms\n");
    let units = report.get("units").and_then(Value::as_object).into_iter().flatten();
    let mut advice = Vec::new();
    for (unit, counted) in units {
        let counts =
            ["requests", "replies", "timeouts", "garbled", "exceptions", "wrong"].map(|key| number(counted, key));
        // Writing into a string does not fail.
        let _ = write!(text, "  {unit:>4}");
        for count in counts {
            let _ = write!(text, " {count:>8}");
        }
        let (mean, max) = (number(counted, "reply_ms_mean"), number(counted, "reply_ms_max"));
        let _ = writeln!(text, " {mean:>9.1} {max:>9.1}");
        advice.extend(advise(unit, counts));
    }
    if utilisation > 90.0 {
        advice.push("the bus is full: read less often (`every`) or raise the speed".to_owned());
    }
    for line in advice {
        let _ = writeln!(text, "  ! {line}");
    }
    text
}

/// What stands out at one unit: more than one request in fifty.
fn advise(unit: &str, [requests, replies, timeouts, garbled, _, wrong]: [f64; 6]) -> Vec<String> {
    let is_often = |count: f64| count * 50.0 > requests;
    let mut advice = Vec::new();
    if replies == 0.0 && timeouts > 0.0 {
        advice.push(format!("unit {unit} never answered: is it there, is its number right, is the mode right?"));
    } else if is_often(timeouts) {
        advice.push(format!("unit {unit} often does not answer: raise `reply_timeout` or `quiet`"));
    }
    if is_often(garbled) {
        advice.push(format!("replies of unit {unit} come in damaged: check termination, shield and `quiet`"));
    }
    if is_often(wrong) {
        advice.push(format!("others speak while unit {unit} is waited for: two masters, or one number twice?"));
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_becomes_a_table_with_advice() {
        let report = serde_json::json!({
            "open": true, "utilisation": 93.5, "retries": 7, "stray_bytes": 12,
            "units": {
                "1": { "requests": 1000, "replies": 999, "timeouts": 0, "garbled": 1, "exceptions": 0, "wrong": 0,
                       "reply_ms_max": 41.5, "reply_ms_mean": 12.25 },
                "7": { "requests": 10, "replies": 0, "timeouts": 10, "garbled": 0, "exceptions": 0, "wrong": 0,
                       "reply_ms_max": 0.0, "reply_ms_mean": 0.0 },
            },
        });
        let expected = "\
bus rs485: open, 93.5 % in use, 7 requests made again, 12 stray bytes
  unit requests  replies timeouts  garbled  refused    wrong   mean ms    max ms
     1     1000      999        0        1        0        0      12.2      41.5
     7       10        0       10        0        0        0       0.0       0.0
  ! unit 7 never answered: is it there, is its number right, is the mode right?
  ! the bus is full: read less often (`every`) or raise the speed
";
        assert_eq!(examine("rs485", &report), expected);
    }
}
