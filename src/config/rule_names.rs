//! The names that rules may use: properties of devices and of the house, topics, the clock and the sun.

use super::problem::Mistake;
use super::property_names::{DeviceNames, PropertyName};
use super::suggest::nearest;
use crate::mqtt::TopicName;
use crate::rules::expression::{Kind, Name, Named, Names, Unit, Unnamed};
use crate::rules::{Foreign, InputSpec, OutputSpec, Program, Source, slot};
use std::collections::BTreeMap;

/// Values and outputs that rules may name in all; they are counted by 16 bits.
const NAMED_MAX: usize = 30_000;

/// Properties that a hint names.
const HINTS_MAX: usize = 20;

/// Words of expressions that no device has.
const WORDS: [(&str, u16, Kind); 12] = [
    ("sun.elevation", slot::SUN_ELEVATION, Kind::Number(None)),
    ("sun.azimuth", slot::SUN_AZIMUTH, Kind::Number(None)),
    ("time.hour", slot::HOUR, Kind::Number(None)),
    ("time.minute", slot::MINUTE, Kind::Number(None)),
    ("time.minutes", slot::MINUTES, Kind::Number(None)),
    ("time.weekday", slot::WEEKDAY, Kind::Number(None)),
    ("time.day", slot::DAY, Kind::Number(None)),
    ("time.month", slot::MONTH, Kind::Number(None)),
    ("clock.trusted", slot::CLOCK_TRUSTED, Kind::Boolean),
    ("trigger.id", slot::TRIGGER_ID, Kind::Text),
    ("trigger.value", slot::TRIGGER_VALUE, Kind::Any),
    ("trigger.event", slot::TRIGGER_VALUE, Kind::Text),
];

/// The names of one house, and the numbers they got so far.
pub(super) struct RuleNames<'h> {
    pub(super) program: Program,
    devices: &'h BTreeMap<String, DeviceNames>,
    inputs: BTreeMap<String, u16>,
    outputs: BTreeMap<String, u16>,
}

impl<'h> RuleNames<'h> {
    pub(super) fn new(program: Program, devices: &'h BTreeMap<String, DeviceNames>) -> Self {
        let inputs = program.inputs.iter().enumerate().map(|(index, input)| (input.name.to_string(), index as u16));
        Self { inputs: inputs.collect(), outputs: BTreeMap::new(), program, devices }
    }

    fn property(&self, device: &str, property: &str) -> Result<PropertyName, Mistake> {
        let Some(names) = self.devices.get(device) else {
            let known = self.devices.keys().map(String::as_str);
            let hint = match nearest(device, known) {
                Some(meant) => format!("did you mean `{meant}/{property}`?"),
                None => format!("define it: [device.{device}]"),
            };
            return Err(Mistake::new(format!("there is no device `{device}`"), hint));
        };
        if let Some(known) = names.find(property) {
            return Ok(known.clone());
        }
        let known: Vec<&str> = names.properties.keys().map(String::as_str).collect();
        let hint = match nearest(property, known.iter().copied()) {
            Some(meant) => format!("did you mean `{device}/{meant}`?"),
            None if known.len() > HINTS_MAX => format!("it may have: {}, …", known[..HINTS_MAX].join(", ")),
            None => format!("it has: {}", known.join(", ")),
        };
        Err(Mistake::new(format!("device `{device}` has no property `{property}`"), hint))
    }

    fn add_input(&mut self, input: InputSpec) -> Result<u16, Mistake> {
        if let Some(index) = self.inputs.get(&*input.name) {
            return Ok(*index);
        }
        if self.program.inputs.len() >= NAMED_MAX {
            return Err(Mistake::new(format!("rules name more than {NAMED_MAX} values"), "use fewer"));
        }
        let index = self.program.inputs.len() as u16;
        self.inputs.insert(input.name.to_string(), index);
        self.program.inputs.push(input);
        Ok(index)
    }

    /// The input of a property, by its name `device/property`.
    pub(super) fn input(&mut self, name: &str) -> Result<(u16, PropertyName), Mistake> {
        let Some((device, property)) = name.split_once('/') else {
            let hint = "write DEVICE/PROPERTY, such as \"hall/light\"";
            return Err(Mistake::new(format!("`{name}` names no property"), hint));
        };
        if device == "house" {
            let Some(index) = self.inputs.get(name).copied() else {
                let known: Vec<&str> = self.program.house.iter().map(|property| property.id.as_str()).collect();
                let hint = format!("it has: {}; more are defined in [house]", known.join(", "));
                return Err(Mistake::new(format!("the house has no property `{property}`"), hint));
            };
            let own = self.program.house.iter().find(|own| own.input == index);
            let words = own.map_or_else(Vec::new, |own| own.words.clone());
            let kind = self.program.inputs[usize::from(index)].kind;
            return Ok((index, PropertyName { kind, is_settable: true, is_event: false, is_dimmer: false, words }));
        }
        let known = self.property(device, property)?;
        let device_index = self.device(device)?;
        let input = InputSpec {
            name: name.into(),
            source: Source::Device(device_index),
            is_event: known.is_event,
            kind: known.kind,
        };
        Ok((self.add_input(input)?, known))
    }

    /// The number of a device.
    pub(super) fn device(&mut self, id: &str) -> Result<u16, Mistake> {
        if !self.devices.contains_key(id) {
            let hint = nearest(id, self.devices.keys().map(String::as_str));
            let hint = hint.map_or(String::new(), |meant| format!("did you mean `{meant}`?"));
            return Err(Mistake::new(format!("there is no device `{id}`"), hint));
        }
        if let Some(index) = self.program.devices.iter().position(|known| known == id) {
            return Ok(index as u16);
        }
        self.program.devices.push(id.to_owned());
        Ok(self.program.devices.len() as u16 - 1)
    }

    /// The value of a topic, or of a member of its payload.
    pub(super) fn topic(&mut self, topic: &str, member: &str, is_event: bool) -> Result<u16, Mistake> {
        if TopicName::new(topic).is_err() {
            return Err(Mistake::new(format!("`{topic}` is no topic name"), "no wildcards and no empty name"));
        }
        let kind = if is_event { "event" } else { "topic" };
        let name = if member.is_empty() { format!("{kind}('{topic}')") } else { format!("{kind}('{topic}').{member}") };
        self.add_input(InputSpec {
            name: name.into(),
            source: Source::Foreign(Box::new(Foreign { topic: topic.into(), member: member.into() })),
            is_event,
            kind: Kind::Any,
        })
    }

    /// What a `set` names: one property, or all settable ones of a device with `device/*`.
    pub(super) fn outputs(&mut self, name: &str) -> Result<Vec<(u16, PropertyName)>, Mistake> {
        let Some(device) = name.strip_suffix("/*") else { return Ok(vec![self.output(name)?]) };
        self.device(device)?;
        let names = self.devices.get(device).into_iter().flat_map(|names| &names.properties);
        let settable = names.filter(|(_, property)| property.is_settable).map(|(id, _)| format!("{device}/{id}"));
        let settable: Vec<String> = settable.collect();
        if settable.is_empty() {
            return Err(Mistake::new(format!("nothing of device `{device}` can be set"), ""));
        }
        settable.iter().map(|name| self.output(name)).collect()
    }

    fn output(&mut self, name: &str) -> Result<(u16, PropertyName), Mistake> {
        let (state, known) = self.input(name)?;
        if !known.is_settable {
            let hint = "only outputs and lights can be set";
            return Err(Mistake::new(format!("`{name}` cannot be set"), hint));
        }
        if let Some(index) = self.outputs.get(name) {
            return Ok((*index, known));
        }
        if self.program.outputs.len() >= NAMED_MAX {
            return Err(Mistake::new(format!("rules set more than {NAMED_MAX} properties"), "use fewer"));
        }
        let index = self.program.outputs.len() as u16;
        let house = self.program.inputs[usize::from(state)].house();
        self.program.outputs.push(OutputSpec { state, house });
        self.outputs.insert(name.to_owned(), index);
        Ok((index, known))
    }

    fn word(&mut self, word: &str) -> Result<Named, Mistake> {
        if let Some((_, slot, kind)) = WORDS.iter().find(|(known, ..)| *known == word) {
            if word.starts_with("sun.") && self.program.location.is_none() {
                let hint = "add `location = { lat = 52.09, lon = 5.12 }` to [gateway]";
                return Err(Mistake::new("the gateway does not know where it stands", hint));
            }
            return Ok(Named { slot: *slot, kind: *kind });
        }
        if let Some(property) = word.strip_prefix("house.") {
            let (input, known) = self.input(&format!("house/{property}"))?;
            return Ok(Named { slot: slot::FIRST + input, kind: known.kind });
        }
        let hint = match nearest(word, WORDS.iter().map(|(known, ..)| *known).chain(["house.mode"])) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "values are written as device/property, texts in 'quotes'".to_owned(),
        };
        Err(Mistake::new(format!("`{word}` is not known"), hint))
    }
}

impl Names for RuleNames<'_> {
    fn find(&mut self, name: Name<'_>) -> Result<Named, Unnamed> {
        let found = match name {
            Name::Word(word) => self.word(word),
            Name::Topic { topic, member } => {
                let input = self.topic(topic, member, false);
                input.map(|input| Named { slot: slot::FIRST + input, kind: Kind::Any })
            }
            Name::Property { device, property } => match self.input(&format!("{device}/{property}")) {
                Ok((_, known)) if known.is_event => {
                    let hint = "a trigger `{ event = … }` reacts to it, and `trigger.event` tells what it was";
                    Err(Mistake::new(format!("`{device}/{property}` is an event, which has no value"), hint))
                }
                other => other.map(|(input, known)| Named { slot: slot::FIRST + input, kind: known.kind }),
            },
        };
        found.map_err(|mistake| Unnamed { what: mistake.what, hint: mistake.hint })
    }

    fn never(&mut self, name: Name<'_>, text: &str) -> Option<Unnamed> {
        let property = match name {
            Name::Word(word) => word.strip_prefix("house.")?,
            Name::Property { device: "house", property } => property,
            Name::Property { .. } | Name::Topic { .. } => return None,
        };
        let known = self.program.house.iter().find(|known| known.id == property)?;
        let mistake = no_word(text, &known.words)?;
        Some(Unnamed { what: mistake.what, hint: mistake.hint })
    }
}

/// What is wrong with a text for a property that may be some words only.
pub(super) fn no_word(text: &str, words: &[String]) -> Option<Mistake> {
    if words.is_empty() || words.iter().any(|word| word == text) {
        return None;
    }
    let hint = match nearest(text, words.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it may be: {}", words.join(", ")),
    };
    Some(Mistake::new(format!("it is never `{text}`"), hint))
}

/// The kind of a property by its unit, for devices that report numbers.
pub(super) fn number(unit: Option<&str>) -> Kind {
    Kind::Number(unit.and_then(Unit::named))
}
