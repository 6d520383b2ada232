//! Layer 3: sockets. Accepts, reads and writes bytes without knowing what they say.
//!
//! One task polls everything (see `daemon::heart`): a connection that becomes ready pushes its number onto a
//! list, and the turn works through that list. There is no task, channel or buffer per connection. What comes before
//! the first byte of MQTT ([`handshake`]) is done elsewhere and hands over finished streams.

pub mod handshake;
mod io;
mod linger;
mod listener;
mod plain;
mod proxy;
mod ready;
mod secure;
mod socket;
pub mod tls;
pub mod unix;
mod visitors;
mod websocket;

pub use io::Io;
pub use linger::Linger;
pub use listener::{Accepted, Listener};
pub use ready::Ready;
pub use socket::{ReadStep, Socket, WriteStep};
pub use visitors::{Pass, Visit, Visitors};
pub use websocket::Upgrade;
