//! What can be wrong with received bytes.

use super::ReasonCode;
use crate::base::bytes::Truncated;

/// Why bytes are not an acceptable packet. The peer must act: its connection is closed with
/// [`reason_code`](DecodeError::reason_code).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes do not follow the layout of the packet.
    #[error("malformed packet: {0}")]
    Malformed(&'static str),
    /// The layout is right, but the protocol forbids it.
    #[error("protocol error: {0}")]
    Protocol(&'static str),
    /// The packet is larger than the receiver accepts.
    #[error("packet of {length} bytes is larger than the limit of {limit}")]
    TooLarge {
        /// Length of the whole packet in bytes.
        length: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// CONNECT names a protocol version that is not spoken here.
    #[error("protocol version is not supported")]
    UnsupportedVersion,
    /// CONNECT has a client identifier that is not acceptable.
    #[error("client identifier is not valid")]
    ClientIdNotValid,
    /// PUBLISH has a topic name that is not valid.
    #[error("topic name is not valid")]
    TopicNameInvalid,
    /// SUBSCRIBE or UNSUBSCRIBE has a topic filter that is not valid.
    #[error("topic filter is not valid")]
    TopicFilterInvalid,
    /// PUBLISH has topic alias 0.
    #[error("topic alias is not valid")]
    TopicAliasInvalid,
}

impl DecodeError {
    /// The reason code that tells the peer.
    pub const fn reason_code(self) -> ReasonCode {
        match self {
            DecodeError::Malformed(_) => ReasonCode::MALFORMED_PACKET,
            DecodeError::Protocol(_) => ReasonCode::PROTOCOL_ERROR,
            DecodeError::TooLarge { .. } => ReasonCode::PACKET_TOO_LARGE,
            DecodeError::UnsupportedVersion => ReasonCode::UNSUPPORTED_VERSION,
            DecodeError::ClientIdNotValid => ReasonCode::CLIENT_ID_NOT_VALID,
            DecodeError::TopicNameInvalid => ReasonCode::TOPIC_NAME_INVALID,
            DecodeError::TopicFilterInvalid => ReasonCode::TOPIC_FILTER_INVALID,
            DecodeError::TopicAliasInvalid => ReasonCode::TOPIC_ALIAS_INVALID,
        }
    }
}

impl From<Truncated> for DecodeError {
    fn from(_: Truncated) -> Self {
        DecodeError::Malformed("the packet ends within a field")
    }
}
