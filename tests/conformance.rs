//! One test for each normative statement that binds a server, for MQTT 5.0 and 3.1.1, against the real binary over TCP. The same tests
//! run over WebSocket in `conformance_websocket`.
//!
//! Above each test stands which statements it holds, by version. `docs/conformance.md` is made from that and from the
//! lists of all statements in `conformance/statements`; the test of the table tells how.
#![cfg(feature = "daemon")]

#[expect(dead_code, reason = "the judges of the daemon use the rest")]
mod support;

mod conformance {
    mod acknowledge;
    mod alias;
    mod authenticate;
    mod connack;
    mod connect;
    mod connect_payload;
    mod disconnect;
    mod exact;
    mod keep_alive;
    mod publish;
    mod qos;
    mod representation;
    mod retain;
    mod scene;
    mod session;
    mod shared;
    mod subscribe;
    mod table;
    mod topics;
    mod unsubscribe;
    mod will;
}

#[path = "daemon/malformed/notation.rs"]
mod notation;

/// What carries the packets of these tests.
#[derive(Clone, Copy)]
#[expect(dead_code, reason = "one binary of tests has one transport")]
enum Transport {
    Tcp,
    WebSocket,
}

const TRANSPORT: Transport = Transport::Tcp;
