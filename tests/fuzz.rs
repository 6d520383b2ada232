//! Bytes and events that are nearly right, in numbers: the codec, the broker, the configuration, the devices, the rules.
//!
//! A seeded generator changes whole packets and files a little; the run is the same for the same seed. It looks at no
//! coverage: libFuzzer would, and needs a C++ compiler and a nightly compiler, which a machine with Rust and gcc does not
//! have. `cargo test` makes a short run from a fixed seed, `make fuzz MINUTES=10` a long one.
#![cfg(feature = "daemon")]

#[path = "fuzz/broker.rs"]
mod broker;
#[path = "fuzz/config.rs"]
mod config;
#[path = "fuzz/decode.rs"]
mod decode;
#[path = "fuzz/devices.rs"]
mod devices;
#[path = "fuzz/differential.rs"]
mod differential;
#[path = "fuzz/expression.rs"]
mod expression;
#[path = "rules/house.rs"]
#[expect(dead_code, reason = "the tests of rules use the rest")]
mod house;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "support/random.rs"]
mod random;
#[path = "fuzz/rules.rs"]
mod rules;
#[path = "fuzz/run.rs"]
mod run;
