//! Scenarios on a virtual clock: clients as bytes, a store in memory, no socket.

mod durability;
mod sessions;
mod support;
