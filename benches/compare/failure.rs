//! Why a measurement could not be made.

use std::io;

use nix::errno::Errno;

/// Every way a measurement ends without a figure.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The person pressed Ctrl-C, or the process was asked to end.
    #[error("interrupted")]
    Interrupted,
    /// The operating system refused something.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
    /// The broker sent bytes that are no MQTT 3.1.1 packet, or one that does not fit here.
    #[error("the broker sent a malformed packet: {0}")]
    Malformed(&'static str),
    /// The broker said no.
    #[error("the broker refused: {0}")]
    Refused(String),
    /// The broker closed a connection that should have stayed open.
    #[error("the broker closed the connection of client {0}")]
    Closed(usize),
    /// Nothing arrived any more although something had to.
    #[error("nothing arrived for {0} s while {1}")]
    Stalled(u64, &'static str),
    /// It took longer than a run may.
    #[error("it took longer than {0} s")]
    TooLong(u64),
    /// The broker could not be started, with the end of what it said.
    #[error("{0}")]
    NotStarted(String),
    /// The machine does not allow what the scenario needs.
    #[error("{0}")]
    NotPossible(String),
}

impl Failure {
    /// For `map_err`: names what was being done when the system refused.
    pub fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::System(doing, error)
    }

    /// As [`Failure::system`], for calls that return a bare error number.
    pub fn errno(doing: &'static str) -> impl FnOnce(Errno) -> Self {
        move |error| Self::System(doing, error.into())
    }
}
