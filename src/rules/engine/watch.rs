//! Which rules look at which value.

use super::compact::Lists;
use crate::rules::expression::Expression;
use crate::rules::program::{LevelOn, Program, Rule, Start, Step, TriggerOn, slot};

/// What looks at a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watch {
    /// A trigger of a rule.
    Trigger(u16, u16),
    /// A level rule.
    Level(u16),
    /// A rule that may wait for something.
    Waiting(u16),
}

#[derive(Debug)]
pub(super) struct Watches {
    inputs: Lists<Watch>,
    devices: Lists<(u16, u16)>,
    members: Lists<u16>,
    /// The level rules that set each output.
    owners: Lists<u16>,
    /// The output whose state each input is.
    outputs: Box<[Option<u16>]>,
    safety: Box<[u16]>,
    /// Level rules and triggers that depend on the clock or the sun.
    pub(super) timed: Box<[bool]>,
}

impl Rule {
    fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().chain(&self.leave)
    }

    /// What runs of the rule wait for.
    fn waited_for(&self) -> impl Iterator<Item = &Expression> {
        self.all_steps().filter_map(|step| match step {
            Step::WaitFor { condition, .. } => Some(condition),
            _ => None,
        })
    }

    /// The states of outputs that runs of the rule wait for.
    fn confirmed(&self, program: &Program) -> impl Iterator<Item = u16> {
        self.all_steps().filter_map(|step| match step {
            Step::Set(set) if set.confirm.is_some() => Some(program.outputs[usize::from(set.output)].state),
            _ => None,
        })
    }
}

impl Watches {
    pub(super) fn new(program: &Program) -> Self {
        let mut inputs: Vec<Vec<Watch>> = vec![Vec::new(); program.inputs.len()];
        let mut devices: Vec<Vec<(u16, u16)>> = vec![Vec::new(); program.devices.len()];
        let mut timed = vec![false; program.rules.len()];
        let mut watch = |expression: &Expression, rule: usize, what: Watch| {
            for slot in expression.reads() {
                match slot.checked_sub(slot::FIRST) {
                    Some(input) => inputs[usize::from(input)].push(what),
                    None => timed[rule] = true,
                }
            }
        };
        let mut direct = Vec::new();
        for (index, rule) in program.rules.iter().enumerate() {
            let number = index as u16;
            match &rule.start {
                Start::When(triggers) => {
                    for (at, trigger) in triggers.iter().enumerate() {
                        let what = Watch::Trigger(number, at as u16);
                        match &trigger.on {
                            TriggerOn::Change { input, .. } | TriggerOn::Event { input, .. } => {
                                direct.push((*input, what));
                            }
                            TriggerOn::True(expression) => watch(expression, index, what),
                            TriggerOn::Availability { device, .. } => {
                                devices[usize::from(*device)].push((number, at as u16));
                            }
                            TriggerOn::At(_) | TriggerOn::Started | TriggerOn::Manual => {}
                        }
                    }
                }
                Start::While(level) => {
                    match &level.on {
                        LevelOn::Condition(expression) => watch(expression, index, Watch::Level(number)),
                        LevelOn::Hysteresis { input, .. } => direct.push((*input, Watch::Level(number))),
                    }
                    if let Some(condition) = &rule.condition {
                        watch(condition, index, Watch::Level(number));
                    }
                }
            }
            for condition in rule.waited_for() {
                watch(condition, index, Watch::Waiting(number));
            }
            direct.extend(rule.confirmed(program).map(|input| (input, Watch::Waiting(number))));
        }
        for (input, what) in direct {
            inputs[usize::from(input)].push(what);
        }
        let mut members: Vec<Vec<u16>> = vec![Vec::new(); program.devices.len()];
        for (index, input) in (0..).zip(&program.inputs) {
            if let Some(device) = input.device() {
                members[usize::from(device)].push(index);
            }
        }
        let sorted = |mut watches: Vec<Watch>| {
            watches.sort_unstable();
            watches.dedup();
            watches
        };
        Self {
            owners: owners(program),
            outputs: outputs(program),
            safety: (0..).zip(&program.rules).filter(|(_, rule)| rule.is_safety).map(|(index, _)| index).collect(),
            members: members.into_iter().collect(),
            inputs: inputs.into_iter().map(sorted).collect(),
            devices: devices.into_iter().collect(),
            timed: timed.into(),
        }
    }

    /// The output whose state an input is.
    pub(super) fn output_of(&self, input: u16) -> Option<u16> {
        self.outputs[usize::from(input)]
    }

    /// The rules for safety.
    pub(super) fn safety_rules(&self) -> &[u16] {
        &self.safety
    }

    /// The level rules that set an output.
    pub(super) fn level_rules(&self, output: u16) -> &[u16] {
        self.owners.of(output)
    }

    pub(super) fn of_input(&self, input: u16) -> &[Watch] {
        self.inputs.of(input)
    }

    /// Triggers on a device's availability.
    pub(super) fn of_availability(&self, device: u16) -> &[(u16, u16)] {
        self.devices.of(device)
    }

    /// The inputs of a device.
    pub(super) fn of_device(&self, device: u16) -> &[u16] {
        self.members.of(device)
    }
}

fn outputs(program: &Program) -> Box<[Option<u16>]> {
    let mut outputs = vec![None; program.inputs.len()];
    for (index, output) in program.outputs.iter().enumerate() {
        outputs[usize::from(output.state)] = Some(index as u16);
    }
    outputs.into()
}

fn owners(program: &Program) -> Lists<u16> {
    let mut owners: Vec<Vec<u16>> = vec![Vec::new(); program.outputs.len()];
    for (index, rule) in program.rules.iter().enumerate().filter(|(_, rule)| matches!(rule.start, Start::While(_))) {
        for output in rule.all_steps().flat_map(|step| step.outputs(program)) {
            let owners = &mut owners[usize::from(output)];
            if owners.last() != Some(&(index as u16)) {
                owners.push(index as u16);
            }
        }
    }
    owners.into_iter().collect()
}

impl Step {
    /// The outputs that the step sets.
    fn outputs(&self, program: &Program) -> Vec<u16> {
        match self {
            Step::Set(set) => vec![set.output],
            Step::Scene { scene, .. } => {
                program.scenes[usize::from(*scene)].sets.iter().map(|set| set.output).collect()
            }
            _ => Vec::new(),
        }
    }
}
