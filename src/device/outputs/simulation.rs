//! Thousands of seeded days of three interlocked relays on two devices that are slow, forgetful and sometimes gone.
//!
//! What must hold whatever happens: the relays are never on together nor closer than the dead time, none is on
//! longer than it may or back on sooner than it may, and every command gets exactly one last answer.

use super::*;
use crate::device::interlocks::Interlock;
use crate::device::settings::{Failsafe, PowerOn};
use std::collections::BTreeMap;

const DEAD_TIME: Duration = Duration::from_millis(700);
const CONFIRM: Duration = Duration::from_secs(2);
const MAX_ON: Duration = Duration::from_secs(20);
const MIN_OFF: Duration = Duration::from_secs(3);

/// Which device each relay belongs to, and which of its outputs it is.
const PLACES: [(usize, usize); 3] = [(0, 0), (0, 1), (1, 0)];

/// The device takes a write within this time or never: well before the write counts as failed.
const REACTION_MAX_MILLIS: u64 = 1_000;

/// The device reports its state so often.
const REPORT: Duration = Duration::from_millis(400);

/// A 64-bit xorshift: the same seed, the same day.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn once_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// One relay as it really is.
#[derive(Clone, Copy, Default)]
struct Relay {
    on: bool,
    since: Moment,
}

struct Day {
    random: Random,
    now: Moment,
    machines: [Outputs; 2],
    interlocks: Interlocks,
    relays: [Relay; 3],
    /// Writes on their way: when they take effect, on which relay, and to which state.
    writes: Vec<(Moment, usize, bool)>,
    next_report: Moment,
    is_there: [bool; 2],
    /// Whether the devices never lost a write or went away: only then can it follow in time.
    was_good: bool,
    /// Whether the devices lose writes and go away.
    is_bad: bool,
    last_answers: BTreeMap<Ticket, u32>,
    commands: u64,
}

impl Day {
    fn new(seed: u64, is_bad: bool) -> Self {
        let settings = |min_off: Option<Duration>| OutputSettings {
            power_on: PowerOn::Off,
            failsafe: Failsafe::Off,
            max_on: Some(MAX_ON),
            min_off,
            heartbeat: None,
        };
        let spec =
            |id: &str, min_off| OutputSpec { id: id.to_owned(), settings: settings(min_off), confirm: Some(CONFIRM) };
        let blind = Outputs::new("blind", vec![spec("up", None), spec("down", None)]);
        let far = Outputs::new("shed", vec![spec("motor", Some(MIN_OFF))]);
        let outputs = ["blind/up", "blind/down", "shed/motor"].map(str::to_owned).to_vec();
        let mut day = Self {
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            now: Moment::START,
            machines: [blind, far],
            interlocks: Interlocks::new(vec![Interlock { outputs, dead_time: DEAD_TIME }]),
            relays: [Relay::default(); 3],
            writes: Vec::new(),
            next_report: Moment::START,
            is_there: [true; 2],
            was_good: !is_bad,
            is_bad,
            last_answers: BTreeMap::new(),
            commands: 0,
        };
        day.tell_all(&OutputInput::Found);
        day
    }

    fn tell_all(&mut self, input: &OutputInput) {
        for device in 0..self.machines.len() {
            self.tell(device, input.clone());
        }
    }

    /// Tells one device; when that eases others, all are asked again.
    fn tell(&mut self, device: usize, input: OutputInput) {
        let mut eased = self.machines[device].handle(self.now, input, &mut self.interlocks);
        self.carry_out(device);
        while eased {
            eased = false;
            for device in 0..self.machines.len() {
                eased |= self.machines[device].handle(self.now, OutputInput::Time, &mut self.interlocks);
                self.carry_out(device);
            }
        }
    }

    fn carry_out(&mut self, device: usize) {
        while let Some(event) = self.machines[device].poll_output() {
            match event {
                OutputEvent::Write { output, on } => {
                    assert!(self.is_there[device], "nothing is written to a device that is lost");
                    let is_lost = self.is_bad && self.random.once_in(6);
                    if !is_lost {
                        let reaction = Duration::from_millis(self.random.below(REACTION_MAX_MILLIS));
                        let relay = PLACES.iter().position(|place| *place == (device, output)).expect("a relay");
                        self.writes.push((self.now + reaction, relay, on));
                    }
                }
                OutputEvent::Result { ticket, result, .. } if result.status != Status::Accepted => {
                    *self.last_answers.entry(ticket).or_default() += 1;
                }
                OutputEvent::Result { .. }
                | OutputEvent::State { .. }
                | OutputEvent::Target { .. }
                | OutputEvent::Heartbeat { .. } => {}
            }
        }
    }

    fn command(&mut self) {
        let (device, output) = PLACES[self.random.below(3) as usize];
        let action = match self.random.below(5) {
            0 | 1 => Action::Set(true),
            2 => Action::Set(false),
            _ => Action::Toggle,
        };
        let pulse = self.random.once_in(3).then(|| Duration::from_millis(1 + self.random.below(25_000)));
        let ttl = Some(Duration::from_millis(self.random.below(6_000)));
        self.commands += 1;
        let ticket = Ticket(self.commands);
        let command = Command { pulse, ttl, ..Command::plain(action) };
        self.tell(device, OutputInput::Command { output, ticket, command });
    }

    /// Whatever is next: a write takes effect, the device reports, the machine's deadline, or someone acts.
    fn step(&mut self, person: Moment) -> bool {
        let write = self.writes.iter().map(|(at, ..)| *at).min();
        let report = Some(self.next_report);
        let deadline = self.machines.iter().filter_map(|machine| machine.next_deadline(&self.interlocks)).min();
        let next = [write, report, deadline].into_iter().flatten().min().map_or(person, |next| next.min(person));
        self.now = next.max(self.now);
        self.take_effect();
        if self.next_report <= self.now {
            self.next_report = self.now + REPORT;
            for (relay, (device, output)) in PLACES.into_iter().enumerate() {
                if self.is_there[device] {
                    self.tell(device, OutputInput::Observed { output, on: self.relays[relay].on });
                }
            }
        }
        self.tell_all(&OutputInput::Time);
        self.now >= person
    }

    fn take_effect(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.writes.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, relay, on) in due {
            if on && !self.relays[relay].on {
                for other in (0..self.relays.len()).filter(|other| *other != relay).map(|other| self.relays[other]) {
                    assert!(!other.on, "two relays are on");
                    let gap = now.saturating_since(other.since);
                    assert!(other.since == Moment::START || gap >= DEAD_TIME, "only {gap:?} between the relays");
                }
                let rest = now.saturating_since(self.relays[relay].since);
                assert!(relay != 2 || rest >= MIN_OFF, "the motor rested for {rest:?} only");
            }
            if self.relays[relay].on != on {
                self.relays[relay] = Relay { on, since: now };
            }
        }
        if self.was_good {
            for relay in self.relays.iter().filter(|relay| relay.on) {
                let slack = REPORT + Duration::from_millis(REACTION_MAX_MILLIS);
                assert!(now.saturating_since(relay.since) <= MAX_ON + slack, "a relay is on for too long");
            }
        }
    }

    fn run(&mut self) {
        for _ in 0..60 {
            let person = self.now + Duration::from_millis(self.random.below(8_000));
            while !self.step(person) {}
            if self.is_bad && self.random.once_in(12) {
                let device = self.random.below(2) as usize;
                self.is_there[device] = !self.is_there[device];
                // What is on its way to a device that is gone never arrives.
                self.writes.retain(|(_, relay, _)| PLACES[*relay].0 != device);
                self.tell(device, if self.is_there[device] { OutputInput::Found } else { OutputInput::Lost });
            } else {
                self.command();
            }
        }
        self.is_bad = false;
        self.is_there = [true; 2];
        self.tell_all(&OutputInput::Found);
        let end = self.now + MAX_ON * 3;
        while !self.step(end) {}
        assert!(self.machines.iter().all(Outputs::is_idle), "a machine has not come to rest: {:?}", self.machines);
        assert!(self.relays.iter().all(|relay| !relay.on), "a relay is on for ever");
        assert_eq!(self.last_answers.len() as u64, self.commands, "a command was not answered");
        assert!(self.last_answers.values().all(|count| *count == 1), "a command was answered twice");
    }
}

#[test]
fn nothing_breaks_the_interlock_the_longest_time_or_an_answer() {
    for seed in 1..=300 {
        for is_bad in [false, true] {
            Day::new(seed, is_bad).run();
        }
    }
}
