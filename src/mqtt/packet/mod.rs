//! The packets, one file each: struct, decode, encode.

pub mod ack;
pub mod auth;
pub mod connack;
pub mod connect;
pub mod disconnect;
pub mod filters;
pub mod publish;
pub mod suback;
pub mod subscribe;
pub mod unsubscribe;

pub use ack::{Ack, AckKind};
pub use auth::Auth;
pub use connack::Connack;
pub use connect::{Connect, Credentials, WillMessage};
pub use disconnect::Disconnect;
pub use filters::{FilterList, SubscriptionList};
pub use publish::Publish;
pub use suback::{Suback, Unsuback};
pub use subscribe::{RetainHandling, Subscribe, SubscriptionOptions};
pub use unsubscribe::Unsubscribe;
