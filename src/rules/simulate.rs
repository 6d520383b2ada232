//! Rules over recorded traffic, in virtual time: what they would have done, and what of that differs.
//!
//! What a rule of the program can set follows the rules and those commands of the recording that came from elsewhere;
//! everything else is as it was recorded.

use super::program::{Literal, Program};
use super::test::House;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Differences that are told.
pub const DIFFERENCES_MAX: usize = 1_000;

/// Two commands are the same if no more than so much time lies between them, in milliseconds.
const SAME_WITHIN: i64 = 2_000;

/// A message as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// Its topic name.
    pub topic: String,
    /// Its payload.
    pub payload: String,
    /// Whether it was what was retained when the recording began.
    pub replayed: bool,
}

/// A command that a rule gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Deed {
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The output, `device/property`.
    pub output: String,
    /// What it was set to.
    pub value: String,
    /// For how long, if it was a pulse: `20s`.
    pub pulse: Option<String>,
    /// The rule.
    pub rule: String,
}

/// Runs the rules of a program while a recording comes in.
pub struct Simulation {
    program: Arc<Program>,
    house: Option<House>,
    /// Whether the rules have started: they do when all is told that was retained.
    has_started: bool,
    deeds: Vec<Deed>,
    /// What rules did according to the recording.
    recorded: Vec<Deed>,
    /// Outputs by the topic of their state, and by that of their commands.
    states: BTreeMap<String, u16>,
    commands: BTreeMap<String, u16>,
}

impl Simulation {
    /// A simulation that has not begun.
    pub fn new(program: &Arc<Program>) -> Self {
        let outputs = || (0..).zip(&program.outputs);
        let states = outputs().map(|(index, output)| (program.input_topic(output.state).into_owned(), index));
        let commands = outputs().map(|(index, _)| (program.output_topic(index), index));
        Self {
            states: states.collect(),
            commands: commands.collect(),
            house: None,
            has_started: false,
            deeds: Vec::new(),
            recorded: Vec::new(),
            program: program.clone(),
        }
    }

    /// The next message of the recording.
    pub fn handle(&mut self, message: &Recorded) {
        let house = self.house.get_or_insert_with(|| House::silent(&self.program, message.at));
        if !message.replayed && !std::mem::replace(&mut self.has_started, true) {
            house.begin();
        }
        house.pass(Duration::from_millis(u64::try_from(message.at - house.wall()).unwrap_or(0)));
        if let Some(output) = self.commands.get(&message.topic) {
            match deed(message, self.program.output_name(*output)) {
                Some(deed) => self.recorded.push(deed),
                None => house.commanded(*output, &message.payload),
            }
        } else if !self.states.contains_key(&message.topic) || message.replayed {
            house.recorded(&message.topic, &message.payload, message.replayed);
        }
        self.deeds.append(&mut house.take_deeds());
    }

    /// What the rules did, and what they did according to the recording, up to its end.
    pub fn finish(self) -> (Vec<Deed>, Vec<Deed>) {
        (self.deeds, self.recorded)
    }
}

/// A recorded command, if it came from a rule: its id is `RULE/RUN`.
fn deed(message: &Recorded, output: &str) -> Option<Deed> {
    let json: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&message.payload).ok()?;
    let (rule, run) = json.get("id")?.as_str()?.rsplit_once('/')?;
    run.parse::<u64>().ok()?;
    let value = json.get("value")?;
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pulse = json.get("pulse").and_then(|pulse| pulse.as_str()).map(str::to_owned);
    Some(Deed { at: message.at, output: output.to_owned(), value, pulse, rule: rule.to_owned() })
}

/// What one list has and the other has not, in the order of time: `-` for the first, `+` for the second.
pub fn differences<'d>(first: &'d [Deed], second: &'d [Deed]) -> Vec<(char, &'d Deed)> {
    let is_same = |one: &Deed, other: &Deed| {
        one.output == other.output
            && one.pulse == other.pulse
            && Literal::of_payload(&one.value) == Literal::of_payload(&other.value)
            && (one.at - other.at).abs() <= SAME_WITHIN
    };
    let mut found: Vec<(char, &Deed)> = Vec::new();
    let mut taken = vec![false; second.len()];
    let mut from = 0;
    for one in first {
        while from < second.len() && second[from].at < one.at - SAME_WITHIN {
            from += 1;
        }
        let near = second[from..].iter().take_while(|other| other.at <= one.at + SAME_WITHIN).enumerate();
        let same = near.map(|(at, other)| (from + at, other)).find(|(at, other)| !taken[*at] && is_same(one, other));
        match same {
            Some((at, _)) => taken[at] = true,
            None => found.push(('-', one)),
        }
    }
    found.extend(second.iter().zip(taken).filter(|(_, taken)| !taken).map(|(other, _)| ('+', other)));
    found.sort_by_key(|(_, deed)| deed.at);
    found.truncate(DIFFERENCES_MAX);
    found
}
