//! The real broker in a simulated house: N clients, links that break, a card that stalls, fails and loses what was not
//! flushed, power cuts at any step. Seeded and on a virtual clock, so that every run can be repeated; beside the broker
//! runs a naive model that knows what was promised.
//!
//! `make sim SEEDS=10000` runs it longer, `make sim SEED=…` repeats one run.
#![cfg(feature = "daemon")]

#[expect(dead_code, reason = "the judges of the daemon use the rest")]
mod support;

mod simulation {
    mod card;
    mod client;
    mod fact;
    mod links;
    mod model;
    mod mutant;
    mod plan;
    mod runs;
    mod world;
}
