//! Scenarios on a virtual clock: clients as bytes, a store in memory, no socket.

mod access;
mod durability;
mod limits;
mod listeners;
mod replay;
mod sessions;
mod shared;
mod support;
