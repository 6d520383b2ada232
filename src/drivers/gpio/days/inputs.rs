//! A contact, a button and a counter whose contacts bounce, on a gateway that is slow at times, is restarted and is
//! killed. What is told is what the whole day's levels say: no more, no less, nothing twice.

use super::{Random, at, line, live, ms};
use crate::config::{GpioButton, GpioCounter, GpioDevice, GpioInput};
use crate::device::{Action, ButtonSettings, Command, CounterSettings, Ticket, Value};
use crate::drivers::Start;
use crate::drivers::door::Asked;
use crate::drivers::gpio::lines::Edge;
use crate::drivers::gpio::machine::{Last, LinesInput, LinesMachine, LinesWish};
use crate::drivers::say::Say;
use crate::drivers::switches::SharedInterlocks;
use std::time::Duration;

/// One pulse in the counter's unit: a sum of it is exact in nothing but integers.
const MULTIPLIER: f64 = 0.001;

/// A level and the microsecond from which on a line has it.
type Change = (u64, bool);

/// A click, or whatever is told, and when, in microseconds.
type Told<T> = Vec<(u64, T)>;

struct Device {
    gpio: GpioDevice,
    is_debounced: bool,
    /// By line, in microseconds; zero if the lines debounce by themselves.
    debounce: [u64; 3],
    button: ButtonSettings,
    counter: CounterSettings,
}

fn device(random: &mut Random) -> Device {
    let mut debounce = || ms(random.choose(&[0, 1, 5, 30, 80]));
    let lengths = [debounce(), debounce(), debounce()];
    let button = ButtonSettings {
        clicks: random.choose(&[1, 2, 3]),
        multi_gap: ms(random.choose(&[100, 300, 450])),
        long: ms(random.choose(&[200, 600, 1000])),
        repeat: random.choose(&[None, Some(100), Some(250)]).map(ms),
    };
    let counter = CounterSettings {
        multiplier: MULTIPLIER,
        min_gap: random.choose(&[None, Some(20), Some(400)]).map(ms),
        report: ms(random.choose(&[0, 1000, 5000])),
        save: ms(random.choose(&[0, 2000, 60_000])),
    };
    let is_debounced = random.once_in(4);
    let micros = |length: Duration| u64::try_from(length.as_micros()).expect("a short time");
    let gpio = GpioDevice {
        outputs: vec![],
        inputs: vec![GpioInput { id: "door".into(), line: line("a"), debounce: lengths[0], class: None }],
        buttons: vec![GpioButton { id: "bell".into(), line: line("b"), debounce: lengths[1], button }],
        counters: vec![GpioCounter {
            id: "water".into(),
            line: line("c"),
            debounce: lengths[2],
            counter,
            unit: None,
            class: None,
        }],
    };
    let debounce = lengths.map(|length| if is_debounced { 0 } else { micros(length) });
    Device { gpio, is_debounced, debounce, button, counter }
}

/// The changes of one line over a day: bounces, presses and rests, many of them just at a limit.
fn wave(random: &mut Random, device: &Device, index: usize, end: u64) -> Vec<Change> {
    let micros = |length: Duration| u64::try_from(length.as_micros()).expect("a short time");
    let own = micros(
        [device.gpio.inputs[0].debounce, device.gpio.buttons[0].debounce, device.gpio.counters[0].debounce][index],
    );
    let gap = device.counter.min_gap.map_or(1, micros);
    let limits = [own, own, own + gap, micros(device.button.multi_gap), micros(device.button.long)];
    let (mut now, mut level, mut changes) = (0, random.once_in(3), Vec::new());
    changes.push((0, level));
    while now < end {
        now += 1 + match random.below(6) {
            0 | 1 => random.below(own + 2_000),
            2 => random.below(3_000_000),
            3 => random.below(400_000),
            _ => (random.choose(&limits) + random.below(3)).saturating_sub(2),
        };
        level = !level;
        changes.push((now, level));
    }
    changes
}

/// The model of a contact: what counts of the changes between two moments, after the level that was found first.
fn counting(changes: &[Change], debounce: u64, from: u64, to: u64) -> (bool, Vec<Change>) {
    let found = changes.iter().rfind(|(at, _)| *at <= from).expect("a first level").1;
    let (mut counts, mut seen) = (found, Vec::new());
    let within: Vec<Change> = changes.iter().copied().filter(|(at, _)| (from + 1..=to).contains(at)).collect();
    for (index, (at, level)) in within.iter().enumerate() {
        let lasted = within.get(index + 1).map_or(to, |next| next.0) - at;
        if lasted >= debounce && *level != counts {
            counts = *level;
            seen.push((at + debounce, *level));
        }
    }
    (found, seen)
}

/// The model of a button: runs of short presses that follow each other within the gap, and long ones.
fn clicks(settings: &ButtonSettings, (found, seen): &(bool, Vec<Change>), end: u64) -> Told<&'static str> {
    let micros = |length: Duration| u64::try_from(length.as_micros()).expect("a short time");
    let (gap, long, most) = (micros(settings.multi_gap), micros(settings.long), usize::from(settings.clicks));
    // A button that is held at first is let go without having been pressed.
    let edges = if *found { seen.get(1..).unwrap_or_default() } else { seen };
    let presses: Vec<(u64, Option<u64>)> =
        edges.chunks(2).map(|pair| (pair[0].0, pair.get(1).map(|release| release.0))).collect();
    let mut told = Vec::new();
    let mut next = 0;
    while let Some((pressed, released)) = presses.get(next).copied() {
        if released.is_none_or(|released| released >= pressed + long) {
            told.push((pressed + long, "long"));
            let repeats = settings.repeat.into_iter().flat_map(|repeat| (1..).map(move |count| count * micros(repeat)));
            let until = released.unwrap_or(end);
            told.extend(
                repeats.map(|after| pressed + long + after).take_while(|at| *at <= until).map(|at| (at, "long-repeat")),
            );
            told.extend(released.map(|released| (released, "release")));
            next += 1;
            continue;
        }
        let mut count = 0;
        let mut last = None;
        while let Some((pressed, Some(released))) = presses.get(next).copied()
            && released < pressed + long
            && count < most
            && last.is_none_or(|last| pressed - last < gap)
        {
            (count, last, next) = (count + 1, Some(released), next + 1);
        }
        let last = last.expect("one short press");
        let when = match presses.get(next) {
            _ if count == most => last,
            Some((again, _)) if again - last < gap => again + long,
            _ => last + gap,
        };
        told.push((when, ["single", "double", "triple"][count - 1]));
    }
    told.retain(|(at, _)| *at <= end);
    told
}

/// The model of a counter: when each pulse was that counts.
fn pulses(settings: &CounterSettings, (_, seen): &(bool, Vec<Change>)) -> Vec<u64> {
    let gap = settings.min_gap.map_or(0, |gap| u64::try_from(gap.as_micros()).expect("a short time"));
    let mut counted: Vec<u64> = Vec::new();
    for (at, _) in seen.iter().filter(|(_, level)| *level) {
        if counted.last().is_none_or(|last| *at >= last + gap) {
            counted.push(*at);
        }
    }
    counted
}

/// What a device told between its start and its end.
#[derive(Default)]
struct Life {
    door: Told<bool>,
    bell: Told<&'static str>,
    /// Totals, and whether each was kept.
    water: Told<(f64, bool)>,
}

impl Life {
    fn hear(&mut self, machine: &mut LinesMachine, now: u64) {
        while let Some(wish) = machine.poll_output() {
            match wish {
                LinesWish::Say(Say::State { value: Value::Boolean(level), .. }) => self.door.push((now, level)),
                LinesWish::Say(Say::State { value: Value::Number(total), .. }) => self.water.push((now, (total, true))),
                LinesWish::Say(Say::Passing { value: Value::Number(total), .. }) => {
                    self.water.push((now, (total, false)));
                }
                LinesWish::Say(Say::Click { click, .. }) => self.bell.push((now, click.name())),
                LinesWish::Say(Say::Online | Say::Trouble { kind: "rate", .. } | Say::Result { .. }) => {}
                wish => panic!("a device of inputs wishes for {wish:?}"),
            }
        }
    }
}

struct Day<'d> {
    random: Random,
    device: &'d Device,
    waves: [Vec<Change>; 3],
    /// Whether the gateway has no time for its lines now and then; the edges wait, as in the kernel.
    is_slow: bool,
}

impl Day<'_> {
    /// One life of the device from `from` to `to`; `set` is when its total is set, and to what.
    fn live(&mut self, from: u64, to: u64, kept: Option<f64>, set: Option<(u64, f64)>, is_killed: bool) -> Life {
        let last = Last { switches: vec![], totals: vec![kept] };
        let none = SharedInterlocks::new(vec![]);
        let machine = LinesMachine::new(at(from), &none, "hall", &self.device.gpio, &last, Start::Fresh);
        let mut machine = machine.debounced(self.device.is_debounced);
        let mut life = Life::default();
        let level = |wave: &Vec<Change>| wave.iter().rfind(|(at, _)| *at <= from).expect("a first level").1;
        machine.handle(at(from), LinesInput::Opened(self.waves.iter().map(level).collect()));
        life.hear(&mut machine, from);
        let mut edges: Vec<Edge> = Vec::new();
        for (line, wave) in self.waves.iter().enumerate() {
            let within = wave.iter().filter(|(at, _)| (from + 1..=to).contains(at));
            edges.extend(within.map(|(time, level)| Edge { line, level: *level, at: at(*time), lost: 0 }));
        }
        edges.sort_by_key(|edge| edge.at);
        let mut edges = edges.into_iter().peekable();
        let (mut now, mut set) = (from, set);
        loop {
            let edge = edges.peek().map(|edge| edge.at.as_micros());
            let due = machine.next_deadline().map(|due| due.as_micros().max(now));
            let Some(next) = [edge, due, set.map(|set| set.0)].into_iter().flatten().min().filter(|next| *next <= to)
            else {
                break;
            };
            now = next.max(now);
            if self.is_slow && self.random.once_in(5) {
                now = (now + self.random.below(1_500_000)).min(to);
            }
            while let Some(edge) = edges.next_if(|edge| edge.at.as_micros() <= now) {
                machine.handle(at(now), LinesInput::Edge(edge));
            }
            if let Some((_, total)) = set.take_if(|set| set.0 <= now) {
                let command = Command::plain(Action::Number(total));
                let asked = Asked::Set { property: "water".into(), ticket: Ticket(1), command };
                machine.handle(at(now), LinesInput::Asked(asked));
            }
            machine.handle(at(now), LinesInput::Time);
            life.hear(&mut machine, now);
        }
        if !is_killed {
            machine.handle(at(to), LinesInput::End);
            life.hear(&mut machine, to);
        }
        life
    }

    /// What was told of door and bell in a life is what there was; a slow gateway tells it later.
    fn judge(&self, life: &Life, from: u64, to: u64) {
        let seen = |line: usize| counting(&self.waves[line], self.device.debounce[line], from, to);
        let (found, door) = seen(0);
        let door: Told<bool> = std::iter::once((from, found)).chain(door).collect();
        let bell = clicks(&self.device.button, &seen(1), to);
        if self.is_slow {
            let levels = |told: &Told<bool>| told.iter().map(|(_, level)| *level).collect::<Vec<_>>();
            assert_eq!(levels(&life.door), levels(&door), "the door");
            let names = |told: &Told<&'static str>| told.iter().map(|(_, name)| *name).collect::<Vec<_>>();
            assert_eq!(names(&life.bell), names(&bell), "the bell");
        } else {
            assert_eq!((&life.door, &life.bell), (&door, &bell), "door and bell");
        }
    }

    /// Every total that was told is that of its moment, none is kept too late; the one that is kept at the end.
    fn judge_total(
        &self,
        life: &Life,
        (from, to): (u64, u64),
        base: u64,
        set: Option<(u64, u64)>,
        is_killed: bool,
    ) -> u64 {
        let pulses = pulses(&self.device.counter, &counting(&self.waves[2], self.device.debounce[2], from, to));
        let truth = |now: u64| {
            let (since, base) = set.filter(|set| set.0 <= now).unwrap_or((from, base));
            base + pulses.iter().filter(|pulse| (since..=now).contains(pulse)).count() as u64
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
        let counted = |total: f64| (total / MULTIPLIER).round() as u64;
        let mut kept = base;
        for (now, (total, is_kept)) in &life.water {
            let (least, most) = if self.is_slow { (base, truth(to)) } else { (truth(*now), truth(*now)) };
            assert!((least..=most).contains(&counted(*total)), "{total} at {now}, not {least} to {most}");
            kept = if *is_kept { counted(*total) } else { kept };
        }
        let save = u64::try_from(self.device.counter.save.as_micros()).expect("a short time");
        let least = if is_killed { truth(to.saturating_sub(save).max(from)) } else { truth(to) };
        let is_set_later = set.is_some_and(|set| is_killed && set.0 > to.saturating_sub(save));
        let least = if is_set_later { truth(set.expect("it is set").0) } else { least };
        assert!((least..=truth(to)).contains(&kept), "{kept} pulses are kept, not {least} to {}", truth(to));
        kept
    }
}

/// Bounces never count, no press or pulse is lost or told twice, and totals outlive restarts; a kill costs at most the
/// pulses of the time between two totals that are kept.
#[test]
fn what_inputs_tell_is_what_there_was() {
    live("what_inputs_tell_is_what_there_was", 600, |mut random| {
        let device = device(&mut random);
        let end = 30_000_000;
        let waves = [0, 1, 2].map(|line| wave(&mut random, &device, line, end));
        let is_slow = random.once_in(2);
        let mut day = Day { random, device: &device, waves, is_slow };
        let (mut from, mut kept, mut base) = (500, None, 0);
        while from < end {
            let to = from + 1_000 * (1 + day.random.below(12_000));
            let is_killed = !is_slow && day.random.once_in(3);
            let set = (!is_slow && day.random.once_in(3))
                .then(|| (from + 1_000 * (1 + day.random.below(12_000)), day.random.below(9_000)));
            let set = set.filter(|set| set.0 < to);
            #[expect(clippy::cast_precision_loss, reason = "a small count")]
            let life = day.live(from, to, kept, set.map(|(at, total)| (at, total as f64 * MULTIPLIER)), is_killed);
            day.judge(&life, from, to);
            base = day.judge_total(&life, (from, to), base, set, is_killed);
            kept = life.water.iter().rev().find(|(_, (_, is_kept))| *is_kept).map(|(_, (total, _))| *total).or(kept);
            from = to + 1_000 * day.random.below(2_000);
        }
    });
}
