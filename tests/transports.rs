//! Judges of every way to reach the broker: Unix socket, TLS, WebSocket, PROXY header, and what each listener lets in.
//! They know the gateway by its command line, its configuration and what comes over its sockets.
#![cfg(feature = "daemon")]

#[expect(dead_code, reason = "the judges of the daemon use the rest")]
mod support;

mod transports {
    mod bench;
    mod certificates;
    mod garbage;
    mod gate;
    mod peers;
    mod proxy;
    mod rules;
    mod slow;
    mod tls;
    mod unix;
    mod websocket;
}
