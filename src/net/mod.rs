//! Layer 3: sockets. Accepts, reads and writes bytes without knowing what they say.
//!
//! One task polls everything (see `daemon::heart`): a connection that becomes ready pushes its number onto a
//! list, and the turn works through that list. There is no task, channel or buffer per connection.

mod io;
mod linger;
mod listener;
mod ready;
mod socket;

pub use io::Io;
pub use listener::{Listener, bind};
pub use ready::Ready;
pub use socket::{ReadStep, Socket, WriteStep};
