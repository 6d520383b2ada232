//! Thousands of seeded days of two interlocked relays on a device that is slow, forgetful and sometimes gone.
//!
//! What must hold whatever happens: the relays are never on together nor closer than the dead time, none is on
//! longer than it may, and every command gets exactly one last answer.

use super::*;
use crate::device::settings::{Failsafe, PowerOn};
use std::collections::BTreeMap;

const DEAD_TIME: Duration = Duration::from_millis(700);
const CONFIRM: Duration = Duration::from_secs(2);
const MAX_ON: Duration = Duration::from_secs(20);

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
    machine: Outputs,
    relays: [Relay; 2],
    /// Writes on their way: when they take effect, on which relay, and to which state.
    writes: Vec<(Moment, usize, bool)>,
    next_report: Moment,
    is_there: bool,
    /// Whether the device never lost a write or went away: only then can it follow in time.
    was_good: bool,
    /// Whether the device loses writes and goes away.
    is_bad: bool,
    last_answers: BTreeMap<Ticket, u32>,
    commands: u64,
}

impl Day {
    fn new(seed: u64, is_bad: bool) -> Self {
        let settings = OutputSettings { power_on: PowerOn::Off, failsafe: Failsafe::Off, max_on: Some(MAX_ON) };
        let spec = |id: &str| OutputSpec { id: id.to_owned(), settings, confirm: Some(CONFIRM) };
        let interlock = Interlock { outputs: vec![0, 1], dead_time: DEAD_TIME };
        let mut day = Self {
            random: Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1),
            now: Moment::START,
            machine: Outputs::new(vec![spec("up"), spec("down")], Some(interlock)),
            relays: [Relay::default(); 2],
            writes: Vec::new(),
            next_report: Moment::START,
            is_there: true,
            was_good: !is_bad,
            is_bad,
            last_answers: BTreeMap::new(),
            commands: 0,
        };
        day.tell(OutputInput::Found);
        day
    }

    fn tell(&mut self, input: OutputInput) {
        self.machine.handle(self.now, input);
        while let Some(event) = self.machine.poll_output() {
            match event {
                OutputEvent::Write { output, on } => {
                    assert!(self.is_there, "nothing is written to a device that is lost");
                    let is_lost = self.is_bad && self.random.once_in(6);
                    if !is_lost {
                        let reaction = Duration::from_millis(self.random.below(REACTION_MAX_MILLIS));
                        self.writes.push((self.now + reaction, output, on));
                    }
                }
                OutputEvent::Result { ticket, result, .. } if result.status != Status::Accepted => {
                    *self.last_answers.entry(ticket).or_default() += 1;
                }
                OutputEvent::Result { .. } | OutputEvent::State { .. } | OutputEvent::Target { .. } => {}
            }
        }
    }

    fn command(&mut self) {
        let output = self.random.below(2) as usize;
        let action = match self.random.below(5) {
            0 | 1 => Action::Set(true),
            2 => Action::Set(false),
            _ => Action::Toggle,
        };
        let pulse = self.random.once_in(3).then(|| Duration::from_millis(1 + self.random.below(25_000)));
        let ttl = Some(Duration::from_millis(self.random.below(6_000)));
        self.commands += 1;
        let ticket = Ticket(self.commands);
        self.tell(OutputInput::Command { output, ticket, command: Command { action, pulse, ttl, id: None } });
    }

    /// Whatever is next: a write takes effect, the device reports, the machine's deadline, or someone acts.
    fn step(&mut self, person: Moment) -> bool {
        let write = self.writes.iter().map(|(at, ..)| *at).min();
        let report = self.is_there.then_some(self.next_report);
        let deadline = self.machine.next_deadline();
        let next = [write, report, deadline].into_iter().flatten().min().map_or(person, |next| next.min(person));
        self.now = next.max(self.now);
        self.take_effect();
        if self.is_there && self.next_report <= self.now {
            self.next_report = self.now + REPORT;
            for output in 0..2 {
                self.tell(OutputInput::Observed { output, on: self.relays[output].on });
            }
        }
        self.tell(OutputInput::Time);
        self.now >= person
    }

    fn take_effect(&mut self) {
        let now = self.now;
        let due: Vec<_> = self.writes.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, output, on) in due {
            if on && !self.relays[output].on {
                let other = self.relays[1 - output];
                assert!(!other.on, "both relays are on");
                let gap = now.saturating_since(other.since);
                assert!(other.since == Moment::START || gap >= DEAD_TIME, "only {gap:?} between the relays");
            }
            if self.relays[output].on != on {
                self.relays[output] = Relay { on, since: now };
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
                self.is_there = !self.is_there;
                // What is on its way to a device that is gone never arrives.
                self.writes.clear();
                self.tell(if self.is_there { OutputInput::Found } else { OutputInput::Lost });
            } else {
                self.command();
            }
        }
        self.is_bad = false;
        self.is_there = true;
        self.tell(OutputInput::Found);
        let end = self.now + MAX_ON * 3;
        while !self.step(end) {}
        assert!(self.machine.is_idle(), "the machine has not come to rest: {:?}", self.machine);
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
