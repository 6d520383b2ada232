//! A device that has its port alone, as a machine: bytes and moments in, bytes and things to tell out.

use crate::base::Moment;
use crate::drivers::door::Asked;
use crate::drivers::say::Say;
use crate::drivers::switches::Switches;

/// The part in `$problem` that stands for the port.
pub(in crate::drivers) const PORT: &str = "port";

/// What such a device is told.
#[derive(Debug)]
pub(in crate::drivers) enum PortInput<'b> {
    /// The port is open and its far end awake.
    Opened,
    /// The port is gone, or cannot be opened.
    Closed { kind: &'static str, text: String },
    /// Bytes came in.
    Received(&'b [u8]),
    /// Someone asks something of it.
    Asked(Asked),
    /// Bring every output into its failsafe state.
    Failsafe,
    /// Time has passed.
    Time,
}

/// What such a device wants done.
#[derive(Debug, PartialEq)]
pub(in crate::drivers) enum PortOutput {
    /// Send bytes.
    Send(Vec<u8>),
    /// Tell something.
    Say(Say),
}

/// A device that has its port alone. It knows no port and no clock.
pub(in crate::drivers) trait Machine: Send {
    /// Takes in what happened.
    fn handle(&mut self, now: Moment, input: PortInput);
    /// The next thing to do, if there is any. Ask again after every input.
    fn poll_output(&mut self) -> Option<PortOutput>;
    /// When [`PortInput::Time`] is due.
    fn next_deadline(&self) -> Option<Moment>;
    /// Its outputs, if it has any.
    fn switches(&mut self) -> Option<&mut Switches> {
        None
    }
    /// Whether nothing is being written or waits to be, or nothing can be.
    fn is_idle(&self) -> bool;
}
