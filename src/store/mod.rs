//! Layer 3: one SQLite file, one thread that owns it.
//!
//! The thread takes [`Request`]s and returns [`Reply`]s; it knows nothing of connections or packets. A message
//! is one row that holds its receivers; where sessions stand is a row of absolute states in the same stream,
//! so that a commit touches the end of one table. Rows are deleted by ranges, later.

mod error;
mod files;
mod pack;
mod read;
mod runs;
mod schema;
mod thread;
mod trash;
mod write;

pub use error::StoreError;
pub use files::owner;
pub use thread::{Reply, Request, Store};
