//! Layer 3: one SQLite file, one thread that owns it.
//!
//! The thread takes [`Request`]s and returns [`Reply`]s; it knows nothing of connections or packets. A message
//! is one row that holds its receivers; where sessions stand is a row of absolute states in the same stream,
//! so that a commit touches the end of one table. Rows are deleted by ranges, later.

mod backup;
mod clock;
mod error;
mod files;
mod pack;
mod read;
mod runs;
mod salvage;
mod schema;
mod seal;
mod thread;
mod trash;
mod write;

pub use backup::{
    BackupDoor, Contents as BackupContents, copy_of_stopped, finish as finish_backup, restore as restore_backup,
    verify as verify_backup,
};
pub use error::StoreError;
pub use files::{is_there, owner};
pub use thread::{Reply, Request, Store};
