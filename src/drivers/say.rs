//! What a driver tells of its device, as values: the machines say it, the door publishes it.

use super::DriverError;
use super::door::Door;
use crate::device::{Click, CommandResult, Meta, OutputEvent, Ticket, Value};

/// One thing a driver tells of its device.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Say {
    /// A property has this verified value.
    State { property: String, value: Value },
    /// A property has this verified value, but is not left at it.
    Passing { property: String, value: Value },
    /// Something was done with a button.
    Click { property: String, click: Click },
    /// A property is to be on or off and is not yet; it is as wanted if absent.
    Target { property: String, on: Option<bool> },
    /// The heartbeat that a property needs was lost, or is back.
    Heartbeat { property: String, lost: bool },
    /// What became of a command.
    Result { property: String, ticket: Ticket, result: CommandResult },
    /// The device is found to have these properties.
    Describe(Box<Meta>),
    /// The values can be trusted from now on.
    Online,
    /// The values cannot be trusted any more.
    Offline,
    /// Something is wrong with a property or part.
    Trouble { part: String, kind: &'static str, text: String },
    /// A property or part is well.
    Well { part: String },
}

impl Say {
    /// What outputs want told; a write is not for the door.
    pub(super) fn of_output(event: OutputEvent, id: impl Fn(usize) -> String) -> Option<Self> {
        match event {
            OutputEvent::Write { .. } => None,
            OutputEvent::State { output, on, is_lasting: true } => {
                Some(Self::State { property: id(output), value: Value::Boolean(on) })
            }
            OutputEvent::State { output, on, is_lasting: false } => {
                Some(Self::Passing { property: id(output), value: Value::Boolean(on) })
            }
            OutputEvent::Target { output, on } => Some(Self::Target { property: id(output), on }),
            OutputEvent::Heartbeat { output, lost } => Some(Self::Heartbeat { property: id(output), lost }),
            OutputEvent::Result { output, ticket, result } => {
                Some(Self::Result { property: id(output), ticket, result })
            }
        }
    }

    /// Publishes it.
    pub(super) fn tell(self, door: &mut Door) -> Result<(), DriverError> {
        match self {
            Self::State { property, value } => door.state(&property, &value),
            Self::Passing { property, value } => door.passing_state(&property, &value),
            Self::Click { property, click } => door.click(&property, click),
            Self::Target { property, on } => door.target(&property, on),
            Self::Heartbeat { property, lost } => door.heartbeat(&property, lost),
            Self::Result { property, ticket, result } => door.result(&property, ticket, &result),
            Self::Describe(meta) => door.describe(&meta),
            Self::Online => door.online(),
            Self::Offline => door.offline(),
            Self::Trouble { part, kind, text } => door.trouble(&part, kind, &text),
            Self::Well { part } => door.well(&part),
        }
    }
}
