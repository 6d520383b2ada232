//! What decoding costs in memory: never more than twice the bytes that came, besides the struct of a CONNECT, and
//! whatever the bytes say. And what a rule costs. Alone in their binary, because the allocator counts for all threads.
//!
//! `GATEHOUSE_PACKETS` sets how many packets are decoded; `make fuzz-codec` takes 10^8.

#[path = "../benches/rules/house.rs"]
mod house;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "support/random.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod random;

use gatehouse::mqtt::packet::Connect;
use gatehouse::mqtt::{Version, decode, frame};
use mutate::Mutator;
use random::Random;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Packets for one run of the tests.
const PACKETS: u64 = 1_000_000;

/// The limit of a packet, as a gateway has one.
const LIMIT: usize = 1 << 20;

/// One test: the harness allocates too, between two of them.
#[test]
fn decoding_and_rules_take_no_more_memory_than_they_may() {
    a_rule_takes_less_than_two_kilobytes_with_all_its_traces();
    no_packet_makes_the_codec_allocate_more_than_twice_its_bytes();
}

fn no_packet_makes_the_codec_allocate_more_than_twice_its_bytes() {
    let packets = std::env::var("GATEHOUSE_PACKETS").ok().and_then(|text| text.parse().ok()).unwrap_or(PACKETS);
    let mut mutator = Mutator::new(Random::new(1));
    let mut bytes = Vec::with_capacity(4_096);
    let (mut accepted, mut most) = (0u64, 0usize);
    for _ in 0..packets {
        let version = [Version::V31, Version::V311, Version::V5, Version::V5][mutator.random.within(0..4) as usize];
        mutator.next(version == Version::V5);
        bytes.clear();
        mutator.whole(&mut bytes);
        let before = ALLOCATOR.stats().bytes_allocated;
        if let Ok(Some(whole)) = frame(&bytes, LIMIT) {
            accepted += u64::from(decode(whole.first, &bytes[whole.body..whole.end], version).is_ok());
        }
        let allocated = ALLOCATOR.stats().bytes_allocated - before;
        assert!(allocated <= 2 * bytes.len() + size_of::<Connect<'_>>(), "{allocated} bytes for {bytes:02x?}");
        most = most.max(allocated);
    }
    assert!(accepted > packets / 20 && most > 0, "{accepted} accepted, {most} bytes at most");
    eprintln!("{packets} packets, {accepted} accepted, at most {most} bytes allocated for one");
}

/// Rules of the house that is measured.
const RULES: usize = 1_000;

/// What a rule may take with all that it reads, sets and remembers, in bytes. `make bench-rules` tells of what it is.
const RULE_MAX: usize = 2_000;

fn a_rule_takes_less_than_two_kilobytes_with_all_its_traces() {
    let region = Region::new(ALLOCATOR);
    let program = house::house(RULES);
    let mut engine = house::started(&program);
    house::live(&mut engine);
    let change = region.change();
    let each = (change.bytes_allocated - change.bytes_deallocated) / RULES;
    assert!((500..RULE_MAX).contains(&each), "{each} bytes");
    drop(engine);
}
