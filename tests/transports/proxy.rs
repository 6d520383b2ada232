//! Headers of the PROXY protocol before MQTT and before TLS.

use super::certificates::{Authority, TLS_VERSIONS};
use super::gate::{Gate, client_over};
use crate::support::PATIENCE;
use crate::support::client::{Client, End};
use crate::support::daemon::data_dir;
use crate::support::wire::{Connect, Version};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 50000 1883\r\n";
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C\xC0\x00\x02\x07\xC0\x00\x02\x01\xC3\x50\x07\x5B";

const LISTENER: &str = "[[broker.listener]]\nbind = \"127.0.0.1:0\"\nproxy_protocol = true\n";

fn behind(address: SocketAddr, header: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE).expect("the broker listens");
    socket.write_all(header).expect("the broker reads");
    socket
}

#[test]
fn both_versions_are_read_and_mqtt_follows() {
    let folder = data_dir();
    let gate = Gate::start(folder.path(), LISTENER, &["mqtt"]);
    for header in [LINE, BINARY] {
        client_over(behind(gate.socket_address(0), header), Version::V5, "behind").assert_quiet();
        // In one piece with CONNECT, and byte by byte.
        let connect = Connect::clean(Version::V5, "behind");
        let whole = [header, &connect.encode()].concat();
        let mut client = Client::over(behind(gate.socket_address(0), &whole), Version::V5);
        client.next();
        client.assert_quiet();
        let mut socket = behind(gate.socket_address(0), &[]);
        socket.set_nodelay(true).expect("a socket option");
        for byte in header {
            socket.write_all(&[*byte]).expect("the broker reads");
        }
        client_over(socket, Version::V5, "behind").assert_quiet();
    }
}

#[test]
fn tls_follows_the_header() {
    let folder = data_dir();
    let authority = Authority::new("server authority");
    authority.write_server(folder.path());
    let place = folder.path().display();
    let tls = format!("tls = {{ certificate = \"{place}/server.pem\", key = \"{place}/server.key\" }}");
    let gate = Gate::start(folder.path(), &format!("{LISTENER}{tls}"), &["mqtt over tls"]);
    for header in [LINE, BINARY] {
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(authority.trusted(&TLS_VERSIONS, None), name).expect("a client");
        let stream = StreamOwned::new(connection, behind(gate.socket_address(0), header));
        client_over(stream, Version::V5, "behind").assert_quiet();
    }
}

#[test]
fn without_the_header_nobody_is_let_in_and_with_it_nobody_who_need_not_send_it() {
    let folder = data_dir();
    let gate = Gate::start(folder.path(), LISTENER, &["mqtt"]);
    let connect = Connect::clean(Version::V311, "client").encode();
    let header = [LINE, &connect].concat();
    for (address, bytes) in [(gate.socket_address(0), &connect), (gate.daemon.address(), &header)] {
        let mut client = Client::over(behind(address, bytes), Version::V311);
        assert_eq!(client.until_end(PATIENCE), (vec![], End::Closed));
    }
}
