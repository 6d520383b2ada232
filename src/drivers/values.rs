//! The values that a device reports, on their way from its driver to their topics. Pure.

use super::say::Say;
use crate::base::Moment;
use crate::config::PropertySettings;
use crate::device::{Due, Meta, PropertyMeta, Reported, Value, Verdict};
use std::collections::VecDeque;

/// The reported properties of one device; they are told apart by their index.
#[derive(Debug)]
pub(super) struct Values {
    properties: Vec<(String, Reported)>,
    says: VecDeque<Say>,
}

impl Values {
    /// Properties that were never read.
    pub(super) fn new<'p>(properties: impl IntoIterator<Item = &'p PropertySettings>) -> Self {
        let of = |property: &PropertySettings| (property.id.clone(), Reported::new(property.report));
        Self { properties: properties.into_iter().map(of).collect(), says: VecDeque::new() }
    }

    /// Takes in a reading; whether it is believed.
    pub(super) fn take(&mut self, now: Moment, index: usize, value: Value) -> bool {
        let (id, reported) = &mut self.properties[index];
        let is_believed = match reported.handle(now, value) {
            Verdict::Publish(value) => {
                self.says.push_back(Say::State { property: id.clone(), value });
                true
            }
            Verdict::Quiet => true,
            Verdict::Refused(text) => {
                self.says.push_back(Say::Trouble { part: id.clone(), kind: "range", text });
                false
            }
        };
        if is_believed {
            self.says.push_back(Say::Well { part: id.clone() });
        }
        is_believed
    }

    /// A reading that failed.
    pub(super) fn doubt(&mut self, index: usize, text: impl Into<String>) {
        let part = self.properties[index].0.clone();
        self.says.push_back(Say::Trouble { part, kind: "read", text: text.into() });
    }

    /// Publishes what is believed of a property once more, for someone who asked.
    pub(super) fn again(&mut self, index: usize) {
        let (id, reported) = &self.properties[index];
        let said = |say: &Say| matches!(say, Say::State { property, .. } if property == id);
        if let Some(value) = reported.current()
            && !self.says.iter().any(said)
        {
            self.says.push_back(Say::State { property: id.clone(), value: value.clone() });
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, now: Moment) {
        for (id, reported) in &mut self.properties {
            while let Some(due) = reported.poll_due(now) {
                self.says.push_back(match due {
                    Due::Publish(value) => Say::State { property: id.clone(), value },
                    Due::Stale => {
                        let text = "the device does not report it".to_owned();
                        Say::Trouble { part: id.clone(), kind: "stale", text }
                    }
                });
            }
        }
    }

    /// Nothing said before counts any more.
    pub(super) fn lose(&mut self) {
        for (_, reported) in &mut self.properties {
            reported.forget();
        }
    }

    /// The property of this id.
    pub(super) fn index_of(&self, id: &str) -> Option<usize> {
        self.properties.iter().position(|(known, _)| known == id)
    }

    /// When [`pass`](Self::pass) is due.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.properties.iter().filter_map(|(_, reported)| reported.next_deadline()).min()
    }

    /// The next thing to tell.
    pub(super) fn poll_output(&mut self) -> Option<Say> {
        self.says.pop_front()
    }
}

/// What a reported property tells about itself.
pub(super) fn describe(meta: &mut Meta, property: &PropertySettings, datatype: &'static str) {
    let mut about = PropertyMeta::new(datatype);
    about.unit.clone_from(&property.unit);
    about.class.clone_from(&property.class);
    about.format = property.report.range.map(|(low, high)| format!("{low}:{high}"));
    meta.properties.insert(property.id.clone(), about);
}
