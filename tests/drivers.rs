//! Drivers against simulated lines and real pseudo-terminals, seen by an MQTT client through the real broker.
#![cfg(feature = "daemon")]

mod drivers {
    mod binary;
    mod discovery;
    mod gpio;
    mod hub;
    mod judges;
    mod line;
    mod modbus;
    mod observer;
    mod onewire;
    mod storm;
    mod transcripts;
}
