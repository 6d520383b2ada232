//! Many runs, and runs with a fault inside.

use super::mutant::{MUTANTS, Mutant};
use super::world::World;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs of `make test`.
const SEEDS: u64 = 150;

/// Runs within which every mutant must be noticed.
const SEEDS_FOR_A_MUTANT: u64 = 400;

/// Runs one seed; tells what was broken, a panic of the broker included.
fn run(seed: u64, mutant: Option<Mutant>) -> Result<(), String> {
    let world = || World::new(seed, mutant);
    let tells = setting("GATEHOUSE_SIM_SEED").is_some() && mutant.is_none();
    catch_unwind(AssertUnwindSafe(|| if tells { world().telling().run() } else { world().run() })).unwrap_or_else(
        |panic| {
            let text = panic.downcast_ref::<String>().cloned();
            Err(text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default())
        },
    )
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

#[test]
fn no_promise_is_broken_in_the_simulated_house() {
    let seeds = match setting("GATEHOUSE_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("GATEHOUSE_SIM_SEEDS").unwrap_or(SEEDS),
    };
    let mut failed = vec![];
    for seed in seeds.clone() {
        if let Err(what) = run(seed, None) {
            println!("make sim SEED={seed}\n{what}");
            failed.push(seed);
        }
        if (seed + 1) % 1_000 == 0 {
            println!("{} runs, {} failed", seed + 1 - seeds.start, failed.len());
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} runs failed, to repeat one: make sim SEED={}",
        failed.len(),
        seeds.count(),
        failed[0]
    );
}

#[test]
fn every_mutant_is_noticed() {
    for mutant in MUTANTS {
        let noticed = (0..SEEDS_FOR_A_MUTANT).find_map(|seed| Some((seed, run(seed, Some(mutant)).err()?)));
        let Some((seed, what)) = noticed else { panic!("{mutant:?} was not noticed in {SEEDS_FOR_A_MUTANT} runs") };
        println!("{mutant:?} was noticed in run {seed}: {}", what.lines().next().unwrap_or_default());
    }
}
