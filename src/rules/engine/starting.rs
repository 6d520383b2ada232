//! The start: what was kept goes on, what must be so is made so.

use super::trace::{Outcome, Trace};
use super::{Cause, Engine, Origin, SETTLE};
use crate::rules::program::{Literal, Program, Set, Start, Step, To, TriggerOn};
use std::collections::BTreeMap;

impl Engine {
    /// Everything that was kept and retained has come in.
    pub(super) fn start(&mut self) {
        if self.has_started {
            return;
        }
        self.has_started = true;
        self.settling = Some(self.now() + SETTLE);
        self.trace_resumed();
        for index in 0..self.program.house.len() {
            let input = self.program.house[index].input;
            let value = self.inputs[usize::from(input)].clone();
            self.speak_house(input, &value);
        }
        for rule in 0..self.rules.len() as u16 {
            self.shown(rule);
        }
    }

    pub(super) fn all_devices_online(&self) -> bool {
        self.devices.iter().all(|device| *device == Some(true))
    }

    /// The devices are there, or have had their time: levels, schedules and kept runs go on.
    pub(super) fn settle(&mut self) {
        self.settling = None;
        self.take_up_pause();
        let program = self.program.clone();
        for rule in 0..self.rules.len() as u16 {
            self.take_up_timers(rule);
            self.resume_runs(rule);
            self.schedule_rule(rule);
            if let Start::When(triggers) = &program.rules[usize::from(rule)].start {
                for (index, trigger) in triggers.iter().enumerate() {
                    if matches!(trigger.on, TriggerOn::Started) {
                        let at = self.clock.when();
                        let value = Literal::Boolean(true);
                        self.begin(rule, Origin { trigger: Some(index as u16), value, cause: Cause::default(), at });
                    }
                }
            }
            self.level_check(rule, Cause::default());
            self.runs_look(rule);
            self.arm(rule);
        }
    }

    /// A level rule that is in, or out, sees to it that its outputs are so, whatever was lost meanwhile. Only what is
    /// absolute: a pulse is not given again. What another rule has set since is left to that one.
    pub(super) fn reconcile(&mut self, rule: u16, is_in: bool) {
        let program = self.program.clone();
        let settings = &program.rules[usize::from(rule)];
        let state = &self.rules[usize::from(rule)];
        if !state.runs.is_empty() {
            return;
        }
        let mut last = last_sets(&program, if is_in { &settings.steps } else { &settings.leave });
        last.retain(|output, _| !state.level.lost.contains(output));
        if last.is_empty() {
            return;
        }
        let id = self.next_run();
        let (at, cause) = (self.clock.when(), Cause::default());
        let origin = Origin { trigger: None, value: Literal::Boolean(is_in), cause, at };
        let reads = self.reads(rule);
        let outcome = Outcome::Reconciled;
        let trace = Trace { run: id, at, origin: origin.clone(), outcome, reads, did: Vec::new() };
        self.push_trace(rule, trace);
        for set in last.values() {
            self.set(rule, id, &origin, set);
        }
    }
}

/// What each output is when all steps are done, as far as that is certain.
fn last_sets(program: &Program, steps: &[Step]) -> BTreeMap<u16, Set> {
    let mut last = BTreeMap::new();
    let mut is_certain = true;
    let mut note = |set: &Set, is_certain: bool| {
        if is_certain && set.pulse.is_none() && set.to != To::Toggle {
            last.insert(set.output, Set { confirm: None, ..set.clone() });
        } else {
            last.remove(&set.output);
        }
    };
    for step in steps {
        match step {
            Step::Set(set) => note(set, is_certain),
            Step::Scene { scene, transition } => {
                for set in &program.scenes[usize::from(*scene)].sets {
                    let transition = set.transition.or(*transition);
                    note(&Set { transition, ..set.clone() }, is_certain);
                }
            }
            // From here on it depends on what is not known any more.
            Step::Unless(..)
            | Step::When(..)
            | Step::Repeat { .. }
            | Step::Jump(_)
            | Step::WaitFor { .. }
            | Step::Stop => {
                is_certain = false;
            }
            Step::Publish { .. } | Step::Alert { .. } | Step::ClearAlert(_) | Step::Wait(_) => {}
        }
    }
    last
}
