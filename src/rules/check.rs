//! What will go wrong, found before it does: rules that fight over an output, rules that cause each other in a circle.

use super::expression::Expression;
use super::program::{Becomes, LevelOn, Program, Rule, Set, Start, Step, To, TriggerOn, slot};
use std::collections::{BTreeMap, BTreeSet};

/// Something that is no mistake for sure, but most likely one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The rule it is told at.
    pub rule: usize,
    /// What will go wrong.
    pub what: String,
    /// How to put it right.
    pub hint: String,
}

/// Looks at all rules together.
pub fn check(program: &Program) -> Vec<Warning> {
    let mut warnings = fights(program);
    warnings.extend(circles(program));
    warnings
}

/// Every set in steps, scenes included.
fn sets<'p>(program: &'p Program, steps: &'p [Step]) -> Vec<&'p Set> {
    let mut found = Vec::new();
    for step in steps {
        match step {
            Step::Set(set) => found.push(set),
            Step::Scene { scene, .. } => found.extend(&program.scenes[usize::from(*scene)].sets),
            Step::Publish { .. }
            | Step::Alert { .. }
            | Step::ClearAlert(_)
            | Step::Wait(_)
            | Step::WaitFor { .. }
            | Step::Unless(..)
            | Step::When(..)
            | Step::Jump(_)
            | Step::Repeat { .. }
            | Step::Stop => {}
        }
    }
    found
}

/// Two level rules own one output: each makes it so while its own level is so, and each undoes the other. A rule for
/// safety wins over one that is none; two of them fight like any others.
fn fights(program: &Program) -> Vec<Warning> {
    let mut owners: BTreeMap<(u16, bool), Vec<usize>> = BTreeMap::new();
    for (index, rule) in program.rules.iter().enumerate() {
        if matches!(rule.start, Start::While(_)) {
            let owned: BTreeSet<u16> = sets(program, &rule.steps)
                .into_iter()
                .chain(sets(program, &rule.leave))
                .map(|set| set.output)
                .collect();
            for output in owned {
                owners.entry((output, rule.is_safety)).or_default().push(index);
            }
        }
    }
    let mut warnings = Vec::new();
    for ((output, _), rules) in owners.into_iter().filter(|(_, rules)| rules.len() > 1) {
        let name = program.output_name(output);
        let (first, second) = (&program.rules[rules[0]], &program.rules[rules[1]]);
        warnings.push(Warning {
            rule: rules[1],
            what: format!("rules `{}` and `{}` fight over `{name}`", first.id, second.id),
            hint: format!("both switch it while something is so; join them, see {}", first.place),
        });
    }
    warnings
}

/// Which inputs start a rule.
fn starts(rule: &Rule) -> BTreeSet<u16> {
    let mut slots: Vec<u16> = Vec::new();
    let mut inputs = BTreeSet::new();
    match &rule.start {
        Start::When(triggers) => {
            for trigger in triggers {
                match &trigger.on {
                    TriggerOn::Change { input, .. } | TriggerOn::Event { input, .. } => {
                        inputs.insert(*input);
                    }
                    TriggerOn::True(condition) => slots.extend(condition.reads()),
                    TriggerOn::Availability { .. } | TriggerOn::At(_) | TriggerOn::Started | TriggerOn::Manual => {}
                }
            }
        }
        Start::While(level) => {
            match &level.on {
                LevelOn::Condition(condition) => slots.extend(condition.reads()),
                LevelOn::Hysteresis { input, .. } => {
                    inputs.insert(*input);
                }
            }
            slots.extend(rule.condition.iter().flat_map(Expression::reads));
        }
    }
    inputs.extend(slots.into_iter().filter_map(|slot| slot.checked_sub(slot::FIRST)));
    inputs
}

/// Whether a rule is started by an output becoming what a step sets it to.
fn is_started_by(program: &Program, rule: &Rule, set: &Set) -> bool {
    let state = program.outputs[usize::from(set.output)].state;
    let (Start::When(triggers), To::Value(value), None) = (&rule.start, &set.to, set.pulse) else { return true };
    // Set to one value, triggered by another: no cause.
    triggers.iter().any(|trigger| match &trigger.on {
        TriggerOn::Change { input, to: Becomes::Equal(wanted), .. } => *input == state && wanted == value,
        TriggerOn::Change { input, .. } | TriggerOn::Event { input, .. } => *input == state,
        TriggerOn::True(condition) => condition.reads().contains(&(state + slot::FIRST)),
        TriggerOn::Availability { .. } | TriggerOn::At(_) | TriggerOn::Started | TriggerOn::Manual => false,
    })
}

/// The rules that a rule can start.
fn caused<'p>(program: &'p Program, readers: &BTreeMap<u16, Vec<usize>>, rule: &'p Rule) -> BTreeSet<usize> {
    let of = |input: u16| readers.get(&input).into_iter().flatten().copied();
    let mut found = BTreeSet::new();
    for set in sets(program, &rule.steps).into_iter().chain(sets(program, &rule.leave)) {
        let state = program.outputs[usize::from(set.output)].state;
        found.extend(of(state).filter(|other| is_started_by(program, &program.rules[*other], set)));
    }
    for step in rule.steps.iter().chain(&rule.leave) {
        if let Step::Publish { topic, .. } = step {
            let inputs = (0..program.inputs.len() as u16).filter(|input| program.comes_on(*input, topic));
            found.extend(inputs.flat_map(of));
        }
    }
    found
}

/// Rules that cause each other in a circle of two or more. A rule that sets what it reads is common and harmless:
/// what is so already is not set again.
fn circles(program: &Program) -> Vec<Warning> {
    let mut readers: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (index, rule) in program.rules.iter().enumerate() {
        for input in starts(rule) {
            readers.entry(input).or_default().push(index);
        }
    }
    let next = |(index, rule)| -> Vec<usize> {
        caused(program, &readers, rule).into_iter().filter(|other| *other != index).collect()
    };
    let edges: Vec<Vec<usize>> = program.rules.iter().enumerate().map(next).collect();
    let mut warnings = Vec::new();
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for start in 0..edges.len() {
        if told.contains(&start) {
            continue;
        }
        if let Some(path) = way_back(&edges, start) {
            told.extend(&path);
            let names: Vec<&str> = path.iter().chain([&start]).map(|rule| &*program.rules[*rule].id).collect();
            warnings.push(Warning {
                rule: start,
                what: format!("rules cause each other in a circle: {}", names.join(" → ")),
                hint: "the engine cuts such a chain after 16 rules; give one of them a condition that ends it".into(),
            });
        }
    }
    warnings
}

/// The shortest way from a rule back to itself.
fn way_back(edges: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut paths = std::collections::VecDeque::from([vec![start]]);
    let mut seen = BTreeSet::new();
    while let Some(path) = paths.pop_front() {
        for next in &edges[*path.last()?] {
            if *next == start {
                return Some(path);
            }
            if seen.insert(*next) {
                paths.push_back(path.iter().copied().chain([*next]).collect());
            }
        }
    }
    None
}
