//! The store under power that goes, and calls that fail, at every single operation on its files: SQLite stands on a VFS of
//! this test that counts, records and fails. A workload is recorded once and the power cut behind each of its
//! operations, with what was not flushed kept, lost, or in part; then it runs again and again, and each time another
//! operation fails.
#![cfg(feature = "daemon")]

mod crash {
    mod files;
    mod model;
    mod runs;
    mod vfs;
}
