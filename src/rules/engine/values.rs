//! What the house is like now, as expressions see it.

use super::{Cause, Engine, TopicUse, fits};
use crate::rules::expression::{Value, Values};
use crate::rules::program::{Literal, slot};
use crate::rules::schedule::position;

/// The longest payload that is read, in bytes.
const PAYLOAD_MAX: usize = 64 << 10;

/// The longest text that is kept as a value, in bytes.
const TEXT_MAX: usize = 1_024;

/// The values that an expression of one run sees.
pub(super) struct View<'e> {
    pub(super) engine: &'e Engine,
    pub(super) trigger: Option<(&'e str, &'e Literal)>,
}

impl Values for View<'_> {
    fn value(&self, slot: u16) -> Value<'_> {
        if let Some(input) = slot.checked_sub(slot::FIRST) {
            return self.engine.value(input);
        }
        match slot {
            slot::CLOCK_TRUSTED => Value::Boolean(self.engine.clock.now().trusted),
            slot::TRIGGER_ID => self.trigger.map_or(Value::Unknown, |(id, _)| Value::Text(id)),
            slot::TRIGGER_VALUE => self.trigger.map_or(Value::Unknown, |(_, value)| value.value()),
            _ => self.engine.clock_value(slot).map_or(Value::Unknown, Value::Number),
        }
    }
}

impl Engine {
    /// A value, unknown while its device is offline or reports a trouble with it.
    pub(super) fn value(&self, input: u16) -> Value<'_> {
        let index = usize::from(input);
        let is_known = match self.program.inputs[index].device() {
            Some(device) => self.devices[usize::from(device)] == Some(true) && !self.troubled[index],
            None => true,
        };
        if is_known { self.inputs[index].value() } else { Value::Unknown }
    }

    fn clock_value(&self, slot: u16) -> Option<f64> {
        let wall = self.clock.now().trusted_wall()?;
        if matches!(slot, slot::SUN_ELEVATION | slot::SUN_AZIMUTH) {
            let position = position(self.program.location?, wall);
            return Some(if slot == slot::SUN_ELEVATION { position.elevation } else { position.azimuth });
        }
        let civil = self.program.zone.civil(wall)?;
        Some(match slot {
            slot::HOUR => f64::from(civil.hour),
            slot::MINUTE => f64::from(civil.minute),
            slot::MINUTES => f64::from(civil.hour) * 60.0 + f64::from(civil.minute),
            slot::WEEKDAY => f64::from(civil.weekday),
            slot::DAY => f64::from(civil.day),
            slot::MONTH => f64::from(civil.month),
            _ => return None,
        })
    }

    /// A message: what it says goes to every value that comes on its topic.
    pub(super) fn message(&mut self, topic: &str, payload: &[u8], replayed: bool) {
        let Some(text) = std::str::from_utf8(payload).ok().filter(|text| text.len() <= PAYLOAD_MAX) else { return };
        let uses = self.topics.uses(&self.program, topic);
        match uses.own {
            Some(TopicUse::Input(input)) => self.input_message(input, text, replayed),
            Some(TopicUse::Availability(device)) => self.availability(device, text == "online"),
            Some(TopicUse::Problem(device)) => self.problem(device, text),
            Some(TopicUse::HouseSet(index)) if !replayed => self.house_set(index, text),
            Some(TopicUse::HouseSet(_)) | None => {}
        }
        for at in uses.foreign {
            self.input_message(self.topics.foreign(at), text, replayed);
        }
    }

    fn input_message(&mut self, input: u16, text: &str, replayed: bool) {
        let spec = &self.program.inputs[usize::from(input)];
        let value = match spec.member() {
            "" => Literal::of_payload(text),
            name => member(text, name),
        };
        let value = match value {
            Literal::Text(text) if text.len() > TEXT_MAX => Literal::Unknown,
            value => value,
        };
        if spec.is_event {
            if !replayed {
                self.event(input, &value);
            }
            return;
        }
        if spec.house().is_some() {
            // The house's own properties are what this engine says; only before the start it learns them.
            if replayed && !self.has_started && fits(&value, spec.kind) {
                self.inputs[usize::from(input)] = value;
            }
            return;
        }
        let cause = self.cause_of(input, &value);
        self.changed(input, value, !replayed, cause);
    }

    /// A value is another now, perhaps. `is_edge` if that happened just now.
    pub(super) fn changed(&mut self, input: u16, value: Literal, is_edge: bool, cause: Cause) {
        let index = usize::from(input);
        let before: Literal = self.value(input).into();
        if self.inputs[index] == value && !before.is_unknown() {
            return;
        }
        self.inputs[index] = value;
        self.causes[index] = cause;
        let after: Literal = self.value(input).into();
        if before == after {
            return;
        }
        self.value_changed(input, &before, is_edge, cause);
    }

    fn availability(&mut self, device: u16, online: bool) {
        let before = self.devices[usize::from(device)];
        if before == Some(online) {
            return;
        }
        let inputs: Vec<u16> = self.watches.of_device(device).to_vec();
        let values: Vec<Literal> = inputs.iter().map(|input| self.value(*input).into()).collect();
        self.devices[usize::from(device)] = Some(online);
        for (input, before) in inputs.into_iter().zip(values) {
            let after: Literal = self.value(input).into();
            if before != after {
                // Back from offline is no edge: nobody knows when it changed.
                self.value_changed(input, &before, false, Cause::default());
            }
        }
        self.availability_changed(device, online, before.is_some());
    }

    /// `{}` or `{"up":{…}}`: nobody knows what a troubled property is.
    fn problem(&mut self, device: u16, text: &str) {
        let troubles: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).unwrap_or_default();
        for input in self.watches.of_device(device).to_vec() {
            let before: Literal = self.value(input).into();
            let property = self.program.inputs[usize::from(input)].property();
            self.troubled[usize::from(input)] = troubles.contains_key(property);
            let after: Literal = self.value(input).into();
            if before != after {
                self.value_changed(input, &before, false, Cause::default());
            }
        }
    }

    fn house_set(&mut self, index: u16, text: &str) {
        self.set_house(index, Literal::of_payload(text), Cause::default());
    }

    /// Gives a property of the house another value, told to everyone, and followed by the rules after this input.
    pub(super) fn set_house(&mut self, index: u16, value: Literal, cause: Cause) -> bool {
        let property = &self.program.house[usize::from(index)];
        let is_word = |text: &str| property.words.is_empty() || property.words.iter().any(|word| word == text);
        let fits = fits(&value, property.kind) && !matches!(&value, Literal::Text(text) if !is_word(text));
        if !fits || self.changes.len() >= super::CHANGES_MAX {
            return false;
        }
        self.changes.push_back((property.input, value, cause));
        true
    }

    pub(super) fn follow_changes(&mut self) {
        for _ in 0..super::CHANGES_MAX {
            let Some((input, value, cause)) = self.changes.pop_front() else { return };
            self.speak_house(input, &value);
            self.changed(input, value, true, cause);
        }
    }
}

/// A member of a JSON object.
fn member(text: &str, name: &str) -> Literal {
    let object: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_str(text).ok();
    match object.as_ref().and_then(|object| object.get(name)) {
        Some(serde_json::Value::Bool(value)) => Literal::Boolean(*value),
        Some(serde_json::Value::Number(number)) => number.as_f64().map_or(Literal::Unknown, Literal::Number),
        Some(serde_json::Value::String(text)) => Literal::of_payload(text),
        Some(serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_)) | None => {
            Literal::Unknown
        }
    }
}
