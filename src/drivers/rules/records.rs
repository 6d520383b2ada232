//! Where records lie, and how they come back at a start.

use super::Shell;
use crate::client::{Event, Message};
use crate::drivers::DriverError;
use crate::mqtt::QoS;
use crate::mqtt::packet::SubscriptionOptions;
use crate::rules::Program;
use crate::rules::engine::Kept;

/// The record of all rules together.
pub(super) const ALL: &str = "$gatehouse/rules";

const RULE: &str = "$gatehouse/rule/";

const TRACES: &str = "$gatehouse/trace/";

/// All records there are.
const FILTERS: [&str; 3] = [ALL, "$gatehouse/rule/+", "$gatehouse/trace/+"];

/// The topic of a record.
pub(super) fn topic(program: &Program, of: Kept) -> String {
    let id = |rule: u16| &program.rules[usize::from(rule)].id;
    match of {
        Kept::All => ALL.to_owned(),
        Kept::Rule(rule) => format!("{RULE}{}", id(rule)),
        Kept::Traces(rule) => format!("{TRACES}{}", id(rule)),
    }
}

impl Shell {
    /// Hands the engine what was kept; what is left of rules that are no more is cleared away.
    pub(super) async fn read_records(&mut self) -> Result<(), DriverError> {
        let options = SubscriptionOptions::plain(QoS::AtLeastOnce);
        self.client.subscribe(&FILTERS.map(|filter| (filter, options)))?;
        self.client.unsubscribe(&FILTERS)?;
        let mut orphans = Vec::new();
        loop {
            match self.client.next().await? {
                Event::Message(message) => match self.record(&message.topic) {
                    None => orphans.push(message.topic),
                    Some(of) => {
                        let text = message.text().unwrap_or_default();
                        if !text.is_empty() && !self.engine.restore(of, text) {
                            tracing::error!(record = message.topic, "what rules were to remember cannot be read");
                        }
                    }
                },
                Event::Unsubscribed { .. } => break,
                _ => {}
            }
        }
        for topic in orphans {
            if !self.client.has_room() {
                self.client.settle().await?;
            }
            self.client.publish(Message::new(topic, "").qos(QoS::ExactlyOnce).retained())?;
        }
        Ok(())
    }

    /// Whose record lies on a topic.
    fn record(&self, topic: &str) -> Option<Kept> {
        let rule = |prefix| topic.strip_prefix(prefix).and_then(|id| self.engine.rule_named(id));
        let of_rule = || rule(RULE).map(Kept::Rule);
        let of_traces = || rule(TRACES).map(Kept::Traces);
        (topic == ALL).then_some(Kept::All).or_else(of_rule).or_else(of_traces)
    }
}
