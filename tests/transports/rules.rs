//! What one listener lets in does not concern another.

use super::gate::Gate;
use crate::support::client::Client;
use crate::support::daemon::data_dir;
use crate::support::eventually;
use crate::support::wire::{Connect, Received, Version};
use std::net::SocketAddr;

/// The code of CONNACK, after which the connection must be closed if it is a refusal.
fn connect(address: SocketAddr, version: Version, client_id: &str) -> (Client, u8) {
    let mut client = Client::open(address, version);
    client.send(&Connect::clean(version, client_id).encode());
    let Received::Connack { code, .. } = client.next() else { panic!("CONNACK comes first") };
    if code != 0 {
        assert_eq!(client.until_closed(), []);
    }
    (client, code)
}

#[test]
fn each_listener_has_its_own_versions() {
    let folder = data_dir();
    let listeners = "[[broker.listener]]\nbind = \"127.0.0.1:0\"\nversions = [\"5.0\"]\n\
                     [[broker.listener]]\nbind = \"127.0.0.1:0\"\nversions = [\"3.1\", \"3.1.1\"]";
    let gate = Gate::start(folder.path(), listeners, &["mqtt", "mqtt"]);
    let (new, old) = (gate.socket_address(0), gate.socket_address(1));
    assert_eq!(connect(new, Version::V5, "a").1, 0);
    assert_eq!(connect(new, Version::V311, "b").1, 1);
    assert_eq!(connect(old, Version::V311, "c").1, 0);
    assert_eq!(connect(old, Version::V5, "d").1, 0x84);
    assert_eq!(connect(gate.daemon.address(), Version::V5, "e").1, 0);
}

#[test]
fn each_listener_has_its_own_number_of_clients() {
    let folder = data_dir();
    let listeners = "[[broker.listener]]\nbind = \"127.0.0.1:0\"\nconnections = 2";
    let gate = Gate::start(folder.path(), listeners, &["mqtt"]);
    let address = gate.socket_address(0);
    let (first, _second) = (connect(address, Version::V5, "a"), connect(address, Version::V5, "b"));
    assert_eq!(connect(address, Version::V5, "c").1, 0x89);
    assert_eq!(connect(address, Version::V311, "c").1, 3);
    gate.plain(Version::V5, "c").assert_quiet();
    first.0.disconnect();
    eventually("room for one more", || (connect(address, Version::V5, "c").1 == 0).then_some(()));
}
