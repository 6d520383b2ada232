//! A gateway with listeners, and what every transport must carry.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, Starting, binary, data_dir};
use crate::support::stream::Stream;
use crate::support::wire::{Connect, Message, Version};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A gateway whose first listener is plain.
pub struct Gate {
    pub daemon: Daemon,
    /// Where the listeners of the configuration are.
    pub addresses: Vec<String>,
}

/// Writes a configuration with these listeners beside the data.
pub fn configuration(folder: &Path, listeners: &str) -> PathBuf {
    let file = folder.join("gatehouse.toml");
    let text = format!("schema = 1\n[gateway]\nid = \"gw1\"\n[broker]\n{listeners}\n");
    std::fs::write(&file, text).expect("a writable folder");
    file
}

impl Gate {
    /// Starts with a plain listener and those of a configuration, whose kinds are told in the same order.
    pub fn start(folder: &Path, listeners: &str, kinds: &[&str]) -> Gate {
        let kinds = [&["mqtt"], kinds].concat();
        let started = spawn(folder, listeners).listening_to(&kinds);
        let (daemon, mut addresses) = started.unwrap_or_else(|what| panic!("{what}"));
        addresses.remove(0);
        Gate { daemon, addresses }
    }

    /// Address and port of a listener.
    pub fn socket_address(&self, index: usize) -> SocketAddr {
        self.addresses[index].parse().expect("an address and port")
    }

    /// Memory the gateway has now.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.daemon.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of every process");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kibibytes << 10
    }

    /// A client over the plain listener.
    pub fn plain(&self, version: Version, client_id: &str) -> Client {
        Client::fresh(self.daemon.address(), version, client_id)
    }
}

/// Starts without waiting until it listens.
pub fn spawn(folder: &Path, listeners: &str) -> Starting {
    let file = configuration(folder, listeners);
    Daemon::spawn_with(&folder.join("data"), &["--config".as_ref(), file.as_os_str()])
}

/// Runs a gateway that is expected not to start; tells what it said. It has to end with exit code 1.
pub fn start_in_vain(listeners: &str) -> String {
    let folder = data_dir();
    let file = configuration(folder.path(), listeners);
    let mut command = Command::new(binary());
    command.args(["run", "--data-dir"]).arg(folder.path().join("data")).arg("--config").arg(file);
    let ended = Starting::run(command, &folder.path().join("data")).ended();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended.errors
}

/// A client with a clean session over whatever stream.
pub fn client_over(stream: impl Stream + 'static, version: Version, client_id: &str) -> Client {
    let mut client = Client::over(stream, version);
    client.introduce(&Connect::clean(version, client_id));
    client
}

/// What every transport must carry: small and large messages of every QoS, both ways, in order.
pub fn carries_everything(client: &mut Client, other: &mut Client) {
    client.subscribe("to/client", 2);
    other.subscribe("to/other", 2);
    // One packet, many TLS records and WebSocket messages, and more than one buffer of the kernel.
    for size in [0, 1, 125, 126, 16 << 10, 65_535, 65_536, 1_000_000] {
        for qos in 0..=2 {
            let payload: Vec<u8> = (0..=250).cycle().take(size).collect();
            assert_eq!(client.publish(&Message::new("to/other", &payload, qos)), 0);
            assert!(other.message().payload == payload, "{size} bytes with QoS {qos} to the other");
            assert_eq!(other.publish(&Message::new("to/client", &payload, qos)), 0);
            assert!(client.message().payload == payload, "{size} bytes with QoS {qos} to the client");
        }
    }
    for number in 0..500 {
        other.send(&Message::new("to/client", number.to_string(), 0).encode(Version::V5));
    }
    for number in 0..500 {
        assert_eq!(client.message().text(), number.to_string());
    }
    client.assert_quiet();
    waits_for_who_pauses(client, other);
}

/// More than the kernel, the streams and the outbox hold comes while the client does not read; nothing is lost.
fn waits_for_who_pauses(client: &mut Client, other: &mut Client) {
    const MESSAGES: usize = 60;
    for number in 0..MESSAGES {
        let payload = vec![number as u8; 200 << 10];
        assert_eq!(other.publish(&Message::new("to/client", payload, 1)), 0);
    }
    for number in 0..MESSAGES {
        let message = client.message();
        assert!(message.payload.len() == 200 << 10 && message.payload[0] == number as u8, "message {number}");
    }
    client.assert_quiet();
}
