//! A light or a fan that has levels: curve, minimum, transitions.
//!
//! Knows levels and moments; it asks for a duty cycle and is told whether that could be written.

use super::command::{Action, Command, CommandResult, Status};
use super::outputs::Ticket;
use super::settings::{DimmerSettings, PowerOn};
use super::value::Value;
use crate::base::Moment;
use std::collections::VecDeque;
use std::time::Duration;

/// Time between two steps of a transition: finer ones are not seen.
pub const STEP: Duration = Duration::from_millis(20);

/// Why a command is refused while the controller is silent.
const HEARTBEAT_LOST: &str = "heartbeat-lost";

/// The highest level, in percent.
pub const LEVEL_MAX: f64 = 100.0;

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum DimmerEvent {
    /// Write a duty cycle, 0 to 1; tell [`Dimmer::failed`] if it cannot be.
    Duty(f64),
    /// Publish a level that was reached.
    Level(f64),
    /// Answer a command.
    Result(Ticket, CommandResult),
    /// The controller is silent for too long, or is back.
    Heartbeat {
        /// Whether it is silent.
        lost: bool,
    },
}

/// One dimmer.
#[derive(Debug)]
pub struct Dimmer {
    settings: DimmerSettings,
    level: f64,
    /// The last level that was not off.
    last_on: f64,
    way: Option<Way>,
    /// When the controller counts as lost, unless it gives a sign of life.
    alive_until: Option<Moment>,
    heartbeat_lost: bool,
    events: VecDeque<DimmerEvent>,
}

/// A transition.
#[derive(Debug)]
struct Way {
    from: f64,
    to: f64,
    begin: Moment,
    end: Moment,
    next: Moment,
    command: Option<(Ticket, Option<String>, Moment)>,
}

impl Dimmer {
    /// A dimmer that begins at the level that `power_on` says.
    pub fn new(now: Moment, settings: DimmerSettings, last: Option<f64>) -> Self {
        let last = last.filter(|last| (0.0..=LEVEL_MAX).contains(last));
        let level = match settings.power_on {
            PowerOn::Off | PowerOn::Keep => 0.0,
            PowerOn::On => LEVEL_MAX,
            PowerOn::Last | PowerOn::LastElseOff => last.unwrap_or(0.0),
        };
        let last_on = last.filter(|last| *last > 0.0).unwrap_or(LEVEL_MAX);
        let alive_until = settings.heartbeat.as_ref().map(|heartbeat| now + heartbeat.lost_after);
        let (way, events) = (None, VecDeque::new());
        let mut dimmer = Self { settings, level, last_on, way, alive_until, heartbeat_lost: false, events };
        dimmer.events.push_back(DimmerEvent::Duty(dimmer.duty(level)));
        dimmer.events.push_back(DimmerEvent::Level(level));
        dimmer
    }

    /// The level now.
    pub fn level(&self) -> f64 {
        self.level
    }

    /// The duty cycle of a level: off is off, everything else is above the minimum and follows the curve.
    pub fn duty(&self, level: f64) -> f64 {
        if level <= 0.0 {
            return 0.0;
        }
        let part = (level / LEVEL_MAX).powf(self.settings.gamma);
        self.settings.minimum + (1.0 - self.settings.minimum) * part
    }

    /// Takes in a command.
    pub fn command(&mut self, now: Moment, ticket: Ticket, command: Command) {
        let goal = match (command.action, command.pulse) {
            (_, Some(_)) => Err("no-pulse".to_owned()),
            (Action::Number(level), None) if (0.0..=LEVEL_MAX).contains(&level) => Ok(level),
            (Action::Number(_), None) => Err("range:0:100".to_owned()),
            (Action::Word(_), None) => Err("not-a-number".to_owned()),
            (Action::Set(true), None) => Ok(self.last_on),
            (Action::Set(false), None) => Ok(0.0),
            (Action::Toggle, None) if self.goal() > 0.0 => Ok(0.0),
            (Action::Toggle, None) => Ok(self.last_on),
        };
        let equals = |safe: f64, level: f64| (safe - level).abs() < f64::EPSILON;
        let safe = self.failsafe_level().filter(|_| self.heartbeat_lost);
        let is_safe = |level: &f64| safe.is_none_or(|safe| equals(safe, *level));
        match goal.and_then(|level| is_safe(&level).then_some(level).ok_or_else(|| HEARTBEAT_LOST.to_owned())) {
            Ok(level) => {
                let length = command.transition.unwrap_or(self.settings.transition);
                self.go(now, level, length, Some((ticket, command.id, now)));
            }
            Err(reason) => {
                let result = CommandResult::because(command.id, Status::Rejected, reason);
                self.events.push_back(DimmerEvent::Result(ticket, result));
            }
        }
    }

    /// Goes to the failsafe level at once.
    pub fn failsafe(&mut self, now: Moment) {
        if let Some(level) = self.failsafe_level() {
            self.go(now, level, Duration::ZERO, None);
        }
    }

    /// The failsafe level, if there is one.
    pub fn failsafe_level(&self) -> Option<f64> {
        self.settings.failsafe.state().map(|on| if on { LEVEL_MAX } else { 0.0 })
    }

    /// The controller gave a sign of life.
    pub fn alive(&mut self, now: Moment) {
        self.alive_until = self.settings.heartbeat.as_ref().map(|heartbeat| now + heartbeat.lost_after);
        if std::mem::take(&mut self.heartbeat_lost) {
            self.events.push_back(DimmerEvent::Heartbeat { lost: false });
        }
    }

    fn lose_heartbeat(&mut self, now: Moment) {
        self.heartbeat_lost = true;
        self.events.push_back(DimmerEvent::Heartbeat { lost: true });
        if let Some((ticket, id, _)) = self.way.as_mut().and_then(|way| way.command.take()) {
            let result = CommandResult::because(id, Status::Failed, HEARTBEAT_LOST);
            self.events.push_back(DimmerEvent::Result(ticket, result));
        }
        self.failsafe(now);
    }

    /// The last duty cycle could not be written.
    pub fn failed(&mut self, reason: &str) {
        if let Some((ticket, id, _)) = self.way.take().and_then(|way| way.command) {
            self.events.push_back(DimmerEvent::Result(ticket, CommandResult::because(id, Status::Failed, reason)));
        }
        self.events.retain(|event| !matches!(event, DimmerEvent::Level(_)));
    }

    /// Lets time pass.
    pub fn pass(&mut self, now: Moment) {
        if self.alive_until.take_if(|until| *until <= now).is_some() {
            self.lose_heartbeat(now);
        }
        let Some(way) = &mut self.way else { return };
        if way.next > now {
            return;
        }
        let whole = way.end.saturating_since(way.begin).as_secs_f64();
        let gone = now.saturating_since(way.begin).as_secs_f64();
        let part = if whole > 0.0 { (gone / whole).min(1.0) } else { 1.0 };
        self.level = if part >= 1.0 { way.to } else { way.from + (way.to - way.from) * part };
        way.next = (now + STEP).min(way.end);
        let is_there = part >= 1.0;
        self.events.push_back(DimmerEvent::Duty(self.duty(self.level)));
        if is_there {
            self.arrive(now);
        }
    }

    /// The next thing to do, if there is any.
    pub fn poll_output(&mut self) -> Option<DimmerEvent> {
        self.events.pop_front()
    }

    /// When to let time pass.
    pub fn next_deadline(&self) -> Option<Moment> {
        [self.way.as_ref().map(|way| way.next), self.alive_until].into_iter().flatten().min()
    }

    fn goal(&self) -> f64 {
        self.way.as_ref().map_or(self.level, |way| way.to)
    }

    fn go(&mut self, now: Moment, to: f64, length: Duration, command: Option<(Ticket, Option<String>, Moment)>) {
        if let Some((ticket, id, _)) = self.way.take().and_then(|way| way.command) {
            self.events.push_back(DimmerEvent::Result(ticket, CommandResult::new(id, Status::Superseded)));
        }
        self.way = Some(Way { from: self.level, to, begin: now, end: now + length, next: now, command });
        self.pass(now);
    }

    fn arrive(&mut self, now: Moment) {
        let Some(way) = self.way.take() else { return };
        if way.to > 0.0 {
            self.last_on = way.to;
        }
        self.events.push_back(DimmerEvent::Level(way.to));
        if let Some((ticket, id, received)) = way.command {
            let took = now.saturating_since(received).as_millis();
            let result = CommandResult {
                value: Some(Value::Number(way.to)),
                took_ms: Some(u64::try_from(took).unwrap_or(u64::MAX)),
                ..CommandResult::new(id, Status::Done)
            };
            self.events.push_back(DimmerEvent::Result(ticket, result));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::settings::{Failsafe, Heartbeat};

    const SETTINGS: DimmerSettings = DimmerSettings {
        minimum: 0.04,
        gamma: 2.0,
        transition: Duration::from_millis(100),
        power_on: PowerOn::LastElseOff,
        failsafe: Failsafe::Off,
        heartbeat: None,
    };

    fn at(milliseconds: u64) -> Moment {
        Moment::from_micros(milliseconds * 1000)
    }

    /// Everything it wants until it rests; duty cycles in thousandths.
    fn told(dimmer: &mut Dimmer, now: u64) -> Vec<String> {
        let mut told = Vec::new();
        let mut now = at(now);
        loop {
            while let Some(event) = dimmer.poll_output() {
                let time = now.as_micros() / 1000;
                told.push(match event {
                    DimmerEvent::Duty(duty) => format!("{time} duty {duty:.3}"),
                    DimmerEvent::Level(level) => format!("{time} level {level}"),
                    DimmerEvent::Result(_, result) => format!("{time} {}", result.to_json()),
                    DimmerEvent::Heartbeat { lost } => format!("{time} heartbeat lost={lost}"),
                });
            }
            let Some(next) = dimmer.next_deadline() else { return told };
            assert!(next > now, "it does not come to rest");
            now = next;
            dimmer.pass(now);
        }
    }

    #[test]
    fn a_transition_goes_in_steps_and_is_done_when_it_is_there() {
        let mut dimmer = Dimmer::new(at(0), SETTINGS, None);
        assert_eq!(told(&mut dimmer, 0), ["0 duty 0.000", "0 level 0"]);
        dimmer.command(at(0), Ticket(1), Command::plain(Action::Number(50.0)));
        let steps = told(&mut dimmer, 0);
        assert_eq!(steps[0], "0 duty 0.000");
        assert_eq!(steps[1], "20 duty 0.050");
        let end = ["100 duty 0.280", "100 level 50", r#"100 {"status":"done","value":50.0,"took_ms":100}"#];
        assert_eq!(steps[5..], end);
    }

    #[test]
    fn on_is_the_last_level_and_a_later_command_supersedes() {
        let mut dimmer = Dimmer::new(at(0), SETTINGS, Some(30.0));
        assert_eq!(told(&mut dimmer, 0)[1], "0 level 30");
        dimmer.command(at(0), Ticket(1), Command::plain(Action::Set(false)));
        dimmer.command(at(50), Ticket(2), Command::plain(Action::Toggle));
        let told = told(&mut dimmer, 50);
        assert!(told.iter().any(|line| line.contains("superseded")), "{told:?}");
        assert_eq!(told.iter().rev().nth(1).map(String::as_str), Some("150 level 30"), "{told:?}");
    }

    #[test]
    fn what_is_no_level_is_refused_and_failsafe_is_at_once() {
        let mut dimmer = Dimmer::new(at(0), SETTINGS, Some(30.0));
        told(&mut dimmer, 0);
        dimmer.command(at(0), Ticket(1), Command::plain(Action::Number(101.0)));
        assert_eq!(told(&mut dimmer, 0), [r#"0 {"status":"rejected","reason":"range:0:100"}"#]);
        dimmer.failsafe(at(10));
        assert_eq!(told(&mut dimmer, 10), ["10 duty 0.000", "10 level 0"]);
    }

    #[test]
    fn a_silent_controller_takes_the_light_to_its_failsafe_level() {
        let heartbeat = Heartbeat { topic: "garden/alive".into(), lost_after: Duration::from_secs(2) };
        let mut dimmer = Dimmer::new(at(0), DimmerSettings { heartbeat: Some(heartbeat), ..SETTINGS }, Some(30.0));
        dimmer.alive(at(500));
        let lost = ["2500 heartbeat lost=true", "2500 duty 0.000", "2500 level 0"];
        assert_eq!(told(&mut dimmer, 500)[2..], lost);
        dimmer.command(at(3000), Ticket(1), Command::plain(Action::Number(50.0)));
        assert_eq!(told(&mut dimmer, 3000), [r#"3000 {"status":"rejected","reason":"heartbeat-lost"}"#]);
        dimmer.alive(at(4000));
        dimmer.command(at(4000), Ticket(2), Command::plain(Action::Number(50.0)));
        let told = told(&mut dimmer, 4000);
        assert_eq!(told[0], "4000 heartbeat lost=false");
        assert!(told.iter().any(|line| line == "4100 level 50"), "{told:?}");
    }
}
