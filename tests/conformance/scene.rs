//! A gateway with as many clients as a test wants.

use crate::notation::bytes;
use crate::support::client::Client;
use crate::support::daemon::{Daemon, data_dir};
use crate::support::websocket;
use crate::support::wire::{Connect, Message, Properties, Received, Version};
use crate::{TRANSPORT, Transport};
use std::cell::Cell;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;

/// The versions whose specifications number their statements.
pub const BOTH: [Version; 2] = [Version::V311, Version::V5];

/// Reasons for bytes that break the rules: which of the two it is, the specification leaves open at times.
pub const BROKEN: &[u8] = &[0x81, 0x82];

/// A running gateway. Whatever a test did to it, in the end a new client is served.
pub struct Scene {
    _daemon: Daemon,
    address: SocketAddr,
    _folder: tempfile::TempDir,
    readers: Cell<u32>,
    /// Whether everybody may come in.
    is_open: bool,
}

impl Scene {
    pub fn new() -> Self {
        Self::with("", None)
    }

    /// A gateway whose configuration has these lines under `[broker]`, and these users.
    pub fn with(broker: &str, users: Option<&str>) -> Self {
        let folder = data_dir();
        let users_line = users.map_or("", |_| "users = \"users.toml\"\n");
        if let Some(users) = users {
            let file = folder.path().join("users.toml");
            std::fs::write(&file, users).expect("a writable folder");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("our own file");
        }
        let listener = match TRANSPORT {
            Transport::Tcp => "",
            Transport::WebSocket => "[[broker.listener]]\nbind = \"127.0.0.1:0\"\nprotocol = \"websocket\"\n",
        };
        let file = folder.path().join("gatehouse.toml");
        std::fs::write(&file, format!("schema = 1\n[broker]\n{users_line}{broker}\n{listener}"))
            .expect("a writable folder");
        let starting = Daemon::spawn_with(&folder.path().join("data"), &["--config".as_ref(), file.as_os_str()]);
        let kinds: &[&str] = match TRANSPORT {
            Transport::Tcp => &["mqtt"],
            Transport::WebSocket => &["mqtt", "websocket"],
        };
        let (daemon, addresses) = starting.listening_to(kinds).unwrap_or_else(|what| panic!("{what}"));
        let address = addresses.last().expect("one of each kind").parse().expect("an address");
        Self { _daemon: daemon, address, _folder: folder, readers: Cell::new(0), is_open: users.is_none() }
    }

    /// A connection on which nothing was sent.
    pub fn open(&self, version: Version) -> Client {
        match TRANSPORT {
            Transport::Tcp => Client::open(self.address, version),
            Transport::WebSocket => Client::over(websocket::connect(self.address), version),
        }
    }

    /// A client with a clean session.
    pub fn client(&self, version: Version, client_id: &str) -> Client {
        self.connect(&Connect::clean(version, client_id)).0
    }

    /// A client that connects as told, and whether its session was there.
    pub fn connect(&self, connect: &Connect) -> (Client, bool) {
        let mut client = self.open(connect.version);
        let (session_present, _) = client.introduce(connect);
        (client, session_present)
    }

    /// A client that connects as told, and the properties of CONNACK.
    pub fn told(&self, connect: &Connect) -> (Client, Properties) {
        let mut client = self.open(connect.version);
        let (_, properties) = client.introduce(connect);
        (client, properties)
    }

    /// A client of its own name with one subscription.
    pub fn reader(&self, version: Version, filter: &str, options: u8) -> Client {
        let number = self.readers.get() + 1;
        self.readers.set(number);
        let mut reader = self.client(version, &format!("reader {number}"));
        assert!(reader.subscribe(filter, options) < 0x80);
        reader
    }

    /// Somebody publishes, with all that its QoS promises.
    pub fn publish(&self, message: &Message) {
        let mut publisher = self.client(Version::V5, "somebody");
        assert!(publisher.publish(message) < 0x80);
        publisher.disconnect();
    }

    /// What a first packet is answered with before the connection is closed.
    pub fn answers(&self, version: Version, notation: &str) -> Vec<Received> {
        let mut client = self.open(version);
        client.send(&bytes(notation));
        client.until_closed()
    }

    /// A first packet is refused: with CONNACK and one of these codes in 5.0, with a closed connection alone in 3.1.1.
    pub fn assert_refused(&self, version: Version, notation: &str, codes: &[u8]) {
        match (version, &self.answers(version, notation)[..]) {
            (Version::V31 | Version::V311, []) => {}
            (Version::V5, [Received::Connack { session_present: false, code, .. }]) if codes.contains(code) => {}
            (_, answers) => panic!("{version:?}: {notation} was answered with {answers:?}"),
        }
    }

    /// A packet of a connected client ends its connection, in 5.0 with one of these reasons.
    pub fn assert_ends(&self, version: Version, notation: &str, reasons: &[u8]) {
        let mut client = self.client(version, "offender");
        client.send(&bytes(notation));
        assert_ended(version, &mut client, reasons);
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !self.is_open || std::thread::panicking() {
            return;
        }
        for version in BOTH {
            let mut fresh = self.client(version, "fresh");
            assert!(fresh.subscribe("the/end", 1) < 0x80);
            assert!(fresh.publish(&Message::new("the/end", "x", 1)) < 0x80);
            assert_eq!(fresh.message().text(), "x", "a new client is served");
            fresh.disconnect();
        }
    }
}

/// The connection is closed, in 5.0 with one of these reasons, and nothing else is said.
pub fn assert_ended(version: Version, client: &mut Client, reasons: &[u8]) {
    match (version, &client.until_closed()[..]) {
        (Version::V31 | Version::V311, []) => {}
        (Version::V5, [Received::Disconnect { reason }]) if reasons.contains(reason) => {}
        (_, received) => panic!("{version:?}: {received:?} instead of one of {reasons:02x?}"),
    }
}

/// A number among the properties of a message.
pub fn number(id: u8, value: u32) -> Properties {
    Properties::default().number(id, value)
}
