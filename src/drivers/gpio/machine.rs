//! A device on lines, as a machine: levels, edges and commands in, levels to drive and things to tell out. Pure.
//!
//! Lines are numbered: first the outputs, then inputs, buttons and counters.

use super::lines::Edge;
use crate::base::Moment;
use crate::config::GpioDevice;
use crate::device::{Button, Counter, Debounce, OutputEvent, OutputInput, OutputSpec, Value};
use crate::drivers::Start;
use crate::drivers::door::Asked;
use crate::drivers::say::Say;
use crate::drivers::switches::{SharedInterlocks, Switches};
use std::collections::VecDeque;
use std::time::Duration;

/// What was known of a device before its start.
#[derive(Debug, Default)]
pub(in crate::drivers) struct Last {
    /// Its outputs.
    pub(in crate::drivers) switches: Vec<Option<bool>>,
    /// The totals of its counters.
    pub(in crate::drivers) totals: Vec<Option<f64>>,
}

/// What the device is told.
#[derive(Debug)]
pub(in crate::drivers) enum LinesInput {
    /// The lines are open, and these are the levels of all of them.
    Opened(Vec<bool>),
    /// An input changed.
    Edge(Edge),
    /// The level that was read back after a write, or why it could not be written.
    Written { output: usize, result: Result<bool, String> },
    /// The level of a line that was asked for; told if someone wants to know it.
    Level { line: usize, level: bool, is_wanted: bool },
    /// Someone asks something of it.
    Asked(Asked),
    /// Bring every output into its failsafe state and keep what was counted.
    End,
    /// Time has passed.
    Time,
}

/// What the device wants done.
#[derive(Debug, PartialEq)]
pub(in crate::drivers) enum LinesWish {
    /// Drive an output, then read it back.
    Write { output: usize, on: bool },
    /// Read a line.
    Read { line: usize, is_wanted: bool },
    /// Tell something.
    Say(Say),
}

/// One device on lines. It knows no lines and no clock.
#[derive(Debug)]
pub(in crate::drivers) struct LinesMachine {
    pub(super) gpio: GpioDevice,
    outputs: Switches,
    /// Whether edges are debounced by the time they are told.
    pub(super) is_debounced: bool,
    /// Debounced levels of inputs, buttons and counters.
    pub(super) levels: Vec<Debounce>,
    pub(super) buttons: Vec<Button>,
    pub(super) counters: Vec<Counter>,
    /// Edges that were lost since the start, by input, button and counter.
    pub(super) lost: Vec<u64>,
    /// States to bring the outputs into at the start.
    restore: Vec<Option<bool>>,
    /// Whether a write is wished for and its outcome not known yet.
    is_writing: bool,
    wishes: VecDeque<LinesWish>,
}

impl LinesMachine {
    /// A device of which nothing is known but what was `last`.
    pub(in crate::drivers) fn new(
        now: Moment,
        interlocks: &SharedInterlocks,
        device: &str,
        gpio: &GpioDevice,
        last: &Last,
        start: Start,
    ) -> Self {
        let outputs = Switches::new(interlocks, device, gpio.outputs.iter().map(spec).collect());
        let restore = match start {
            Start::Fresh => outputs.start_states(&last.switches),
            Start::AfterFault => outputs.failsafe_states(),
        };
        let total = |index: usize| last.totals.get(index).copied().flatten();
        let counters = gpio.counters.iter().enumerate();
        let counters: Vec<Counter> =
            counters.map(|(index, counter)| Counter::new(counter.counter, total(index), now)).collect();
        let inputs = gpio.inputs.len() + gpio.buttons.len() + counters.len();
        Self {
            outputs,
            is_debounced: false,
            levels: Vec::new(),
            buttons: gpio.buttons.iter().map(|button| Button::new(button.button)).collect(),
            counters,
            lost: vec![0; inputs],
            restore,
            is_writing: false,
            wishes: VecDeque::new(),
            gpio: gpio.clone(),
        }
        .debounced(false)
    }

    /// Says whether the lines debounce by themselves; before they are open.
    pub(in crate::drivers) fn debounced(mut self, is_debounced: bool) -> Self {
        let gpio = &self.gpio;
        let lengths = gpio.inputs.iter().map(|input| input.debounce);
        let lengths = lengths.chain(gpio.buttons.iter().map(|button| button.debounce));
        let lengths = lengths.chain(gpio.counters.iter().map(|counter| counter.debounce));
        let length = |length| if is_debounced { Duration::ZERO } else { length };
        self.levels = lengths.map(|wanted| Debounce::new(length(wanted))).collect();
        self.is_debounced = is_debounced;
        self
    }

    /// The levels to open the outputs with.
    pub(in crate::drivers) fn first_levels(&self) -> Vec<Option<bool>> {
        self.outputs.first_levels(&self.restore)
    }

    /// The levels to leave the outputs at, whatever happens.
    pub(in crate::drivers) fn failsafe_levels(&self) -> Vec<Option<bool>> {
        self.outputs.failsafe_states()
    }

    /// Takes in what happened.
    pub(in crate::drivers) fn handle(&mut self, now: Moment, input: LinesInput) {
        match input {
            LinesInput::Opened(levels) => self.opened(now, &levels),
            LinesInput::Edge(edge) => self.edge(now, edge),
            LinesInput::Written { output, result } => self.written(now, output, result),
            LinesInput::Level { line, level, is_wanted } => self.level(now, line, level, is_wanted),
            LinesInput::Asked(asked) => self.asked(now, asked),
            LinesInput::End => {
                self.pass_inputs(now);
                self.tell_outputs(now, OutputInput::Failsafe);
                self.keep_totals();
            }
            LinesInput::Time => {
                self.pass_inputs(now);
                self.tell_outputs(now, OutputInput::Time);
            }
        }
    }

    /// The next thing to do, if there is any. Ask again after every input.
    pub(in crate::drivers) fn poll_output(&mut self) -> Option<LinesWish> {
        self.wishes.pop_front()
    }

    /// When [`LinesInput::Time`] is due.
    pub(in crate::drivers) fn next_deadline(&self) -> Option<Moment> {
        let levels = self.levels.iter().filter_map(Debounce::next_deadline);
        let buttons = self.buttons.iter().filter_map(Button::next_deadline);
        let counters = self.counters.iter().filter_map(Counter::next_deadline);
        levels.chain(buttons).chain(counters).chain(self.outputs.next_deadline()).min()
    }

    /// Waits until outputs of other devices let go what they excluded; then [`LinesInput::Time`] is due.
    pub(in crate::drivers) async fn eased(&mut self) {
        self.outputs.eased().await;
    }

    fn opened(&mut self, now: Moment, levels: &[bool]) {
        let (outputs, inputs) = levels.split_at(self.gpio.outputs.len());
        self.tell_outputs(now, OutputInput::Found);
        for (output, on) in outputs.iter().enumerate() {
            self.tell_outputs(now, OutputInput::Observed { output, on: *on });
        }
        let restore = std::mem::take(&mut self.restore);
        self.tell_outputs(now, OutputInput::Restore(restore));
        for (index, level) in inputs.iter().enumerate() {
            self.levels[index].handle(now, *level);
            self.settle_level(now, index);
        }
        self.tell_totals(now);
        self.say(Say::Online);
    }

    fn written(&mut self, now: Moment, output: usize, result: Result<bool, String>) {
        let part = self.gpio.outputs[output].id.clone();
        self.is_writing = false;
        match result {
            Ok(on) => {
                self.say(Say::Well { part });
                self.tell_outputs(now, OutputInput::Observed { output, on });
            }
            Err(reason) => {
                self.say(Say::Trouble { part, kind: "write", text: reason.clone() });
                self.tell_outputs(now, OutputInput::WriteFailed { output, reason });
            }
        }
    }

    fn level(&mut self, now: Moment, line: usize, level: bool, is_wanted: bool) {
        let Some(index) = line.checked_sub(self.gpio.outputs.len()) else {
            self.tell_outputs(now, OutputInput::Observed { output: line, on: level });
            if is_wanted {
                let property = self.gpio.outputs[line].id.clone();
                self.say(Say::Passing { property, value: Value::Boolean(level) });
            }
            return;
        };
        self.levels[index].handle(now, level);
        self.settle_level(now, index);
        if is_wanted && let Some(level) = self.levels[index].level() {
            let property = self.input_id(index).to_owned();
            self.say(Say::State { property, value: Value::Boolean(level) });
        }
    }

    fn asked(&mut self, now: Moment, asked: Asked) {
        match asked {
            Asked::Set { property, ticket, command } => match self.output_of(&property) {
                Some(output) => self.tell_outputs(now, OutputInput::Command { output, ticket, command }),
                None => self.set_total(now, property, ticket, &command),
            },
            Asked::Get { property } => {
                let inputs = self.gpio.inputs.iter().position(|input| input.id == property);
                let input = inputs.map(|index| self.gpio.outputs.len() + index);
                if let Some(line) = self.output_of(&property).or(input) {
                    self.wishes.push_back(LinesWish::Read { line, is_wanted: true });
                } else if let Some(index) = self.gpio.counters.iter().position(|counter| counter.id == property) {
                    let value = Value::Number(self.counters[index].total());
                    self.say(Say::Passing { property, value });
                }
            }
            Asked::Alive { outputs } => {
                for output in outputs.iter().filter_map(|id| self.output_of(id)).collect::<Vec<_>>() {
                    self.tell_outputs(now, OutputInput::Alive { output });
                }
            }
        }
    }

    fn output_of(&self, id: &str) -> Option<usize> {
        self.gpio.outputs.iter().position(|output| output.id == id)
    }

    /// Hands something to the outputs; what they want becomes wishes. After a write nothing more is asked of them until
    /// its outcome is known: a line follows at once, and a target that is reached at once need not be told.
    fn tell_outputs(&mut self, now: Moment, input: OutputInput) {
        self.outputs.handle(now, input);
        while !self.is_writing
            && let Some(event) = self.outputs.poll_output()
        {
            if let OutputEvent::Write { output, on } = event {
                self.is_writing = true;
                self.wishes.push_back(LinesWish::Write { output, on });
                continue;
            }
            let outputs = &self.gpio.outputs;
            let say = Say::of_output(event, |output| outputs[output].id.clone());
            self.wishes.extend(say.map(LinesWish::Say));
        }
    }

    /// Reads a line again.
    pub(super) fn read(&mut self, line: usize) {
        self.wishes.push_back(LinesWish::Read { line, is_wanted: false });
    }

    pub(super) fn say(&mut self, say: Say) {
        self.wishes.push_back(LinesWish::Say(say));
    }
}

fn spec(output: &crate::config::GpioOutput) -> OutputSpec {
    OutputSpec { id: output.id.clone(), settings: output.output.clone(), confirm: None }
}
