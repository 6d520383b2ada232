//! Automation: what a house does by itself.
//!
//! Pure: checked rules and what happens in the house go in, commands and records to keep come out. It knows no broker,
//! no file and no clock. [`expression`] is the language of conditions, [`schedule`] knows cron patterns, zones and the
//! sun, [`engine`] runs a [`Program`], [`mod@test`] runs the tests that stand beside the rules, and [`check`] finds what
//! will go wrong before it does.

pub mod check;
pub mod engine;
pub mod expression;
mod names;
mod program;
#[cfg(test)]
mod reference;
pub mod schedule;
pub mod simulate;
pub mod test;

pub use names::{Foreign, InputSpec, OutputSpec, Source};
pub use program::*;
