//! Real clients of others over TLS, WebSocket and Unix sockets. What is not on this machine prints NOT RUN.

use super::certificates::Authority;
use super::gate::Gate;
use crate::support::daemon::data_dir;
use crate::support::{not_run, succeeded};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Seconds a client waits for messages before it gives up.
const PATIENCE_SECONDS: &str = "20";

/// Versions by the name that mosquitto's clients give them.
const VERSIONS: [&str; 3] = ["mqttv31", "mqttv311", "mqttv5"];

/// A listener; `more` are further lines of it.
fn listener(place: &str, more: &str) -> String {
    format!("[[broker.listener]]\n{place}\n{more}\n")
}

fn tls(folder: &Path, more: &str) -> String {
    let folder = folder.display();
    format!("tls = {{ certificate = \"{folder}/server.pem\", key = \"{folder}/server.key\"{more} }}")
}

fn run(program: &str, place: &[&str], arguments: &[&str]) -> Output {
    let output = Command::new(program).args(place).args(arguments).output().expect("it was found before");
    succeeded(&output);
    output
}

/// A retained message goes in over one place and comes out over another.
fn passes(from: &[&str], to: &[&str]) {
    for version in VERSIONS {
        let topic = format!("peer/{version}");
        let common = ["-V", version, "-q", "1", "-t", &topic];
        run("mosquitto_pub", from, &[&common[..], &["-r", "-m", "hello"]].concat());
        let output = run("mosquitto_sub", to, &[&common[..], &["-C", "1", "-W", PATIENCE_SECONDS]].concat());
        assert_eq!(String::from_utf8_lossy(&output.stdout), "hello\n", "{from:?} to {to:?}");
        run("mosquitto_pub", from, &[&common[..], &["-r", "-n"]].concat());
    }
}

#[test]
fn mosquitto_clients_come_in_over_tls_and_unix_sockets() {
    let runs = |program| Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if runs("mosquitto_sub").is_err() || runs("mosquitto_pub").is_err() {
        return not_run("mosquitto's clients", "mosquitto_pub and mosquitto_sub are not installed");
    }
    let folder = data_dir();
    let (authority, clients) = (Authority::new("server authority"), Authority::new("client authority"));
    authority.write_server(folder.path());
    let ca = authority.file(folder.path(), "ca.pem");
    let client_ca = clients.file(folder.path(), "clients.pem");
    let (certificate, key) = clients.write_client(folder.path(), "kitchen");
    let socket = folder.path().join("mqtt.sock");
    let mutual = tls(folder.path(), &format!(", client_ca = \"{}\"", client_ca.display()));
    let anywhere = "bind = \"127.0.0.1:0\"";
    let listeners = [
        listener(anywhere, &tls(folder.path(), "")),
        listener(anywhere, &mutual),
        listener(&format!("unix = \"{}\"", socket.display()), ""),
    ];
    let gate = Gate::start(folder.path(), &listeners.concat(), &["mqtt over tls", "mqtt over tls", "mqtt"]);
    let [ca, certificate, key, socket] = [&ca, &certificate, &key, &socket].map(|path| path.to_str().expect("text"));
    let port = |index| gate.socket_address(index).port().to_string();
    let (own, tls_port, mutual_port) = (gate.daemon.address().port().to_string(), port(0), port(1));
    let plain = ["-h", "localhost", "-p", &own];
    let over_tls = ["-h", "localhost", "-p", &tls_port, "--cafile", ca];
    let with_certificate = ["-h", "localhost", "-p", &mutual_port, "--cafile", ca, "--cert", certificate, "--key", key];
    let unix = ["--unix", socket];
    passes(&over_tls, &plain);
    passes(&with_certificate, &over_tls);
    passes(&unix, &with_certificate);
    passes(&plain, &unix);
    let without = ["-h", "localhost", "-p", &mutual_port, "--cafile", ca, "-t", "x", "-m", "x"];
    let refused = Command::new("mosquitto_pub").args(without).output().expect("it was found before");
    assert!(!refused.status.success(), "let in without a certificate");
}

#[test]
fn paho_does_all_it_can_over_websocket_and_tls() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python");
    let has_paho = Command::new(&python).args(["-c", "import paho.mqtt"]).stderr(Stdio::null()).status();
    if !has_paho.is_ok_and(|status| status.success()) {
        return not_run("paho", "target/python has no paho-mqtt; scripts/python.sh makes it when PyPI can be reached");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/daemon/peers/walk_paho.py");
    let folder = data_dir();
    let authority = Authority::new("server authority");
    authority.write_server(folder.path());
    let ca = authority.file(folder.path(), "ca.pem");
    let (anywhere, websocket) = ("bind = \"127.0.0.1:0\"", "protocol = \"websocket\"\n");
    let tls = tls(folder.path(), "");
    let listeners =
        [listener(anywhere, websocket), listener(anywhere, &format!("{websocket}{tls}")), listener(anywhere, &tls)];
    let gate = Gate::start(folder.path(), &listeners.concat(), &["websocket", "websocket over tls", "mqtt over tls"]);
    let ways = [("websockets", false), ("websockets", true), ("tcp", true)];
    for (index, (transport, has_tls)) in ways.into_iter().enumerate() {
        for version in ["3.1.1", "5.0"] {
            let mut command = Command::new(&python);
            command.arg(&script).args([&gate.socket_address(index).port().to_string(), version, transport]);
            command.args(has_tls.then_some(&ca));
            let output = command.output().expect("python was found before");
            succeeded(&output);
            assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "all well", "{version} over {transport}");
        }
    }
}

/// The user of the example in RFC 7677: password `pencil`.
const USERS: &str = r##"
schema = 1
[[user]]
name = "user"
password = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
[[acl]]
everyone = true
readwrite = ["#"]
"##;

#[test]
fn mqtt_js_does_all_it_can_over_tcp_and_websocket_and_proves_itself_by_scram() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules = root.join("target/node/node_modules");
    let has_node = Command::new("node").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !has_node.is_ok_and(|status| status.success()) || !modules.join("mqtt").exists() {
        return not_run("mqtt.js", "node or target/node is missing; scripts/node.sh makes it when npm can be reached");
    }
    let folder = data_dir();
    let users = folder.path().join("users.toml");
    std::fs::write(&users, USERS).expect("a writable folder");
    std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o600)).expect("our own file");
    let listeners = format!(
        "users = \"users.toml\"\nanonymous = true\n{}",
        listener("bind = \"127.0.0.1:0\"", "protocol = \"websocket\"\n")
    );
    let gate = Gate::start(folder.path(), &listeners, &["websocket"]);
    let urls = [format!("mqtt://{}", gate.daemon.address()), format!("ws://{}/mqtt", gate.addresses[0])];
    let walk = |url: &str, more: &[&str]| {
        let mut command = Command::new("node");
        command.arg(root.join("tests/node/walk.js")).arg(url).args(more).env("NODE_PATH", &modules);
        let output = command.output().expect("node was found before");
        succeeded(&output);
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "all well", "{url} {more:?}");
    };
    for url in &urls {
        for version in ["3.1", "3.1.1", "5.0"] {
            walk(url, &[version]);
        }
        walk(url, &["5.0", "user", "pencil"]);
    }
}

#[test]
fn our_own_commands_come_in_over_tls_websocket_and_unix_sockets() {
    let folder = data_dir();
    let (authority, clients) = (Authority::new("server authority"), Authority::new("client authority"));
    authority.write_server(folder.path());
    let ca = authority.file(folder.path(), "ca.pem");
    let client_ca = clients.file(folder.path(), "clients.pem");
    let (certificate, key) = clients.write_client(folder.path(), "kitchen");
    let socket = folder.path().join("mqtt.sock");
    let mutual = tls(folder.path(), &format!(", client_ca = \"{}\"", client_ca.display()));
    let (anywhere, websocket) = ("bind = \"127.0.0.1:0\"", "protocol = \"websocket\"\n");
    let listeners = [
        listener(anywhere, &tls(folder.path(), "")),
        listener(anywhere, &mutual),
        listener(anywhere, websocket),
        listener(anywhere, &format!("{websocket}{}", tls(folder.path(), ""))),
        listener(&format!("unix = \"{}\"", socket.display()), ""),
    ];
    let kinds = ["mqtt over tls", "mqtt over tls", "websocket", "websocket over tls", "mqtt"];
    let gate = Gate::start(folder.path(), &listeners.concat(), &kinds);
    let [ca, certificate, key, socket] = [&ca, &certificate, &key, &socket].map(|path| path.to_str().expect("text"));
    let ports: Vec<String> = (0..4).map(|index| gate.socket_address(index).port().to_string()).collect();
    let at =
        |index: usize, more: &[&'static str]| [&["-h", "localhost", "-p"][..], &[ports[index].as_str()], more].concat();
    let ways = [
        [at(0, &["--cafile"]), vec![ca]].concat(),
        [at(1, &["--cafile"]), vec![ca, "--cert", certificate, "--key", key]].concat(),
        at(2, &["--ws"]),
        [at(3, &["--ws", "--cafile"]), vec![ca]].concat(),
        // 127.0.0.2 is in no certificate here.
        vec!["-h", "127.0.0.2", "-p", &ports[0], "--cafile", ca, "--insecure"],
        vec!["--unix", socket],
    ];
    let gatehouse = |command: &str, way: &[&str], more: &[&str]| {
        Command::new(crate::support::daemon::binary())
            .arg(command)
            .args(way)
            .args(more)
            .output()
            .expect("our own binary")
    };
    // More than one buffer of the kernel, many TLS records and WebSocket messages.
    let large = "x".repeat(3_000_000).into_bytes();
    let file = folder.path().join("large");
    std::fs::write(&file, &large[..900_000]).expect("a writable folder");
    let file = file.to_str().expect("text");
    for (index, way) in ways.iter().enumerate().filter(|(index, _)| *index != 4) {
        let other = &ways[(index + 1) % 4];
        let topic = format!("own/{index}");
        succeeded(&gatehouse("pub", way, &["-t", &topic, "-q", "1", "-r", "-f", file]));
        let output = gatehouse("sub", other, &["-t", &topic, "-q", "1", "-C", "1", "-N", "-W", PATIENCE_SECONDS]);
        succeeded(&output);
        assert!(output.stdout == large[..900_000], "{} bytes over {way:?} and {other:?}", output.stdout.len());
    }
    let own = ["-t", "own/x", "-m", "x"];
    let url = format!("wss://localhost:{}/own/url", ports[3]);
    succeeded(&gatehouse("pub", &["-L", &url, "--cafile", ca], &["-m", "x"]));
    let without_certificate = [at(1, &["--cafile"]), vec![ca]].concat();
    let without_authority = at(0, &["--cafile", "/dev/null"]);
    for (way, why) in [(without_certificate, "no certificate of its own"), (without_authority, "no authority")] {
        let refused = gatehouse("pub", &way, &own);
        assert_eq!(refused.status.code(), Some(4), "{why}: {refused:?}");
    }
    let other_host = ["-h", "127.0.0.2", "-p", &ports[0], "--cafile", ca];
    assert_eq!(gatehouse("pub", &other_host, &own).status.code(), Some(4));
}
