//! TLS: versions, client certificates, new certificates, files that are wrong.

use super::certificates::{Authority, TLS_VERSIONS, agreed, connect};
use super::gate::{Gate, carries_everything, client_over, start_in_vain};
use crate::support::client::{Client, End};
use crate::support::daemon::data_dir;
use crate::support::wire::{Connect, Version};
use crate::support::{PATIENCE, eventually};
use nix::sys::signal::{Signal, kill};
use rustls::{ClientConfig, HandshakeKind};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

const KIND: &str = "mqtt over tls";

/// A listener with the certificate that lies in the folder.
fn listener(folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!(
        "[[broker.listener]]\nbind = \"127.0.0.1:0\"\n\
         tls = {{ certificate = \"{folder}/server.pem\", key = \"{folder}/server.key\"{more} }}"
    )
}

/// A gateway with one TLS listener, beside the authority that vouches for it.
fn start(folder: &Path, more: &str) -> (Gate, Authority) {
    let authority = Authority::new("server authority");
    authority.write_server(folder);
    (Gate::start(folder, &listener(folder, more), &[KIND]), authority)
}

/// Whether the gateway lets a client in: only after the handshake does the client see what was thought of it.
fn is_let_in(address: SocketAddr, config: &Arc<ClientConfig>) -> bool {
    let Ok(stream) = connect(address, config) else { return false };
    let mut client = Client::over(stream, Version::V5);
    // The gateway may have closed already.
    _ = client.try_send(&Connect::clean(Version::V5, "asks").encode());
    match client.receive(PATIENCE) {
        Ok(_) => true,
        Err(End::Closed) => false,
        Err(end) => panic!("neither let in nor refused: {end:?}"),
    }
}

#[test]
fn both_versions_of_tls_carry_everything() {
    let folder = data_dir();
    let (gate, authority) = start(folder.path(), "");
    for version in TLS_VERSIONS {
        let stream = connect(gate.socket_address(0), &authority.trusted(&[version], None)).expect("a handshake");
        assert_eq!(agreed(&stream), Some(version.version));
        let mut client = client_over(stream, Version::V5, "tls");
        carries_everything(&mut client, &mut gate.plain(Version::V5, "plain"));
        client.disconnect();
    }
}

#[test]
fn the_gateway_says_good_bye_before_it_closes() {
    let folder = data_dir();
    let (gate, authority) = start(folder.path(), "");
    let config = authority.trusted(&TLS_VERSIONS, None);
    for _ in 0..50 {
        let mut stream = connect(gate.socket_address(0), &config).expect("a handshake");
        // What comes with the end of the handshake is answered as what comes later.
        stream.write_all(&[0xC0, 0]).expect("the broker reads");
        // Without close_notify this is an error, for the end could be an attacker's.
        assert_eq!(stream.read(&mut [0; 1]).expect("an end in order"), 0);
    }
}

#[test]
fn who_does_not_speak_tls_is_let_go() {
    let folder = data_dir();
    let (gate, _) = start(folder.path(), "");
    let mut client = Client::open(gate.socket_address(0), Version::V5);
    client.send(&Connect::clean(Version::V5, "naked").encode());
    let (received, end) = client.until_end(PATIENCE);
    assert!(received.is_empty() && end != End::Silent, "{received:?} {end:?}");
}

#[test]
fn client_certificates_are_asked_for_as_configured() {
    let folder = data_dir();
    let clients = Authority::new("client authority");
    let file = clients.file(folder.path(), "clients.pem");
    let (known, stranger) = (clients.client("kitchen"), Authority::new("anybody").client("kitchen"));
    for (asked, without) in [("required", false), ("optional", true)] {
        let more = format!(", client_ca = \"{}\", client_certificate = \"{asked}\"", file.display());
        let (gate, authority) = start(folder.path(), &more);
        for version in TLS_VERSIONS {
            let asks = |own| is_let_in(gate.socket_address(0), &authority.trusted(&[version], own));
            assert!(asks(Some(&known)), "{asked}, known");
            assert!(!asks(Some(&stranger)), "{asked}, vouched for by a stranger");
            assert_eq!(asks(None), without, "{asked}, without");
        }
    }
}

#[test]
fn a_certificate_without_a_name_is_nobodys_identity() {
    let folder = data_dir();
    let clients = Authority::new("client authority");
    let file = clients.file(folder.path(), "clients.pem");
    let more = format!(", client_ca = \"{}\", identity_as_user_name = true", file.display());
    let (gate, authority) = start(folder.path(), &more);
    let asks = |name| is_let_in(gate.socket_address(0), &authority.trusted(&TLS_VERSIONS, Some(&clients.client(name))));
    assert!(asks("kitchen"));
    assert!(!asks(""));
    assert!(!asks("two\nlines"));
}

#[test]
fn a_client_that_resumes_is_still_who_it_was() {
    let folder = data_dir();
    let clients = Authority::new("client authority");
    let file = clients.file(folder.path(), "clients.pem");
    let more = format!(", client_ca = \"{}\", identity_as_user_name = true", file.display());
    let (gate, authority) = start(folder.path(), &more);
    for version in TLS_VERSIONS {
        let config = authority.trusted(&[version], Some(&clients.client("kitchen")));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let stream = connect(gate.socket_address(0), &config).expect("a handshake");
            kinds.push(stream.conn.handshake_kind());
            client_over(stream, Version::V5, "kitchen").assert_quiet();
        }
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)], "{version:?}");
    }
}

/// The certificate that the gateway shows now.
fn shown(gate: &Gate, config: &Arc<ClientConfig>) -> Option<Vec<u8>> {
    let stream = connect(gate.socket_address(0), config).ok()?;
    Some(stream.conn.peer_certificates()?.first()?.to_vec())
}

#[test]
fn new_certificates_are_taken_without_dropping_a_connection() {
    let folder = data_dir();
    let (gate, authority) = start(folder.path(), "");
    let config = authority.trusted(&TLS_VERSIONS, None);
    let stream = connect(gate.socket_address(0), &config).expect("a handshake");
    let mut client = client_over(stream, Version::V5, "stays");
    let before = shown(&gate, &config).expect("a certificate");

    // A broken file: said, and what was there stays.
    std::fs::write(folder.path().join("server.pem"), "no certificate").expect("a writable folder");
    kill(gate.daemon.pid(), Signal::SIGHUP).expect("the process is ours");
    eventually("the problem is said", || gate.daemon.log().contains("tls.certificate").then_some(()));
    assert_eq!(shown(&gate, &config), Some(before.clone()));

    authority.write_server(folder.path());
    kill(gate.daemon.pid(), Signal::SIGHUP).expect("the process is ours");
    eventually("the new certificate", || shown(&gate, &config).filter(|shown| *shown != before));
    client.assert_quiet();
    carries_everything(&mut client, &mut gate.plain(Version::V5, "plain"));
}

#[test]
fn files_that_are_wrong_are_named_at_the_start() {
    let folder = data_dir();
    let authority = Authority::new("server authority");
    let refused = |what: &str, key: &str, file: &str| {
        let said = start_in_vain(&listener(folder.path(), ""));
        let file = folder.path().join(file).display().to_string();
        assert!(said.contains(&format!("tls.{key}")) && said.contains(&file), "{what}: {said}");
    };
    refused("nothing is there", "certificate", "server.pem");
    authority.write_server(folder.path());
    std::fs::remove_file(folder.path().join("server.key")).expect("it is there");
    refused("no key", "key", "server.key");
    std::fs::write(folder.path().join("server.key"), "no key").expect("a writable folder");
    refused("a key that is none", "key", "server.key");
    std::fs::write(folder.path().join("server.key"), Authority::new("x").client("x").1).expect("a writable folder");
    refused("another's key", "certificate", "server.pem");
}

/// Bug class: a peer that closed half of its connection keeps the loop turning.
#[test]
fn peers_that_closed_half_of_their_connection_cost_nothing() {
    let folder = data_dir();
    let (gate, authority) = start(folder.path(), "");
    let config = authority.trusted(&TLS_VERSIONS, None);
    let address = gate.socket_address(0);
    let half_closed: Vec<TcpStream> = (0..50)
        .map(|number| {
            let stream = connect(address, &config).expect("a handshake");
            let socket = stream.sock.try_clone().expect("a second handle");
            if number % 2 == 0 {
                client_over(stream, Version::V5, &format!("half-{number}")).assert_quiet();
            }
            // No close_notify: the stream ends as if it were cut.
            socket.shutdown(Shutdown::Write).expect("the socket is open");
            socket
        })
        .collect();
    for socket in &half_closed {
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        let mut rest = Vec::new();
        // Closed in order or reset: either way the gateway let go.
        let end = (&*socket).read_to_end(&mut rest).map_err(|error| error.kind());
        assert!(!matches!(end, Err(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)), "{end:?}");
    }
    client_over(connect(address, &config).expect("a handshake"), Version::V5, "fresh").assert_quiet();
}
