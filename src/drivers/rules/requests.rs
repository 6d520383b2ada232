//! What others ask of the rules, and the answers.
//!
//! `BASE/$gw/rule/NAME/set` takes `enable`, `disable` and `run`; `BASE/$gw/alerts/NAME/set` takes `acknowledge`.
//! `BASE/$gw/request/rule/WHAT` is answered to the response topic of its message, with its correlation data.

use super::{Shell, now};
use crate::base::parse_duration;
use crate::client::Message;
use crate::drivers::DriverError;
use crate::mqtt::{Property, QoS};
use crate::rules::engine::Input;
use serde::Serialize;

/// The longest request, in bytes.
const REQUEST_LENGTH_MAX: usize = 256;

/// Answers that wait for the disk; further requests are refused meanwhile.
const ANSWERS_MAX: usize = 64;

const TOO_MANY: &str = "too many requests wait for the disk; ask again";

const NOT_KEPT: &str = "it holds until the gateway stops: it could not be kept on the disk, the log says why";

/// What is asked.
#[derive(Debug, PartialEq)]
pub(super) enum Request {
    List,
    Trace(String),
    Explain(String),
    Enable(String, bool),
    Run(String),
    Pause(String),
    Continue,
    Acknowledge(String),
    Unknown,
}

#[derive(Serialize)]
struct Answer<'a, T> {
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

pub(super) fn filters(base: &str) -> [String; 3] {
    ["rule/+/set", "alerts/+/set", "request/rule/+"].map(|rest| format!("{base}/$gw/{rest}"))
}

/// What a message asks; none if it is no request. A retained one is none either.
pub(super) fn of(base: &str, message: &Message) -> Option<Request> {
    let rest = message.topic.strip_prefix(base)?.strip_prefix("/$gw/")?;
    let text = message.text().filter(|text| text.len() <= REQUEST_LENGTH_MAX).map(str::trim);
    let (Some(text), false) = (text, message.retain) else { return Some(Request::Unknown) };
    if let Some(alert) = rest.strip_prefix("alerts/").and_then(|rest| rest.strip_suffix("/set")) {
        return Some(if text == "acknowledge" { Request::Acknowledge(alert.to_owned()) } else { Request::Unknown });
    }
    if let Some(rule) = rest.strip_prefix("rule/").and_then(|rest| rest.strip_suffix("/set")) {
        return Some(match text {
            "enable" => Request::Enable(rule.to_owned(), true),
            "disable" => Request::Enable(rule.to_owned(), false),
            "run" => Request::Run(rule.to_owned()),
            _ => Request::Unknown,
        });
    }
    Some(match rest.strip_prefix("request/rule/")? {
        "list" => Request::List,
        "trace" => Request::Trace(text.to_owned()),
        "explain" => Request::Explain(text.to_owned()),
        "run" => Request::Run(text.to_owned()),
        "enable" => Request::Enable(text.to_owned(), true),
        "disable" => Request::Enable(text.to_owned(), false),
        "pause" => Request::Pause(text.to_owned()),
        "continue" => Request::Continue,
        "acknowledge" => Request::Acknowledge(text.to_owned()),
        _ => Request::Unknown,
    })
}

impl Shell {
    /// Does what a request asks and answers it, if an answer is wanted: once what it changes is on the disk.
    pub(super) fn answer(&mut self, message: &Message, request: &Request) -> Result<(), DriverError> {
        let records = self.engine.records();
        let fulfilled = if self.answers.len() < ANSWERS_MAX { self.fulfil(request) } else { Err(TOO_MANY.to_owned()) };
        let answer = match fulfilled {
            Ok(data) => Answer { status: "ok", data: Some(data), error: None },
            Err(error) => Answer { status: "error", data: None, error: Some(error) },
        };
        self.carry_out()?;
        let Some(topic) = message.response_topic() else { return Ok(()) };
        let payload = serde_json::to_string(&answer).unwrap_or_default();
        let mut response = Message::new(topic, payload).qos(QoS::AtLeastOnce);
        if let Some(data) = message.correlation_data() {
            response = response.property(Property::CorrelationData(data));
        }
        let last = self.engine.records();
        if last > records {
            self.answers.push_back((last, response));
        } else {
            self.client.publish(response)?;
        }
        Ok(())
    }

    /// A record is on the disk, or could not be kept: answers that waited for it leave.
    pub(super) fn kept(&mut self, number: u64, is_kept: bool) -> Result<(), DriverError> {
        while let Some((_, mut response)) = self.answers.pop_front_if(|(waits_for, _)| *waits_for <= number) {
            if !is_kept {
                let answer = Answer::<()> { status: "error", data: None, error: Some(NOT_KEPT.to_owned()) };
                response.payload = serde_json::to_vec(&answer).unwrap_or_default();
            }
            self.client.publish(response)?;
        }
        Ok(())
    }

    fn rule(&self, id: &str) -> Result<u16, String> {
        self.engine.rule_named(id).ok_or_else(|| format!("there is no rule `{id}`"))
    }

    fn fulfil(&mut self, request: &Request) -> Result<serde_json::Value, String> {
        let now = now(&self.house);
        match request {
            Request::List => {
                let rules = 0..self.engine.program().rules.len() as u16;
                let entries: Vec<_> = rules.map(|rule| self.engine.entry(rule)).collect();
                let all = serde_json::json!({
                    "paused": self.engine.is_paused(), "limits": self.engine.counters(), "rules": entries,
                });
                return Ok(all);
            }
            Request::Trace(id) => {
                let rule = self.rule(id)?;
                let traces = self.engine.traces(rule).flat_map(|trace| self.engine.trace_text(rule, trace));
                return Ok(traces.collect::<Vec<_>>().into());
            }
            Request::Explain(name) => {
                let lines = self.engine.explain(name);
                return lines.map(Into::into).ok_or_else(|| format!("there is no rule and no output `{name}`"));
            }
            Request::Enable(id, enabled) => {
                let rule = self.rule(id)?;
                self.engine.handle(now, Input::Enable(rule, *enabled));
            }
            Request::Run(id) => {
                let rule = self.rule(id)?;
                self.engine.handle(now, Input::Start(rule));
            }
            Request::Pause(text) if text.is_empty() => self.engine.handle(now, Input::Pause(None)),
            Request::Pause(text) => {
                let length = parse_duration(text).map_err(|_| format!("`{text}` is no duration, such as 2h"))?;
                self.engine.handle(now, Input::Pause(Some(length)));
            }
            Request::Continue => self.engine.handle(now, Input::Continue),
            Request::Acknowledge(alert) => self.engine.handle(now, Input::Acknowledge(alert)),
            Request::Unknown => return Err("this is no request".to_owned()),
        }
        Ok(serde_json::Value::Null)
    }
}
