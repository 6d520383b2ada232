//! What rules read and set, by its names. Each name is kept once: topics come of it.

use super::expression::Kind;
use super::program::Program;
use std::borrow::Cow;

/// A value that comes in messages.
#[derive(Clone, Debug, PartialEq)]
pub struct InputSpec {
    /// How it is written in rules: `device/property`, or `topic('tariff/now').price`.
    pub name: Box<str>,
    /// Where it comes from.
    pub source: Source,
    /// Whether it is an event, such as a click: no state.
    pub is_event: bool,
    /// Its type.
    pub kind: Kind,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A device, as an index into [`Program::devices`]; its topic is the base and its name.
    Device(u16),
    /// The house itself, as an index into [`Program::house`]; likewise.
    House(u16),
    /// A topic of others.
    Foreign(Box<Foreign>),
}

/// A value on a topic of others.
#[derive(Clone, Debug, PartialEq)]
pub struct Foreign {
    /// The topic it comes on.
    pub topic: Box<str>,
    /// The member of a JSON payload; empty for the whole payload.
    pub member: Box<str>,
}

impl InputSpec {
    /// The device whose availability decides whether it is known.
    pub fn device(&self) -> Option<u16> {
        match self.source {
            Source::Device(device) if !self.is_event => Some(device),
            Source::Device(_) | Source::House(_) | Source::Foreign(_) => None,
        }
    }

    /// Which house property it is.
    pub fn house(&self) -> Option<u16> {
        match self.source {
            Source::House(house) => Some(house),
            Source::Device(_) | Source::Foreign(_) => None,
        }
    }

    /// Its property there: what stands behind the device in its name.
    pub fn property(&self) -> &str {
        self.name.split_once('/').map_or("", |(_, property)| property)
    }

    /// The member of a JSON payload that it is; empty for the whole payload.
    pub fn member(&self) -> &str {
        match &self.source {
            Source::Foreign(foreign) => &foreign.member,
            Source::Device(_) | Source::House(_) => "",
        }
    }
}

/// A property that rules set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutputSpec {
    /// Its state, as an index into [`Program::inputs`], whose name it has.
    pub state: u16,
    /// Which house property it is.
    pub house: Option<u16>,
}

impl Program {
    /// The topic on which an input comes. Most are not kept: they are the base and the input's name.
    pub fn input_topic(&self, input: u16) -> Cow<'_, str> {
        let spec = &self.inputs[usize::from(input)];
        match &spec.source {
            Source::Foreign(foreign) => Cow::Borrowed(&*foreign.topic),
            Source::Device(_) | Source::House(_) => Cow::Owned(format!("{}/{}", self.base, spec.name)),
        }
    }

    /// What of a topic below the base stands behind it: `hall/light` of `home/hall/light`.
    pub fn below_base<'t>(&self, topic: &'t str) -> Option<&'t str> {
        topic.strip_prefix(&*self.base)?.strip_prefix('/')
    }

    /// Whether an input comes on a topic.
    pub fn comes_on(&self, input: u16, topic: &str) -> bool {
        let spec = &self.inputs[usize::from(input)];
        match &spec.source {
            Source::Foreign(foreign) => *foreign.topic == *topic,
            Source::Device(_) | Source::House(_) => self.below_base(topic) == Some(&*spec.name),
        }
    }

    /// `device/property` of an output.
    pub fn output_name(&self, output: u16) -> &str {
        &self.inputs[usize::from(self.outputs[usize::from(output)].state)].name
    }

    /// Where commands for an output go.
    pub fn output_topic(&self, output: u16) -> String {
        format!("{}/{}/set", self.base, self.output_name(output))
    }

    /// The output of a name, `device/property`.
    pub fn output_named(&self, name: &str) -> Option<u16> {
        (0..self.outputs.len() as u16).find(|output| self.output_name(*output) == name)
    }
}
