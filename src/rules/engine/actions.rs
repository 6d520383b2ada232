//! Steps of a run, one after the other until it waits or ends.

use super::run::{Origin, Run, Waiting};
use super::trace::{Deed, Did};
use super::triggers::Timer;
use super::{Engine, FUEL};
use crate::rules::program::{Piece, Set, Step, Template};

/// What a step comes to.
enum Next {
    /// The step behind it.
    On,
    /// Another step.
    To(u16),
    /// The run waits.
    Wait(Waiting),
    /// The run is over.
    End,
}

impl Engine {
    /// Goes on with a run until it waits or ends.
    pub(super) fn go_on(&mut self, rule: u16, id: u64) {
        let program = self.program.clone();
        let settings = &program.rules[usize::from(rule)];
        for _ in 0..FUEL {
            let state = &self.rules[usize::from(rule)];
            let Some(run) = state.runs.iter().find(|run| run.id == id) else { return };
            let steps = if run.leaves { &settings.leave } else { &settings.steps };
            let Some(step) = steps.get(usize::from(run.step)) else { return self.end(rule, id) };
            let origin = run.origin.clone();
            let next = self.step(rule, id, &origin, step);
            let state = &mut self.rules[usize::from(rule)];
            let Some(run) = state.runs.iter_mut().find(|run| run.id == id) else { return };
            match next {
                Next::On => run.step += 1,
                Next::To(step) => run.step = step,
                Next::Wait(waiting) => {
                    run.waiting = Some(waiting);
                    state.is_dirty = true;
                    return;
                }
                Next::End => return self.end(rule, id),
            }
        }
        self.counters.fuel += 1;
        self.did(rule, id, Did::Said("gave up: too many steps without a wait".into()));
        self.end(rule, id);
    }

    fn step(&mut self, rule: u16, id: u64, origin: &Origin, step: &Step) -> Next {
        let now = self.now();
        match step {
            Step::Set(set) => {
                self.set(rule, id, origin, set);
                match set.confirm {
                    Some(confirm) if !self.is_set(rule, origin, set) => {
                        Next::Wait(Waiting::Confirm(Timer::new(now, confirm), 0))
                    }
                    Some(_) | None => Next::On,
                }
            }
            Step::Scene { scene, transition } => {
                let program = self.program.clone();
                for set in &program.scenes[usize::from(*scene)].sets {
                    let set = Set { transition: set.transition.or(*transition), ..set.clone() };
                    self.set(rule, id, origin, &set);
                }
                Next::On
            }
            Step::Publish { topic, payload, retain } => {
                let payload = self.text(rule, origin, payload);
                self.publish(rule, id, topic, payload, *retain);
                Next::On
            }
            Step::Alert { name, text, repeat } => {
                let text = self.text(rule, origin, text);
                self.raise(rule, id, name, text, *repeat);
                Next::On
            }
            Step::ClearAlert(name) => {
                self.acknowledge(name);
                Next::On
            }
            Step::Wait(length) => Next::Wait(Waiting::Time(Timer::new(now, *length))),
            Step::WaitFor { condition, timeout, .. } => {
                if self.literal(rule, origin, condition).value().is_true() {
                    return Next::On;
                }
                Next::Wait(Waiting::Condition(Timer::new(now, *timeout)))
            }
            Step::Unless(condition, to) => {
                if self.literal(rule, origin, condition).value().is_true() {
                    Next::On
                } else {
                    Next::To(*to)
                }
            }
            Step::When(condition, to) => {
                if self.literal(rule, origin, condition).value().is_true() {
                    Next::To(*to)
                } else {
                    Next::On
                }
            }
            Step::Jump(to) => Next::To(*to),
            Step::Repeat { counter, max, condition, end } => {
                let goes_on =
                    condition.as_ref().is_none_or(|condition| self.literal(rule, origin, condition).value().is_true());
                self.round(rule, id, *counter, *max, goes_on).map_or(Next::To(*end), |()| Next::On)
            }
            Step::Stop => Next::End,
        }
    }

    /// Counts a round of a loop; none if there are no more.
    fn round(&mut self, rule: u16, id: u64, counter: u8, max: u16, goes_on: bool) -> Option<()> {
        let run = self.rules[usize::from(rule)].runs.iter_mut().find(|run| run.id == id)?;
        let counter = usize::from(counter);
        if run.counters.len() <= counter {
            run.counters.resize(counter + 1, 0);
        }
        if !goes_on || run.counters[counter] >= max {
            // A loop in a loop begins anew.
            run.counters[counter] = 0;
            return None;
        }
        run.counters[counter] += 1;
        Some(())
    }

    /// A text with its values.
    fn text(&self, rule: u16, origin: &Origin, template: &Template) -> String {
        let mut text = String::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Value(expression) => text += &self.literal(rule, origin, expression).to_string(),
            }
        }
        text
    }

    /// Whether what a run waits for has come.
    pub(super) fn condition_came(&self, rule: u16, run: &Run) -> bool {
        match waiting_step(&self.program, rule, run) {
            Some(Step::WaitFor { condition, .. }) => self.literal(rule, &run.origin, condition).value().is_true(),
            _ => false,
        }
    }

    /// Whether the output that a run has set is what it is to be.
    pub(super) fn is_confirmed(&self, rule: u16, run: &Run) -> bool {
        match waiting_step(&self.program, rule, run) {
            Some(Step::Set(set)) => self.is_set(rule, &run.origin, set),
            _ => false,
        }
    }

    /// The time of a wait is over.
    pub(super) fn time_is_over(&mut self, rule: u16, id: u64) {
        let program = self.program.clone();
        let now = self.now();
        let Some(run) = self.rules[usize::from(rule)].runs.iter().find(|run| run.id == id).cloned() else { return };
        let step = waiting_step(&program, rule, &run);
        match (run.waiting, step) {
            (Some(Waiting::Confirm(timer, tries)), Some(Step::Set(set))) if !self.is_set(rule, &run.origin, set) => {
                if tries >= set.retry {
                    let name = program.output_name(set.output);
                    self.did(rule, id, Did::Said(format!("{name} did not confirm")));
                    return self.wait_is_over(rule, id);
                }
                let again = Waiting::Confirm(Timer::new(now, timer.total), tries + 1);
                if let Some(run) = self.rules[usize::from(rule)].runs.iter_mut().find(|run| run.id == id) {
                    run.waiting = Some(again);
                }
                let forced = Set { force: true, ..set.clone() };
                self.set(rule, id, &run.origin, &forced);
                self.rules[usize::from(rule)].is_dirty = true;
            }
            (Some(Waiting::Condition(_)), Some(Step::WaitFor { goes_on: false, .. })) => {
                if self.condition_came(rule, &run) {
                    return self.wait_is_over(rule, id);
                }
                self.did(rule, id, Did::Said("what it waited for did not come".into()));
                self.end(rule, id);
            }
            (Some(_) | None, _) => self.wait_is_over(rule, id),
        }
    }

    pub(super) fn did(&mut self, rule: u16, id: u64, what: Did) {
        let now = self.clock.now();
        let at = self.clock.when();
        let traces = &mut self.rules[usize::from(rule)].traces;
        if let Some(trace) = traces.iter_mut().rev().find(|trace| trace.run == id) {
            let has_acted = what.is_act();
            trace.push(Deed { at, what });
            self.journal.note(rule, now.moment, has_acted);
        }
        self.shown(rule);
    }
}

/// The step that a run waits in.
fn waiting_step<'p>(program: &'p crate::rules::Program, rule: u16, run: &Run) -> Option<&'p Step> {
    let settings = &program.rules[usize::from(rule)];
    let steps = if run.leaves { &settings.leave } else { &settings.steps };
    steps.get(usize::from(run.step))
}
