//! Scenarios on a virtual clock: clients as bytes, a store in memory, no socket.

mod access;
mod durability;
mod exchange;
mod index;
mod limits;
mod listeners;
mod random;
mod replay;
mod sessions;
mod shared;
mod states;
mod storm;
mod support;
mod times;
