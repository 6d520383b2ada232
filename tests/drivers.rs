//! Drivers against simulated lines and real pseudo-terminals, seen by an MQTT client through the real broker.
#![cfg(feature = "daemon")]

#[expect(dead_code, reason = "the judges of tests/daemon use the rest")]
mod support;

mod drivers {
    mod binary;
    mod commands;
    mod discovery;
    mod failsafe;
    mod far_end;
    mod gpio;
    mod homie;
    mod hub;
    mod judges;
    mod line;
    mod modbus;
    mod observer;
    mod onewire;
    mod ports;
    mod real;
    mod transcripts;
}
