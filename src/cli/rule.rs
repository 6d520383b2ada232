//! `gatehouse rule`: what the rules of a running gateway do, why, and why not.

use super::client::{self, Client, ConnectArgs, Failure, connect};
use crate::client::{Event, Message};
use crate::mqtt::packet::SubscriptionOptions;
use crate::mqtt::{Property, QoS};
use serde::Deserialize;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

/// How long the gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// See what the rules of a running gateway do, and why.
#[derive(Debug, clap::Args)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:
  gatehouse rule list                   every rule, whether it runs, what it did last
  gatehouse rule explain hall/light     why is this output on? from the output back to the cause
  gatehouse rule explain stair-light    why does this rule not run? with the values it reads
  gatehouse rule trace stair-light      its last starts, and those that came to nothing
  gatehouse rule run stair-light        start it now, whatever its triggers and conditions say
  gatehouse rule disable stair-light    until `enable`; survives a restart
  gatehouse rule pause 2h               all rules but those for safety; `continue` ends it
  gatehouse rule acknowledge leak       an alert

Exit codes: 0 ok, 1 runtime error, 2 usage, 4 cannot connect, 5 refused by the gateway, 6 no answer"
)]
pub struct RuleArgs {
    #[command(flatten)]
    connection: ConnectArgs,
    /// First level of all topic names, `topics.base` of the configuration
    #[arg(long, default_value = "home")]
    base: String,
    /// Print the answer as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Print this help
    #[arg(long, action = clap::ArgAction::Help)]
    help: Option<bool>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Every rule and its state.
    List,
    /// The last starts of a rule.
    Trace {
        /// The rule
        rule: String,
    },
    /// Why a rule or an output is what it is.
    Explain {
        /// A rule, or an output as DEVICE/PROPERTY
        name: String,
    },
    /// Start a rule.
    Run {
        /// The rule
        rule: String,
    },
    /// Let a rule start again.
    Enable {
        /// The rule
        rule: String,
    },
    /// Keep a rule from starting.
    Disable {
        /// The rule
        rule: String,
    },
    /// Pause all rules but those for safety.
    Pause {
        /// For how long, such as 2h; until `continue` if absent
        length: Option<String>,
    },
    /// End the pause.
    Continue,
    /// Acknowledge an alert.
    Acknowledge {
        /// The alert
        alert: String,
    },
}

#[derive(Deserialize)]
struct Answer {
    status: String,
    #[serde(default)]
    data: serde_json::Value,
    error: Option<String>,
}

/// Asks the gateway and prints its answer.
pub fn run(args: &RuleArgs) -> ExitCode {
    client::run(false, ask(args))
}

impl What {
    fn request(&self) -> (&'static str, &str) {
        match self {
            Self::List => ("list", ""),
            Self::Trace { rule } => ("trace", rule),
            Self::Explain { name } => ("explain", name),
            Self::Run { rule } => ("run", rule),
            Self::Enable { rule } => ("enable", rule),
            Self::Disable { rule } => ("disable", rule),
            Self::Pause { length } => ("pause", length.as_deref().unwrap_or_default()),
            Self::Continue => ("continue", ""),
            Self::Acknowledge { alert } => ("acknowledge", alert),
        }
    }
}

async fn ask(args: &RuleArgs) -> Result<(), Failure> {
    let mut client = connect(&args.connection).await?;
    let answer = tokio::time::timeout(PATIENCE, answer(args, &mut client)).await;
    let payload = answer.map_err(|_| Failure::Timeout)??;
    // The answer is there: how the good-bye fares changes nothing.
    _ = client.disconnect().await;
    let answer: Answer =
        serde_json::from_slice(&payload).map_err(|_| Failure::Usage("the answer is no answer".into()))?;
    if answer.status != "ok" {
        return Err(Failure::Usage(answer.error.unwrap_or(answer.status)));
    }
    if args.json {
        println!("{}", answer.data);
    } else {
        print!("{}", text(&args.what, &answer.data));
    }
    Ok(())
}

/// Sends the request once the way of the answer is open.
async fn answer(args: &RuleArgs, client: &mut Client) -> Result<Vec<u8>, Failure> {
    let (what, payload) = args.what.request();
    let response = format!("{}/$gw/response/rule/{}", args.base, std::process::id());
    client.subscribe(&[(&response, SubscriptionOptions::plain(QoS::AtLeastOnce))])?;
    loop {
        match client.next().await? {
            Event::Subscribed { reasons, .. } => {
                if let Some(&reason) = reasons.iter().find(|reason| reason.is_error()) {
                    return Err(Failure::Refused { what: "the subscription to the answer".into(), reason });
                }
                let topic = format!("{}/$gw/request/rule/{what}", args.base);
                let request = Message::new(topic, payload).qos(QoS::AtLeastOnce);
                client.publish(request.property(Property::ResponseTopic(&response)))?;
            }
            Event::Published { reason, .. } if reason.is_error() => {
                return Err(Failure::Refused { what: "the request".into(), reason });
            }
            Event::Message(message) if message.topic == response => return Ok(message.payload),
            Event::Message(_)
            | Event::Released { .. }
            | Event::Published { .. }
            | Event::Connected { .. }
            | Event::Unsubscribed { .. } => {}
        }
    }
}

fn text(what: &What, data: &serde_json::Value) -> String {
    match (what, data) {
        (What::List, data) => list(data),
        (_, serde_json::Value::Array(lines)) => {
            lines.iter().filter_map(|line| line.as_str()).fold(String::new(), |text, line| text + line + "\n")
        }
        (_, _) => "done\n".to_owned(),
    }
}

fn list(data: &serde_json::Value) -> String {
    let mut text = String::new();
    if data["paused"] == true {
        text += "paused: only rules for safety start\n";
    }
    let rules = data["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let width = rules.iter().filter_map(|rule| rule["id"].as_str()).map(str::len).max().unwrap_or(0);
    for rule in rules {
        let state = if rule["enabled"] == false {
            "disabled"
        } else if rule["active"] == true {
            "active"
        } else if rule["running"] != 0 {
            "running"
        } else {
            "ready"
        };
        let part = |key: &str, before: &str| rule[key].as_str().map_or(String::new(), |text| format!("{before}{text}"));
        let id = rule["id"].as_str().unwrap_or_default();
        let (last, at) = (part("last", "  "), part("last_at", " at "));
        let (due, until) = (part("due", ", due "), part("waits_until", ", waits until "));
        writeln!(text, "{id:width$}  {state:8}{last}{at}{due}{until}").expect("a string takes every text");
    }
    text
}
