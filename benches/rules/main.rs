//! Figures of the rule engine: `cargo bench --bench rules`. A quiet machine tells more.
//!
//! One thousand rules over one thousand properties: from a change to its action, what a message costs that changes
//! nothing, how much memory a rule takes; and a year of a small house in virtual time. `make bench-house` measures the
//! real binary.

mod house;

use gatehouse::rules::engine::{Input, Output};
use gatehouse::rules::simulate::{Recorded, Simulation};
use house::{at, house, live, started};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, Stats, StatsAlloc};
use std::alloc::System;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RULES: usize = 1_000;
const CHANGES: usize = 200_000;
const DAY: i64 = 86_400_000;

fn main() {
    memory();
    latency();
    year();
}

fn latency() {
    let program = house(RULES);
    let mut engine = started(&program);
    let topics: Vec<String> = (0..RULES).map(|index| format!("home/d{index}/a")).collect();
    let mut took = Vec::with_capacity(CHANGES);
    for change in 0..CHANGES {
        // Each property changes every twenty seconds, so that no limit is met.
        let now = at(u64::try_from(change).expect("a small number") * 20_000);
        let index = change * 7 % RULES;
        let payload = if (change / RULES).is_multiple_of(2) { "true" } else { "false" };
        let begin = Instant::now();
        engine.handle(now, Input::Message { topic: &topics[index], payload: payload.as_bytes(), replayed: false });
        let mut spoke = false;
        while let Some(output) = engine.poll_output() {
            spoke |= matches!(output, Output::Publish(_));
        }
        if spoke {
            took.push(begin.elapsed());
        }
    }
    took.sort_unstable();
    let of = |percent: usize| took[took.len() * percent / 100];
    println!(
        "{RULES} rules over {RULES} properties, {} actions: from a change to its action p50 {:?}, p99 {:?}, most {:?}",
        took.len(),
        of(50),
        of(99),
        took[took.len() - 1]
    );
    let begin = Instant::now();
    for change in 0..CHANGES {
        let now = at(5_000_000_000 + u64::try_from(change).expect("a small number") * 1_000);
        engine.handle(now, Input::Message { topic: &topics[change * 7 % RULES], payload: b"false", replayed: false });
        while engine.poll_output().is_some() {}
    }
    println!("a message that changes nothing: {:?}", begin.elapsed() / u32::try_from(CHANGES).expect("a small number"));
}

/// Bytes that are allocated once `made` is there, for each rule.
fn bytes_each<T>(what: &str, made: impl FnOnce() -> T) -> T {
    let region = Region::new(ALLOCATOR);
    let made = made();
    told(what, region.change());
    made
}

fn told(what: &str, change: Stats) {
    let bytes = change.bytes_allocated.cast_signed() - change.bytes_deallocated.cast_signed();
    println!("memory of each rule, {what}: {} bytes", bytes / RULES.cast_signed());
}

fn memory() {
    let region = Region::new(ALLOCATOR);
    let program = bytes_each("checked, with its names, expression and texts", || house(RULES));
    let mut engine = bytes_each("at work", || started(&program));
    bytes_each("with all the traces it may have", || live(&mut engine));
    told("in all", region.change());
    drop((program, engine));
}

/// Twenty devices: motion and doors all day, readings every ten minutes.
fn year() {
    let program = house(20);
    let mut simulation = Simulation::new(&program);
    let begin = Instant::now();
    let mut count = 0_u64;
    for day in 0..365 {
        for reading in 0..144 {
            for device in 0..20 {
                let at = 1_795_000_000_000 + day * DAY + reading * 600_000 + device * 1_000;
                let payload = if (reading + device) % 3 == 0 { "true" } else { "false" };
                let topic = format!("home/d{device}/a");
                simulation.handle(&Recorded { at, topic, payload: payload.into(), replayed: false });
                count += 1;
            }
        }
    }
    let (deeds, _) = simulation.finish();
    let took = begin.elapsed();
    println!("a year of 20 devices and 20 rules, {count} messages, {} commands: {took:?}", deeds.len());
}
