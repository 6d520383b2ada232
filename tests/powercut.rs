//! The promise under power cuts: a file that logs every write and flush is the disk under the real binary, which works over
//! real sockets while a ledger outside notes what it confirmed. Then the disk is rebuilt as of any moment, the binary
//! started on it, and asked for everything that was confirmed by then.
//!
//! `make powercut CUTS=10000 SEED=…` runs it longer; `make truth` does the same to mosquitto. Needs root, FUSE and loop
//! devices.
#![cfg(feature = "daemon")]

#[expect(dead_code, reason = "the judges of the daemon use the rest")]
mod support;

mod powercut {
    mod actor;
    mod check;
    mod cut;
    mod medium;
    mod peer;
    mod publisher;
    mod record;
    mod rig;
    mod runs;
    mod stream;
    mod subscriber;
    mod truth;
}
