//! The values that a device reports, on their way from its driver to their topics. Pure.

use super::say::Say;
use crate::base::Moment;
use crate::config::PropertySettings;
use crate::device::{Due, Meta, PropertyMeta, Reported, Value, Verdict};
use crate::rules::expression::Expression;
use std::collections::VecDeque;

/// The reported properties of one device; they are told apart by their index.
#[derive(Debug)]
pub(super) struct Values {
    properties: Vec<Property>,
    says: VecDeque<Say>,
}

#[derive(Debug)]
struct Property {
    id: String,
    convert: Option<Expression>,
    reported: Reported,
    /// Whether it was told that something is wrong with it.
    is_in_trouble: bool,
}

impl Property {
    /// What a number comes to; anything else stays as it is.
    fn converted(&self, value: Value) -> Result<Value, String> {
        match (value, &self.convert) {
            (Value::Number(number), Some(convert)) => {
                let converted = convert.convert(number).map(Value::Number);
                converted.ok_or_else(|| format!("`{}` of {number} is not a number", convert.source()))
            }
            (value, _) => Ok(value),
        }
    }

    fn trouble(&mut self, kind: &'static str, text: String) -> Say {
        self.is_in_trouble = true;
        Say::Trouble { part: self.id.clone(), kind, text }
    }

    fn state(&self, value: Value) -> Say {
        Say::State { property: self.id.clone(), value }
    }
}

impl Values {
    /// Properties that were never read.
    pub(super) fn new<'p>(properties: impl IntoIterator<Item = &'p PropertySettings>) -> Self {
        let mut values = Self { properties: Vec::new(), says: VecDeque::new() };
        for property in properties {
            values.add(property);
        }
        values
    }

    /// Adds a property that was found only now; its index.
    pub(super) fn add(&mut self, property: &PropertySettings) -> usize {
        let reported = Reported::new(property.report);
        let (id, convert) = (property.id.clone(), property.convert.clone());
        self.properties.push(Property { id, convert, reported, is_in_trouble: false });
        self.properties.len() - 1
    }

    /// How many properties there are.
    pub(super) fn len(&self) -> usize {
        self.properties.len()
    }

    /// Takes in a reading; whether it is believed.
    pub(super) fn take(&mut self, now: Moment, index: usize, value: Value) -> bool {
        let property = &mut self.properties[index];
        let value = match property.converted(value) {
            Ok(value) => value,
            Err(text) => {
                let say = property.trouble("read", text);
                self.says.push_back(say);
                return false;
            }
        };
        match property.reported.handle(now, value) {
            Verdict::Publish(value) => self.says.push_back(property.state(value)),
            Verdict::Quiet => {}
            Verdict::Refused(text) => {
                let say = property.trouble("range", text);
                self.says.push_back(say);
                return false;
            }
        }
        if std::mem::take(&mut property.is_in_trouble) {
            self.says.push_back(Say::Well { part: property.id.clone() });
        }
        true
    }

    /// A reading that failed.
    pub(super) fn doubt(&mut self, index: usize, text: impl Into<String>) {
        let say = self.properties[index].trouble("read", text.into());
        self.says.push_back(say);
    }

    /// Publishes what is believed of a property once more, for someone who asked.
    pub(super) fn again(&mut self, index: usize) {
        let asked = &self.properties[index];
        let is_said = |say: &Say| matches!(say, Say::State { property, .. } if *property == asked.id);
        if let Some(value) = asked.reported.current()
            && !self.says.iter().any(is_said)
        {
            self.says.push_back(asked.state(value.clone()));
        }
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, now: Moment) {
        for property in &mut self.properties {
            while let Some(due) = property.reported.poll_due(now) {
                self.says.push_back(match due {
                    Due::Publish(value) => property.state(value),
                    Due::Stale => property.trouble("stale", "the device does not report it".to_owned()),
                });
            }
        }
    }

    /// Nothing said before counts any more.
    pub(super) fn lose(&mut self) {
        for property in &mut self.properties {
            property.reported.forget();
        }
    }

    /// The property of this id.
    pub(super) fn index_of(&self, id: &str) -> Option<usize> {
        self.properties.iter().position(|property| property.id == id)
    }

    /// When [`pass`](Self::pass) is due.
    pub(super) fn next_deadline(&self) -> Option<Moment> {
        self.properties.iter().filter_map(|property| property.reported.next_deadline()).min()
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
