//! Automation: what a house does by itself.

pub mod expression;
