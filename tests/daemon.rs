//! Judges of the real binary over loopback: the protocol, bad input, real clients, `kill -9` and a full disk.
//! They know the gateway by its command line and by MQTT alone.
#![cfg(feature = "daemon")]

#[expect(dead_code, reason = "the judges of conformance use the rest")]
mod support;

mod daemon {
    mod access;
    mod bench;
    mod commands;
    mod damage;
    mod delivery;
    mod demo;
    mod disk;
    mod exactly_once;
    mod kill9;
    mod limits;
    mod malformed;
    mod peers;
    mod process;
    mod properties;
    mod retained;
    mod rules;
    mod sandbox;
    mod sessions;
    mod subscriptions;
    mod truth;
    mod wills;
}
