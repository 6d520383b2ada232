//! Gatehouse: firmware for a home gateway.
//!
//! The library is built in layers; a layer imports only from those below it.
//!
//! | layer | rooms | may know |
//! |---|---|---|
//! | 0 | [`base`] | nothing |
//! | 1 | [`mqtt`] | bytes on the wire |
//! | 2 | [`broker`], [`access`], [`device`], [`rules`], [`config`], [`load`] | decisions, as plain state machines: no clock, disk, socket or thread |
//! | 3 | [`net`], [`store`], [`password`], [`client`], [`drivers`], [`update`], [`provision`], [`sandbox`], [`clock`] | one part of the outside world each |
//! | 4 | [`daemon`], [`cli`] | how it is all put together |

pub mod access;
pub mod base;
pub mod broker;
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod client;
#[cfg(feature = "daemon")]
pub mod clock;
pub mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
pub mod device;
#[cfg(feature = "daemon")]
pub mod drivers;
pub mod load;
pub mod mqtt;
#[cfg(feature = "daemon")]
pub mod net;
#[cfg(feature = "daemon")]
pub mod password;
#[cfg(feature = "daemon")]
pub mod provision;
pub mod rules;
#[cfg(feature = "daemon")]
pub mod sandbox;
#[cfg(feature = "daemon")]
pub mod store;
#[cfg(feature = "daemon")]
pub mod update;
