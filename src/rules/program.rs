//! What the rules of a house are once they are checked: names are numbers, texts are code.

use super::expression::{Expression, Kind};
use super::names::{InputSpec, OutputSpec};
use super::schedule::{Location, Schedule, Zone};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::time::Duration;

/// All rules of a house.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Program {
    /// The first level or levels of all topic names.
    pub base: String,
    /// The time zone of schedules.
    pub zone: Zone,
    /// Where the house stands, for the sun.
    pub location: Option<Location>,
    /// Values that rules read. The slot of the first one in an expression is [`slot::FIRST`].
    pub inputs: Vec<InputSpec>,
    /// Devices whose availability counts.
    pub devices: Vec<String>,
    /// Properties that rules set.
    pub outputs: Vec<OutputSpec>,
    /// The rules, in the order of the files.
    pub rules: Vec<Rule>,
    /// The scenes.
    pub scenes: Vec<Scene>,
    /// The house's own properties, such as its mode.
    pub house: Vec<HouseProperty>,
    /// The tests of the rules.
    pub tests: Vec<super::test::Test>,
}

impl Program {
    /// A trigger of an event rule.
    ///
    /// # Panics
    /// If the rule has no such trigger: the numbers come from the program itself.
    pub fn trigger(&self, rule: u16, index: u16) -> &Trigger {
        match &self.rules[usize::from(rule)].start {
            Start::When(triggers) => &triggers[usize::from(index)],
            Start::While(_) => panic!("a level rule has no triggers"),
        }
    }

    /// Gives back memory that was taken for more to come.
    pub fn shrink(&mut self) {
        self.inputs.shrink_to_fit();
        self.devices.shrink_to_fit();
        self.outputs.shrink_to_fit();
        self.rules.shrink_to_fit();
        self.scenes.shrink_to_fit();
        for rule in &mut self.rules {
            rule.steps.shrink_to_fit();
            rule.leave.shrink_to_fit();
        }
    }
}

/// Slots of expressions that no message fills.
pub mod slot {
    /// Height of the sun above the horizon, in degrees.
    pub const SUN_ELEVATION: u16 = 0;
    /// Direction of the sun, in degrees from north over east.
    pub const SUN_AZIMUTH: u16 = 1;
    /// Hour of the day, 0 to 23.
    pub const HOUR: u16 = 2;
    /// Minute of the hour.
    pub const MINUTE: u16 = 3;
    /// Minutes since midnight on the clock on the wall.
    pub const MINUTES: u16 = 4;
    /// Day of the week, 1 is Monday.
    pub const WEEKDAY: u16 = 5;
    /// Day of the month.
    pub const DAY: u16 = 6;
    /// Month, 1 to 12.
    pub const MONTH: u16 = 7;
    /// Whether the wall clock can be trusted.
    pub const CLOCK_TRUSTED: u16 = 8;
    /// The `id` of the trigger that started the run.
    pub const TRIGGER_ID: u16 = 9;
    /// The value that started the run.
    pub const TRIGGER_VALUE: u16 = 10;
    /// The first value from a message.
    pub const FIRST: u16 = 16;
}

/// A property of the house itself, kept by the rules: `house.mode`.
#[derive(Clone, Debug, PartialEq)]
pub struct HouseProperty {
    /// Its id: `mode`.
    pub id: String,
    /// Its type.
    pub kind: Kind,
    /// The words it may be; empty for any.
    pub words: Vec<String>,
    /// What it is before anybody set it.
    pub initial: Literal,
    /// The input that carries it.
    pub input: u16,
}

/// A value that stands in the configuration or came in a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// Nothing is known.
    Unknown,
    /// True or false.
    Boolean(bool),
    /// A finite number.
    Number(f64),
    /// A text.
    Text(Box<str>),
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its id.
    pub id: Box<str>,
    /// Where it is defined, `file:line`.
    pub place: Box<str>,
    /// Whether it wins over others and runs while others are paused.
    pub is_safety: bool,
    /// How long other rules may not set what a safety rule has set.
    pub hold: Duration,
    /// What starts it.
    pub start: Start,
    /// What must be true besides.
    pub condition: Option<Expression>,
    /// The steps of `do`, or of `enter`.
    pub steps: Vec<Step>,
    /// The steps of `leave`.
    pub leave: Vec<Step>,
    /// What happens when it is to start while it runs.
    pub mode: Mode,
    /// Runs or waiting starts at one time, for `queued` and `parallel`.
    pub max: u16,
    /// How often it may start.
    pub limit: Option<Limit>,
    /// What becomes of its runs after a restart.
    pub on_restart: OnRestart,
    /// A start that was missed while the gateway was off counts if it is no older than this.
    pub run_if_within: Option<Duration>,
    /// Changes when the rule is written differently; kept runs of another version are given up.
    pub version: u32,
}

/// What starts a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// Something happens.
    When(Box<[Trigger]>),
    /// Something is so.
    While(Box<Level>),
}

/// One of the things that start an event rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    /// What happens.
    pub on: TriggerOn,
    /// How it is called in `trigger.id`.
    pub id: Option<Box<str>>,
    /// How long it must stay so.
    pub hold: Option<Duration>,
    /// As it is written, for people.
    pub text: Box<str>,
}

/// What starts a run.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerOn {
    /// A known value became another known value.
    Change {
        /// The value.
        input: u16,
        /// What it was, if that counts.
        from: Option<Box<Literal>>,
        /// What it became.
        to: Becomes,
    },
    /// An event came, with one of these words; with any if there are none.
    Event {
        /// The event.
        input: u16,
        /// The words.
        is: Box<[Box<str>]>,
    },
    /// A condition became true.
    True(Expression),
    /// A device became online or offline.
    Availability {
        /// The device.
        device: u16,
        /// Which of the two.
        online: bool,
    },
    /// A time came.
    At(Schedule),
    /// The gateway started.
    Started,
    /// Only somebody who says so.
    Manual,
}

/// What a changed value must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Becomes {
    /// Anything else than before.
    Other,
    /// This.
    Equal(Literal),
    /// It was not above this number, and is now.
    Above(f64),
    /// It was not below this number, and is now.
    Below(f64),
}

/// What must be so for a level rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// How it is found out.
    pub on: LevelOn,
    /// How long it must be so before the rule enters.
    pub hold: Duration,
    /// How long the rule stays at least.
    pub min_on: Duration,
    /// What counts while nobody knows.
    pub on_unknown: OnUnknown,
}

/// How a level is found out.
#[derive(Clone, Debug, PartialEq)]
pub enum LevelOn {
    /// A condition.
    Condition(Expression),
    /// A number with two thresholds.
    Hysteresis {
        /// The number.
        input: u16,
        /// Where it becomes true.
        on: f64,
        /// Where it becomes false again; below `on` if high means true.
        off: f64,
    },
}

/// What counts while nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnUnknown {
    /// False.
    #[default]
    Leave,
    /// What was before.
    Keep,
    /// True.
    Enter,
}

/// What happens when a rule is to start while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Nothing.
    #[default]
    Single,
    /// The run ends and a new one begins.
    Restart,
    /// The start waits.
    Queued,
    /// Another run begins.
    Parallel,
}

/// What becomes of a run when the gateway starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnRestart {
    /// It goes on; the time that passed meanwhile counts.
    #[default]
    Resume,
    /// It begins anew.
    Restart,
    /// It does the rest at once, without waiting.
    Finish,
    /// It is given up.
    Cancel,
}

/// How often a rule may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Starts.
    pub starts: u16,
    /// In this time.
    pub per: Duration,
}

/// One step of an action. Jumps go to an index of a step in the same list.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Sets a property.
    Set(Set),
    /// Sets all that a scene says.
    Scene {
        /// Which.
        scene: u16,
        /// How long its dimmers take.
        transition: Option<Duration>,
    },
    /// Publishes a message.
    Publish {
        /// Where.
        topic: String,
        /// What.
        payload: Template,
        /// Whether it is retained.
        retain: bool,
    },
    /// Raises an alert, which stays until somebody acknowledges it.
    Alert {
        /// Its name.
        name: String,
        /// What it says.
        text: Template,
        /// How often it says so again.
        repeat: Option<Duration>,
    },
    /// Takes an alert back.
    ClearAlert(String),
    /// Waits.
    Wait(Duration),
    /// Waits until something is true.
    WaitFor {
        /// What.
        condition: Expression,
        /// How long at most.
        timeout: Duration,
        /// Whether the run goes on when it did not come true.
        goes_on: bool,
    },
    /// Goes on at another step unless a condition is true.
    Unless(Expression, u16),
    /// Goes on at another step if a condition is true.
    When(Expression, u16),
    /// Goes on at another step.
    Jump(u16),
    /// The head of a loop: behind it after so many rounds, or once the condition is not true.
    Repeat {
        /// Which counter counts the rounds.
        counter: u8,
        /// Rounds at most.
        max: u16,
        /// What must be true for another round.
        condition: Option<Expression>,
        /// The step behind the loop.
        end: u16,
    },
    /// Ends the run.
    Stop,
}

/// Sets a property.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// Which, as an index into [`Program::outputs`].
    pub output: u16,
    /// To what.
    pub to: To,
    /// Off again after this time.
    pub pulse: Option<Duration>,
    /// How long it takes to get there.
    pub transition: Option<Duration>,
    /// Also when it is so already.
    pub force: bool,
    /// How long it may take until it is so; then it is set again.
    pub confirm: Option<Duration>,
    /// How often it is set again.
    pub retry: u8,
}

/// What a property is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum To {
    /// This.
    Value(Literal),
    /// The opposite of what it is.
    Toggle,
    /// What comes out.
    Expression(Expression),
}

/// A text with values in it: `Water in the cellar: {cellar/leak}`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Template(pub Vec<Piece>);

/// A piece of a [`Template`].
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// As it is.
    Text(String),
    /// What comes out.
    Value(Expression),
}

/// Several properties at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Its id.
    pub id: String,
    /// What is set.
    pub sets: Vec<Set>,
}

impl Literal {
    /// A payload as a value: `true` and `false`, numbers, anything else as text.
    pub fn of_payload(payload: &str) -> Self {
        match payload {
            "true" => Self::Boolean(true),
            "false" => Self::Boolean(false),
            "" => Self::Unknown,
            text => {
                let is_number = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
                let number = text.parse().ok().filter(|number: &f64| is_number && number.is_finite());
                number.map_or_else(|| Self::Text(text.into()), Self::Number)
            }
        }
    }

    /// The value, borrowed.
    pub fn value(&self) -> super::expression::Value<'_> {
        use super::expression::Value;
        match self {
            Self::Unknown => Value::Unknown,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Number(value) => Value::Number(*value),
            Self::Text(text) => Value::Text(text),
        }
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

impl From<super::expression::Value<'_>> for Literal {
    fn from(value: super::expression::Value<'_>) -> Self {
        use super::expression::Value;
        match value {
            Value::Unknown => Self::Unknown,
            Value::Boolean(value) => Self::Boolean(value),
            Value::Number(value) => Self::Number(value),
            Value::Text(text) => Self::Text(text.into()),
        }
    }
}

impl std::fmt::Display for Literal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.value().fmt(formatter)
    }
}

/// As the payload that it came in; nothing for what nobody knows.
impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_unknown() { serializer.serialize_str("") } else { serializer.collect_str(self) }
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|payload| Self::of_payload(&payload))
    }
}
