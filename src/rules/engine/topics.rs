//! Which topic tells what. Names are looked up where the program has them; nothing is kept twice.

use super::TopicUse;
use crate::rules::{Program, Source};
use std::collections::BTreeSet;
use std::ops::Range;

/// Inputs, devices and foreign topics in the order of their names.
#[derive(Debug, Default)]
pub(super) struct Topics {
    inputs: Box<[u16]>,
    devices: Box<[u16]>,
    foreign: Box<[u16]>,
}

/// What a topic tells: something of the house, and any number of foreign values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) own: Option<TopicUse>,
    /// Places in the list of foreign values, see [`Topics::foreign`].
    pub(super) foreign: Range<usize>,
}

impl Topics {
    pub(super) fn new(program: &Program) -> Self {
        let is_foreign = |input: &u16| matches!(program.inputs[usize::from(*input)].source, Source::Foreign(_));
        let all = 0..program.inputs.len() as u16;
        let (mut foreign, mut inputs): (Vec<u16>, Vec<u16>) = all.partition(is_foreign);
        inputs.sort_by_key(|input| &program.inputs[usize::from(*input)].name);
        foreign.sort_by_key(|input| (foreign_topic(program, *input), *input));
        let mut devices: Vec<u16> = (0..program.devices.len() as u16).collect();
        devices.sort_by_key(|device| &program.devices[usize::from(*device)]);
        Self { inputs: inputs.into(), devices: devices.into(), foreign: foreign.into() }
    }

    /// What a topic tells.
    pub(super) fn uses(&self, program: &Program, topic: &str) -> Uses {
        let start = self.foreign.partition_point(|input| foreign_topic(program, *input) < topic);
        let end = start + self.foreign[start..].partition_point(|input| foreign_topic(program, *input) == topic);
        Uses { own: program.below_base(topic).and_then(|rest| self.own(program, rest)), foreign: start..end }
    }

    /// The foreign value in a place of the list.
    pub(super) fn foreign(&self, at: usize) -> u16 {
        self.foreign[at]
    }

    fn own(&self, program: &Program, rest: &str) -> Option<TopicUse> {
        let (device, property) = rest.split_once('/')?;
        let device_named = || {
            let found = self.devices.binary_search_by_key(&device, |index| &program.devices[usize::from(*index)]);
            found.ok().map(|at| self.devices[at])
        };
        match property {
            "$availability" => return device_named().map(TopicUse::Availability),
            "$problem" => return device_named().map(TopicUse::Problem),
            _ => {}
        }
        if let ("house", Some(id)) = (device, property.strip_suffix("/set")) {
            return program.house.iter().position(|known| known.id == id).map(|at| TopicUse::HouseSet(at as u16));
        }
        let found = self.inputs.binary_search_by_key(&rest, |input| &*program.inputs[usize::from(*input)].name);
        found.ok().map(|at| TopicUse::Input(self.inputs[at]))
    }
}

/// The topics of all that rules read, each once.
pub(super) fn all(program: &Program) -> BTreeSet<String> {
    let inputs = (0..program.inputs.len() as u16).map(|input| program.input_topic(input).into_owned());
    let devices = program.devices.iter();
    let devices = devices
        .flat_map(|device| ["$availability", "$problem"].map(|what| format!("{}/{device}/{what}", program.base)));
    let house = program.house.iter().map(|property| format!("{}/house/{}/set", program.base, property.id));
    inputs.chain(devices).chain(house).collect()
}

fn foreign_topic(program: &Program, input: u16) -> &str {
    match &program.inputs[usize::from(input)].source {
        Source::Foreign(foreign) => &foreign.topic,
        Source::Device(_) | Source::House(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::expression::Kind;
    use crate::rules::{Foreign, HouseProperty, InputSpec, Literal};

    fn input(name: &str, source: Source) -> InputSpec {
        InputSpec { name: name.into(), source, is_event: false, kind: Kind::Any }
    }

    fn program() -> Program {
        let foreign = |topic: &str, member: &str| {
            let foreign = Foreign { topic: topic.into(), member: member.into() };
            input(&format!("topic('{topic}').{member}"), Source::Foreign(Box::new(foreign)))
        };
        let mode = HouseProperty {
            id: "mode".into(),
            kind: Kind::Text,
            words: Vec::new(),
            initial: Literal::Unknown,
            input: 0,
        };
        Program {
            base: "my/home".into(),
            inputs: vec![
                input("house/mode", Source::House(0)),
                input("b/x", Source::Device(0)),
                foreign("t", "price"),
                input("a/x", Source::Device(1)),
                foreign("my/home/a/x", ""),
                foreign("t", "tax"),
            ],
            devices: vec!["b".into(), "a".into()],
            house: vec![mode],
            ..Program::default()
        }
    }

    #[test]
    fn every_topic_is_found_with_all_that_it_tells() {
        let program = program();
        let topics = Topics::new(&program);
        let found = |topic: &str| {
            let uses = topics.uses(&program, topic);
            let foreign: Vec<u16> = uses.foreign.map(|at| topics.foreign(at)).collect();
            (uses.own, foreign)
        };
        assert_eq!(found("my/home/b/x"), (Some(TopicUse::Input(1)), vec![]));
        assert_eq!(found("my/home/a/x"), (Some(TopicUse::Input(3)), vec![4]));
        assert_eq!(found("t"), (None, vec![2, 5]));
        assert_eq!(found("my/home/a/$availability"), (Some(TopicUse::Availability(1)), vec![]));
        assert_eq!(found("my/home/b/$problem"), (Some(TopicUse::Problem(0)), vec![]));
        assert_eq!(found("my/home/house/mode"), (Some(TopicUse::Input(0)), vec![]));
        assert_eq!(found("my/home/house/mode/set"), (Some(TopicUse::HouseSet(0)), vec![]));
        for nothing in ["my/home", "my/home/a", "home/a/x", "my/home/c/x", "my/home/c/$problem", "a/x", ""] {
            assert_eq!(found(nothing), (None, vec![]), "{nothing}");
        }
        let all = all(&program);
        assert_eq!(all.len(), 9, "{all:?}");
        assert!(all.iter().all(|topic| found(topic) != (None, vec![])), "{all:?}");
    }
}
