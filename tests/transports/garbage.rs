//! Bytes that are nothing, and bytes that nearly are something: the gateway lets go of them and goes on.

use super::certificates::{Authority, TLS_VERSIONS, connect};
use super::gate::{Gate, client_over};
use crate::support::PATIENCE;
use crate::support::daemon::data_dir;
use crate::support::random::Random;
use crate::support::websocket::{self, head};
use crate::support::wire::{Connect, Message, Version};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

const ROUNDS: usize = 300;

/// What each kind of listener expects first, and then a client that publishes.
fn beginnings(address: SocketAddr) -> [Vec<u8>; 3] {
    let connect = Connect::clean(Version::V5, "garbage").encode();
    let publish = Message::new("a", "b", 0).encode(Version::V5);
    let packets = [&connect[..], &publish].concat();
    let frame = [&[0x82, 0x80 | u8::try_from(packets.len()).expect("short"), 0, 0, 0, 0], &packets[..]].concat();
    let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C\xC0\x00\x02\x07\xC0\x00\x02\x01\xC3\x50\x07\x5B";
    [
        [head(address).as_bytes(), &frame, &frame].concat(),
        [b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 1883\r\n", &packets[..]].concat(),
        [binary, &packets[..]].concat(),
    ]
}

/// Sends bytes and no more, and waits until the gateway lets go.
fn send(address: SocketAddr, bytes: &[u8]) {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the broker listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    // The gateway may let go in the middle.
    _ = socket.write_all(bytes);
    _ = socket.shutdown(Shutdown::Write);
    let mut rest = Vec::new();
    if let Err(error) = socket.read_to_end(&mut rest) {
        let kind = error.kind();
        assert!(
            !matches!(kind, std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
            "kept for {bytes:02x?}"
        );
    }
}

#[test]
fn garbage_harms_nobody() {
    let folder = data_dir();
    let authority = Authority::new("server authority");
    authority.write_server(folder.path());
    let place = folder.path().display();
    let tls = format!("tls = {{ certificate = \"{place}/server.pem\", key = \"{place}/server.key\" }}\n");
    let listener = "[[broker.listener]]\nbind = \"127.0.0.1:0\"\n";
    let listeners = format!("{listener}protocol = \"websocket\"\n{listener}proxy_protocol = true\n{listener}{tls}");
    let gate = Gate::start(folder.path(), &listeners, &["websocket", "mqtt", "mqtt over tls"]);
    let [websocket, proxied, secure] = [0, 1, 2].map(|index| gate.socket_address(index));
    let [upgrade, line, binary] = beginnings(websocket);
    let hello = authority.hello();
    let mut random = Random::new(0x6A7E);
    for _ in 0..ROUNDS {
        for (address, good) in [(websocket, &upgrade), (proxied, &line), (proxied, &binary), (secure, &hello)] {
            let mut bytes = good.clone();
            for _ in 0..=random.within(0..4) {
                let at = random.within(0..bytes.len() as u64) as usize;
                match random.within(0..3) {
                    0 => bytes[at] = random.within(0..256) as u8,
                    1 => bytes.truncate(at.max(1)),
                    _ => bytes.insert(at, random.within(0..256) as u8),
                }
            }
            send(address, &bytes);
        }
    }
    client_over(websocket::connect(websocket), Version::V5, "fresh").assert_quiet();
    let config = authority.trusted(&TLS_VERSIONS, None);
    client_over(connect(secure, &config).expect("a handshake"), Version::V5, "fresh").assert_quiet();
    let mut behind = TcpStream::connect_timeout(&proxied, PATIENCE).expect("the broker listens");
    behind.write_all(b"PROXY UNKNOWN\r\n").expect("the broker reads");
    client_over(behind, Version::V5, "fresh").assert_quiet();
    let log = gate.daemon.log();
    assert!(!log.contains("panicked"), "{log}");
}
