//! The statements of `conformance` again, over WebSocket: a client is served the same whatever carries its packets.
#![cfg(feature = "daemon")]

#[expect(dead_code, reason = "the judges of the daemon use the rest")]
mod support;

#[path = "."]
mod conformance {
    #[path = "conformance/acknowledge.rs"]
    mod acknowledge;
    #[path = "conformance/alias.rs"]
    mod alias;
    #[path = "conformance/authenticate.rs"]
    mod authenticate;
    #[path = "conformance/connack.rs"]
    mod connack;
    #[path = "conformance/connect.rs"]
    mod connect;
    #[path = "conformance/connect_payload.rs"]
    mod connect_payload;
    #[path = "conformance/disconnect.rs"]
    mod disconnect;
    #[path = "conformance/exact.rs"]
    mod exact;
    #[path = "conformance/keep_alive.rs"]
    mod keep_alive;
    #[path = "conformance/publish.rs"]
    mod publish;
    #[path = "conformance/qos.rs"]
    mod qos;
    #[path = "conformance/representation.rs"]
    mod representation;
    #[path = "conformance/retain.rs"]
    mod retain;
    #[path = "conformance/scene.rs"]
    mod scene;
    #[path = "conformance/session.rs"]
    mod session;
    #[path = "conformance/shared.rs"]
    mod shared;
    #[path = "conformance/subscribe.rs"]
    mod subscribe;
    #[path = "conformance/topics.rs"]
    mod topics;
    #[path = "conformance/unsubscribe.rs"]
    mod unsubscribe;
    #[path = "conformance/will.rs"]
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

const TRANSPORT: Transport = Transport::WebSocket;
