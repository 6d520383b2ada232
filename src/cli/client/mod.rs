//! What `gatehouse pub`, `sub` and `rr` share: mosquitto's options, the way to a broker, output formats, exit codes.

mod address;
mod civil;
mod connect;
mod failure;
mod format;
mod json;
mod options;
mod payload;
mod property;
mod show;

pub use connect::{connect, connect_as};
pub use failure::{Failure, run};
pub use options::{ConnectArgs, qos};
pub use payload::PayloadArgs;
pub use property::Packet;
pub use show::{Show, ShowArgs};

/// A client on whatever stream leads to the broker.
pub type Client = crate::client::Client<Box<dyn connect::Stream>>;
