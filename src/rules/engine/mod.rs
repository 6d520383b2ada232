//! Runs the rules: what happened comes in, commands and what must be kept go out.
//!
//! A machine with three verbs and no clock. [`Input::Keep`](Output::Keep) goes before what may not be done twice: a
//! run that was kept already speaks of a pulse only after the record that says so is safe.

mod actions;
mod alerts;
mod clock;
mod compact;
mod explain;
mod journal;
mod level;
mod outputs;
mod record;
mod run;
mod starting;
mod switch;
mod topics;
mod trace;
mod triggers;
mod values;
mod watch;

pub use clock::{Now, When};
pub use explain::{Entry, Glance};
pub use journal::{PAGE_EVERY, PAGE_MAX, PAGES_AT_ONCE};
pub use record::{Kept, Record};
pub use run::Origin;
pub use trace::{Deed, Did, Outcome, Trace};

use super::expression::Kind;
use super::program::{Literal, Mode, Program, Rule, Start};
use crate::base::Moment;
use alerts::Alert;
use clock::Clock;
use compact::{Empty, Seldom};
use journal::Journal;
use level::LevelState;
use outputs::OutputState;
use run::Run;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use switch::Pause;
use topics::Topics;
use triggers::TriggerState;
use watch::Watches;

/// How long the engine waits for its devices after a start before unknown values count as unknown.
pub const SETTLE: Duration = Duration::from_secs(10);

/// How many rules in a row may cause each other; beyond that it is a loop.
pub const DEPTH_MAX: u8 = 16;

/// Steps a run may take without waiting.
pub const FUEL: u32 = 1_000;

/// Changes of the house's own properties that are followed for one input.
pub const CHANGES_MAX: usize = 64;

/// Traces that are kept of one rule; fewer, but two at least, where more than [`TRACES_ALL_MAX`] would come of that.
pub const TRACES_MAX: usize = 8;

/// Traces that are kept of all rules.
pub const TRACES_ALL_MAX: usize = 2_000;

/// Speeches that wait for their record to be safe; beyond that they are refused.
pub const HELD_MAX: usize = 1_024;

/// Outputs that wait to be asked for; beyond that, what rules say is refused.
pub const OUTPUTS_MAX: usize = 20_000;

/// Starts of one rule that are allowed within [`STARTS_PER`] unless its `limit` says less.
pub const STARTS_MAX: u16 = 600;

/// See [`STARTS_MAX`].
pub const STARTS_PER: Duration = Duration::from_mins(10);

/// Something happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'i> {
    /// A message came in. `replayed` if it is what was retained.
    Message {
        /// Its topic name.
        topic: &'i str,
        /// Its payload.
        payload: &'i [u8],
        /// Whether it tells what is, not what happens.
        replayed: bool,
    },
    /// Everything that was kept and retained has come in: the rules start.
    Started,
    /// A record is safe.
    Kept(u64),
    /// Time passed.
    Tick,
    /// Somebody enables or disables a rule.
    Enable(u16, bool),
    /// Somebody starts a rule.
    Start(u16),
    /// Somebody pauses all rules but those for safety, for so long, or until further notice.
    Pause(Option<Duration>),
    /// Somebody lets them go on.
    Continue,
    /// Somebody acknowledges an alert.
    Acknowledge(&'i str),
    /// The gateway stops: what is told later otherwise is kept now.
    Stop,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// A message is to be published.
    Publish(Speech),
    /// A record is to be kept, and [`Input::Kept`] told with the number when it is safe.
    Keep {
        /// The number.
        number: u64,
        /// Whose record it is.
        of: Kept,
        /// What it is; empty if there is nothing more to keep.
        record: String,
    },
    /// What a rule shows of itself has changed.
    Shown(u16),
}

/// A message that is to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Speech {
    /// Its topic name.
    pub topic: String,
    /// Its payload.
    pub payload: String,
    /// Whether it is retained.
    pub retain: bool,
    /// Whether it is a command to a device, which is not to come twice.
    pub is_command: bool,
}

/// What the engine knows of one rule.
#[derive(Clone, Debug, Default)]
struct RuleState {
    is_disabled: bool,
    runs: Vec<Run>,
    triggers: Box<[TriggerState]>,
    level: Seldom<LevelState>,
    lists: Seldom<RuleLists>,
    /// Start of the window of the general limit, and starts in it.
    window: (Moment, u16),
    /// Oldest first.
    traces: VecDeque<Trace>,
    started: u64,
    /// What must be kept differs from what was kept.
    is_dirty: bool,
    /// Whether anything was kept that a new record must replace.
    is_kept: bool,
    next: Option<Moment>,
}

/// What few rules have.
#[derive(Clone, Debug, Default)]
struct RuleLists {
    /// Starts that wait for the run before them.
    queue: VecDeque<Origin>,
    /// Starts within the limit's time, oldest first.
    starts: VecDeque<Moment>,
    alerts: Vec<Alert>,
    /// Outputs that this safety rule holds, and until when.
    holds: Vec<(u16, Moment)>,
    /// Its runs of before the restart wait for the end of the pause to do what their policy says.
    resumes_later: bool,
}

impl Empty for RuleLists {
    const EMPTY: &'static Self = &Self {
        queue: VecDeque::new(),
        starts: VecDeque::new(),
        alerts: Vec::new(),
        holds: Vec::new(),
        resumes_later: false,
    };
}

/// The rules of a house at work.
#[derive(Debug)]
pub struct Engine {
    program: Arc<Program>,
    clock: Clock,
    /// What each input is, by its index.
    inputs: Vec<Literal>,
    /// What happened with a device's availability: unknown until its first message.
    devices: Vec<Option<bool>>,
    /// Inputs that their device reports as troubled.
    troubled: Vec<bool>,
    /// Why each input has the value it has.
    causes: Vec<Cause>,
    outputs: Vec<OutputState>,
    rules: Vec<RuleState>,
    watches: Watches,
    topics: Topics,
    deadlines: BTreeSet<(Moment, u16)>,
    /// Rules that were looked at in this input: their records may have changed.
    touched: Vec<u16>,
    /// Changes of house properties that are not followed yet.
    changes: VecDeque<(u16, Literal, Cause)>,
    out: VecDeque<Output>,
    /// Rules of which an [`Output::Shown`] waits already.
    shown: Box<[bool]>,
    /// Speeches that wait for a record to be safe.
    held: VecDeque<(u64, Speech)>,
    records: u64,
    /// The number of the last run, and how far numbers are reserved on the disk.
    runs: u64,
    runs_reserved: u64,
    /// Runs up to this number are of before the start.
    runs_before: u64,
    /// What is kept of all rules together differs from what was kept.
    is_dirty: bool,
    journal: Journal,
    paused: Option<Pause>,
    /// Set until the devices are there after a start.
    settling: Option<Moment>,
    has_started: bool,
    counters: Counters,
}

/// What is counted of limits that were met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Chains of rules that were cut.
    pub loops: u64,
    /// Runs that used up their fuel.
    pub fuel: u64,
    /// Starts beyond a limit.
    pub starts_refused: u64,
    /// Commands beyond an output's rate.
    pub commands_refused: u64,
    /// Commands and messages that had to wait for a record or for the broker, beyond what may wait.
    pub speeches_refused: u64,
}

/// Who is behind a value or a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The run that set it; 0 for anybody else.
    pub run: u64,
    /// The rule of that run.
    pub rule: u16,
    /// How many rules in a row caused each other.
    pub depth: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TopicUse {
    Input(u16),
    Availability(u16),
    Problem(u16),
    HouseSet(u16),
}

impl Engine {
    /// An engine that knows nothing of the house yet.
    pub fn new(program: Arc<Program>, now: Now) -> Self {
        let rules: Vec<RuleState> = program.rules.iter().map(RuleState::new).collect();
        let mut engine = Self {
            clock: Clock::new(now),
            inputs: vec![Literal::Unknown; program.inputs.len()],
            devices: vec![None; program.devices.len()],
            troubled: vec![false; program.inputs.len()],
            causes: vec![Cause::default(); program.inputs.len()],
            outputs: vec![OutputState::default(); program.outputs.len()],
            rules,
            watches: Watches::new(&program),
            topics: Topics::new(&program),
            deadlines: BTreeSet::new(),
            touched: Vec::new(),
            changes: VecDeque::new(),
            out: VecDeque::new(),
            shown: vec![false; program.rules.len()].into(),
            held: VecDeque::new(),
            records: 0,
            runs: 0,
            runs_reserved: 0,
            runs_before: 0,
            is_dirty: false,
            journal: Journal::new(program.rules.len(), now.moment),
            paused: None,
            settling: None,
            has_started: false,
            counters: Counters::default(),
            program,
        };
        for property in &engine.program.clone().house {
            engine.inputs[usize::from(property.input)] = property.initial.clone();
        }
        engine
    }

    /// The rules.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The topics whose messages it wants to see, each once.
    pub fn topics(&self) -> impl Iterator<Item = String> {
        topics::all(&self.program).into_iter()
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        let change = self.clock.set(now);
        if self.has_started {
            self.clock_moved(change);
        }
        match input {
            Input::Message { topic, payload, replayed } => self.message(topic, payload, replayed),
            Input::Started => self.start(),
            Input::Kept(number) => self.kept(number),
            Input::Tick => {}
            Input::Enable(rule, enabled) => self.enable(rule, enabled),
            Input::Start(rule) => self.start_by_hand(rule),
            Input::Pause(length) => self.pause_for(length),
            Input::Continue => self.pause(None),
            Input::Acknowledge(alert) => self.acknowledge(alert),
            Input::Stop => self.journal.stop(self.clock.now().moment),
        }
        self.follow_changes();
        self.pass_time();
        self.follow_changes();
        self.keep();
        self.keep_traces();
    }

    /// The next thing to be done.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.out.pop_front()?;
        if let Output::Shown(rule) = output {
            self.shown[usize::from(rule)] = false;
        }
        Some(output)
    }

    /// What a rule shows of itself has changed.
    fn shown(&mut self, rule: u16) {
        if !std::mem::replace(&mut self.shown[usize::from(rule)], true) {
            self.out.push_back(Output::Shown(rule));
        }
    }

    /// When time must be passed.
    pub fn next_deadline(&self) -> Option<Moment> {
        let rules = self.deadlines.first().map(|(at, _)| *at);
        let journal = self.journal.next_deadline();
        [rules, self.settling, self.pause_end(), journal].into_iter().flatten().min()
    }

    /// The same engine, whose traces are not kept over a restart: for tests and simulations, which have no disk.
    #[must_use]
    pub fn without_pages(mut self) -> Self {
        self.journal = Journal::none();
        self
    }

    /// The number of the last record that was to be kept.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// What was counted of limits.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The rule of an id.
    pub fn rule_named(&self, id: &str) -> Option<u16> {
        self.program.rules.iter().position(|rule| *rule.id == *id).map(|index| index as u16)
    }

    fn now(&self) -> Moment {
        self.clock.now().moment
    }

    fn pass_time(&mut self) {
        let now = self.now();
        if self.settling.is_some_and(|until| until <= now || self.all_devices_online()) {
            self.settle();
        }
        if self.pause_end().is_some_and(|until| until <= now) {
            self.pause(None);
        }
        // What is due again at once waits for the next turn: time does not stand still for a rule.
        let due: Vec<u16> = self.deadlines.range(..=(now, u16::MAX)).map(|(_, rule)| *rule).collect();
        for rule in due {
            self.rule_due(rule);
            self.arm(rule);
        }
    }

    fn rule_due(&mut self, rule: u16) {
        let now = self.now();
        self.alerts_due(rule);
        let state = &mut self.rules[usize::from(rule)];
        if let Some(lists) = state.lists.get_mut() {
            let before = lists.holds.len();
            lists.holds.retain(|(_, until)| *until > now);
            state.is_dirty |= lists.holds.len() != before;
        }
        if self.rests(rule) {
            return;
        }
        match &self.program.rules[usize::from(rule)].start {
            Start::When(_) => self.triggers_due(rule),
            Start::While(_) => self.level_check(rule, Cause::default()),
        }
        self.runs_due(rule);
    }

    /// Whether a rule does nothing now: before the devices are there, and while it is paused.
    fn rests(&self, rule: u16) -> bool {
        let is_paused = self.paused.is_some() && !self.program.rules[usize::from(rule)].is_safety;
        !self.has_started || self.settling.is_some() || is_paused
    }

    /// Computes when a rule has to be looked at next.
    fn arm(&mut self, rule: u16) {
        self.touched.push(rule);
        let next = self.rule_deadline(rule);
        let state = &mut self.rules[usize::from(rule)];
        if state.next == next {
            return;
        }
        if let Some(before) = state.next {
            self.deadlines.remove(&(before, rule));
        }
        state.next = next;
        if let Some(next) = next {
            self.deadlines.insert((next, rule));
        }
    }

    fn rule_deadline(&self, rule: u16) -> Option<Moment> {
        let state = &self.rules[usize::from(rule)];
        let alerts = state.lists.alerts.iter().filter_map(|alert| alert.next);
        let holds = state.lists.holds.iter().map(|(_, until)| *until);
        let always = alerts.chain(holds).min();
        if self.rests(rule) {
            return always;
        }
        let runs = state.runs.iter().filter_map(|run| run.waiting.as_ref().map(|waiting| waiting.timer().until));
        let triggers = state.triggers.iter().filter_map(|trigger| self.trigger_deadline(trigger));
        let level = self.level_deadline(rule);
        runs.chain(triggers).chain(level).chain(always).min()
    }
}

impl RuleState {
    fn new(rule: &Rule) -> Self {
        let count = match &rule.start {
            Start::When(triggers) => triggers.len(),
            Start::While(_) => 0,
        };
        Self { triggers: vec![TriggerState::default(); count].into(), ..Self::default() }
    }
}

impl Rule {
    /// How many runs there may be at one time.
    fn runs_max(&self) -> usize {
        match self.mode {
            Mode::Single | Mode::Restart | Mode::Queued => 1,
            Mode::Parallel => usize::from(self.max),
        }
    }
}

/// Whether a value is one that a property can be.
fn fits(value: &Literal, kind: Kind) -> bool {
    match (value, kind) {
        (Literal::Boolean(_), Kind::Boolean)
        | (Literal::Number(_), Kind::Number(_))
        | (Literal::Text(_), Kind::Text)
        | (_, Kind::Any) => true,
        (Literal::Unknown | Literal::Boolean(_) | Literal::Number(_) | Literal::Text(_), _) => false,
    }
}
