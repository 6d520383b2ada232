//! Layer 1: the wire of MQTT 3.1, 3.1.1 and 5.0, side by side. Remembers nothing.
//!
//! Decoding borrows from the received bytes and checks everything that can be checked without a memory of
//! earlier packets; deeper rooms take the checked types and never look at raw bytes again.

mod decode;
mod error;
mod frame;
pub mod packet;
mod packet_id;
mod properties;
mod qos;
mod reason;
mod text;
mod topic;
mod version;

pub use decode::{Packet, decode};
pub use error::DecodeError;
pub use frame::{Frame, MAX_REMAINING_LENGTH, frame, put_fixed_header};
pub use packet_id::PacketId;
pub use properties::{Properties, Property, PropertySet, put_properties};
pub use qos::QoS;
pub use reason::ReasonCode;
pub(crate) use topic::matches_bytes;
pub use topic::{SharedFilter, TopicFilter, TopicName, matches};
pub use version::{Version, Versions};
