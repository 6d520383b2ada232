//! An MQTT client: what drivers, the command line and the tests speak to the broker with.
//!
//! A pure [`Machine`] that turns wishes and received bytes into bytes to send and events, and a thin [`Client`] that
//! carries them over any stream of bytes. It knows nothing of devices, and it does not reconnect: who lost the
//! connection knows best what to say on the next one.

mod machine;
mod message;
mod stream;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod websocket;

pub use machine::{Machine, Token};
pub use message::{Message, Options, OwnProperties};
pub use stream::{CONNECT_TIMEOUT, Client};

use crate::mqtt::{DecodeError, ReasonCode};

/// Messages of QoS 1 and 2 that are sent and not completed, unless the server allows less.
pub const INFLIGHT_MAX: u16 = 64;

/// Messages that wait for room among the inflight ones; more are refused.
pub const WAITING_MAX: usize = 1024;

/// Events that wait to be asked for; further messages of QoS 0 are dropped, as their promise allows.
pub const EVENTS_MAX: usize = 4096;

/// The largest packet that is accepted, in bytes.
pub const PACKET_SIZE_MAX: usize = 16 << 20;

/// Messages of QoS 1 and 2 that the server may send before they are acknowledged.
pub const RECEIVE_MAXIMUM: u16 = 64;

/// What happened on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server took the connection.
    Connected {
        /// Whether it went on with a session of before.
        session_present: bool,
    },
    /// A message came in; it is acknowledged already, unless that is left to be done later.
    Message(Message),
    /// The server knows that a QoS 2 message which was acknowledged later has arrived, and does not send it again.
    Released {
        /// The message's packet identifier.
        packet_id: u16,
    },
    /// A message of QoS 1 or 2 has arrived at the server, or was refused by it.
    Published {
        /// What [`Machine::publish`] gave for it.
        token: Token,
        /// The server's answer.
        reason: ReasonCode,
    },
    /// The server answered a SUBSCRIBE.
    Subscribed {
        /// What [`Machine::subscribe`] gave for it.
        token: Token,
        /// One answer for each filter.
        reasons: Vec<ReasonCode>,
    },
    /// The server answered an UNSUBSCRIBE.
    Unsubscribed {
        /// What [`Machine::unsubscribe`] gave for it.
        token: Token,
    },
}

/// Why a client can do no more.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    /// The server closed the stream.
    #[error("the server closed the connection")]
    Closed,
    /// The server said why it ends the connection.
    #[error("the server ended the connection: {}", .0.text())]
    Disconnected(ReasonCode),
    /// The server did not take the connection, a message or a subscription.
    #[error("refused by the server: {}", .0.text())]
    Refused(ReasonCode),
    /// The server sent something that is not MQTT, or not now.
    #[error("the server broke the protocol: {0}")]
    Protocol(#[from] DecodeError),
    /// The server did not answer in time.
    #[error("the server does not answer")]
    Timeout,
    /// More messages wait than are kept, on the way out or on the way in.
    #[error("too many messages wait")]
    Full,
}
