//! Alerts: raised by a rule, repeated until somebody acknowledges them.

use super::{Engine, Output, Speech};
use crate::base::Moment;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An alert that nobody has acknowledged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Alert {
    pub(super) name: String,
    pub(super) text: String,
    /// Since when, in milliseconds since 1970; none if the clock was not set then.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) since: Option<i64>,
    /// Milliseconds between two repetitions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) repeat: Option<u64>,
    /// How often it was said.
    pub(super) times: u32,
    #[serde(skip)]
    pub(super) next: Option<Moment>,
}

/// What everyone sees of an alert.
#[derive(Serialize)]
struct Shown<'a> {
    rule: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    times: u32,
}

impl Engine {
    pub(super) fn raise(&mut self, rule: u16, run: u64, name: &str, text: String, repeat: Option<Duration>) {
        self.did(rule, run, super::trace::Did::Said(format!("alert {name}: {text}")));
        let since = self.clock.now().trusted_wall();
        let next = repeat.map(|repeat| self.now() + repeat);
        let repeat = repeat.map(|repeat| u64::try_from(repeat.as_millis()).unwrap_or(u64::MAX));
        let state = &mut self.rules[usize::from(rule)];
        state.lists.alerts.retain(|alert| alert.name != name);
        state.lists.alerts.push(Alert { name: name.to_owned(), text, since, repeat, times: 1, next });
        state.is_dirty = true;
        self.speak_alert(rule, name);
    }

    fn speak_alert(&mut self, rule: u16, name: &str) {
        let Some(alert) = self.rules[usize::from(rule)].lists.alerts.iter().find(|alert| alert.name == name) else {
            return;
        };
        let since = alert.since.map(|since| self.program.zone.text(since));
        let id = &self.program.rules[usize::from(rule)].id;
        let shown = Shown { rule: id, text: &alert.text, since, times: alert.times };
        let payload = serde_json::to_string(&shown).unwrap_or_default();
        let topic = format!("{}/$gw/alerts/{name}", self.program.base);
        self.out.push_back(Output::Publish(Speech { topic, payload, retain: true, is_command: false }));
    }

    /// Alerts whose time to be repeated has come. They are repeated whatever is paused.
    pub(super) fn alerts_due(&mut self, rule: u16) {
        let now = self.now();
        let mut due = Vec::new();
        let lists = self.rules[usize::from(rule)].lists.get_mut();
        for alert in lists.into_iter().flat_map(|lists| &mut lists.alerts) {
            if alert.next.is_some_and(|next| next <= now) {
                alert.times += 1;
                alert.next = alert.repeat.map(|repeat| now + Duration::from_millis(repeat));
                due.push(alert.name.clone());
            }
        }
        for name in due {
            self.speak_alert(rule, &name);
        }
    }

    /// Somebody has seen an alert, or its rule takes it back.
    pub(super) fn acknowledge(&mut self, name: &str) {
        for rule in 0..self.rules.len() as u16 {
            let state = &mut self.rules[usize::from(rule)];
            let Some(lists) = state.lists.get_mut() else { continue };
            let before = lists.alerts.len();
            lists.alerts.retain(|alert| alert.name != name);
            if lists.alerts.len() < before {
                state.is_dirty = true;
                let topic = format!("{}/$gw/alerts/{name}", self.program.base);
                let speech = Speech { topic, payload: String::new(), retain: true, is_command: false };
                self.out.push_back(Output::Publish(speech));
                self.arm(rule);
            }
        }
    }
}
