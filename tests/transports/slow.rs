//! Strangers that dawdle: gone in the time they have, at a bounded price, and in nobody's way.

use super::certificates::{Authority, TLS_VERSIONS, connect};
use super::gate::{Gate, client_over};
use crate::support::PATIENCE;
use crate::support::client::{Client, End};
use crate::support::daemon::data_dir;
use crate::support::websocket::{self, head, usual};
use crate::support::wire::{Connect, Version};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// The time a stranger has, and what a loaded machine may add to it.
const TIME: Duration = Duration::from_secs(10);
const LENIENCE: Duration = Duration::from_secs(5);

/// Pause between two bytes of those who dawdle.
const DAWDLING: Duration = Duration::from_secs(1);

const KINDS: [&str; 5] = ["mqtt", "mqtt over tls", "websocket", "websocket over tls", "mqtt"];

/// A gateway with every kind of listener, in the order of [`KINDS`].
fn start(folder: &Path) -> (Gate, Authority) {
    let authority = Authority::new("server authority");
    authority.write_server(folder);
    let place = folder.display();
    let tls = format!("tls = {{ certificate = \"{place}/server.pem\", key = \"{place}/server.key\" }}\n");
    let listener = "[[broker.listener]]\nbind = \"127.0.0.1:0\"\n";
    let websocket = "protocol = \"websocket\"\n";
    let all = format!(
        "{listener}{listener}{tls}{listener}{websocket}{listener}{websocket}{tls}{listener}proxy_protocol = true\n"
    );
    (Gate::start(folder, &all, &KINDS), authority)
}

/// Waits until the gateway closes; sends one byte of `bytes` a second meanwhile. Tells after how long.
fn dawdle(address: SocketAddr, at_once: &[u8], bytes: &[u8]) -> Duration {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the broker listens");
    let begin = Instant::now();
    socket.write_all(at_once).expect("the broker reads");
    socket.set_read_timeout(Some(DAWDLING)).expect("a socket option");
    let mut bytes = bytes.iter();
    while begin.elapsed() < PATIENCE {
        let mut chunk = [0; 4096];
        match socket.read(&mut chunk) {
            Ok(0) => return begin.elapsed(),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                // The gateway may have closed since.
                _ = bytes.next().map(|byte| socket.write_all(&[*byte]));
            }
            Err(_) => return begin.elapsed(),
        }
    }
    panic!("still there after {PATIENCE:?}");
}

#[test]
fn who_dawdles_is_gone_in_time_and_in_nobodys_way() {
    let folder = data_dir();
    let (gate, authority) = start(folder.path());
    let hello = authority.hello();
    let (half_hello, other_half) = hello.split_at(hello.len() / 2);
    let head = head(gate.socket_address(2)).into_bytes();
    let introduction = Connect::clean(Version::V5, "slow").encode();
    let [mqtt, tls, websocket, secure_websocket, proxied] = [0, 1, 2, 3, 4].map(|index| gate.socket_address(index));
    let cases: [(&str, SocketAddr, &[u8], &[u8]); 14] = [
        ("silent", mqtt, &[], &[]),
        ("CONNECT drop by drop", mqtt, &[], &introduction),
        ("silent before TLS", tls, &[], &[]),
        ("half of a hello", tls, half_hello, &[]),
        ("a hello drop by drop", tls, half_hello, other_half),
        ("a hello and nothing more", tls, &hello, &[]),
        ("silent before the upgrade", websocket, &[], &[]),
        ("half of a request", websocket, &head[..head.len() / 2], &[]),
        ("a request drop by drop", websocket, &[], &head),
        ("an upgrade and nothing more", websocket, &head, &[]),
        ("an upgrade and half of a frame", websocket, &[&head[..], &[0x82, 0x8C, 0, 0]].concat(), &[0; 20]),
        ("silent before TLS and the upgrade", secure_websocket, &[], &[]),
        ("silent before the PROXY header", proxied, &[], &[]),
        ("a PROXY header drop by drop", proxied, &[], b"PROXY UNKNOWN with a rather long line\r\n"),
    ];
    let config = authority.trusted(&TLS_VERSIONS, None);
    std::thread::scope(|scope| {
        let slow: Vec<_> = cases
            .iter()
            .map(|(what, address, at_once, bytes)| (what, scope.spawn(|| dawdle(*address, at_once, bytes))))
            .collect();
        // Who is quick is served meanwhile, whatever the listener.
        client_over(connect(tls, &config).expect("a handshake"), Version::V5, "quick").assert_quiet();
        client_over(websocket::connect(websocket), Version::V5, "quick").assert_quiet();
        let secure = connect(secure_websocket, &config).expect("a handshake");
        let secure = websocket::upgrade(secure, usual(secure_websocket)).expect("an upgrade");
        client_over(secure, Version::V5, "quick").assert_quiet();
        for (what, slow) in slow {
            let after = slow.join().expect("the dawdler ends");
            assert!(after < TIME + LENIENCE, "{what}: gone after {after:?}");
        }
    });
}

/// More dawdlers than may shake hands at once: the oldest give way, and who is quick gets through.
#[test]
fn a_crowd_of_dawdlers_keeps_nobody_out() {
    const CROWD: usize = 600;
    let folder = data_dir();
    let (gate, authority) = start(folder.path());
    let config = authority.trusted(&TLS_VERSIONS, None);
    let half_hello = &authority.hello()[..100];
    let half_head = &head(gate.socket_address(2)).into_bytes()[..60];
    let before = gate.resident_bytes();
    for (index, bytes) in [(1, half_hello), (2, half_head)] {
        let address = gate.socket_address(index);
        let crowd: Vec<TcpStream> = (0..CROWD)
            .map(|_| {
                let mut socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the broker listens");
                socket.write_all(bytes).expect("the broker reads");
                socket
            })
            .collect();
        let mut quick = if index == 1 {
            client_over(connect(address, &config).expect("a handshake"), Version::V5, "quick")
        } else {
            client_over(websocket::connect(address), Version::V5, "quick")
        };
        quick.assert_quiet();
        // The first of the crowd gave way to the last, long before its time was over.
        let mut first = Client::over(crowd[0].try_clone().expect("a second handle"), Version::V5);
        assert_eq!(first.until_end(TIME / 2), (vec![], End::Closed));
    }
    let grown = gate.resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more for {CROWD} dawdlers on each of two listeners");
}
