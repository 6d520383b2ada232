//! `gatehouse bench` over everything that carries MQTT: it counts the same, and says over what.

use super::certificates::Authority;
use super::gate::Gate;
use crate::support::daemon::{binary, data_dir};
use serde_json::Value;
use std::process::{Command, Output};

fn bench(way: &[&str], load: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["bench", "--json", "--no-progress"]).args(way).args(load).output().expect("gatehouse starts")
}

#[test]
fn the_load_comes_over_tls_websocket_and_unix_sockets_and_is_counted() {
    let folder = data_dir();
    let authority = Authority::new("server authority");
    authority.write_server(folder.path());
    let ca = authority.file(folder.path(), "ca.pem");
    let socket = folder.path().join("mqtt.sock");
    let files = folder.path().display();
    let tls = format!("tls = {{ certificate = \"{files}/server.pem\", key = \"{files}/server.key\" }}");
    let (anywhere, websocket) = ("bind = \"127.0.0.1:0\"", "protocol = \"websocket\"");
    let listener = |lines: &[&str]| format!("[[broker.listener]]\n{}\n", lines.join("\n"));
    let listeners = [
        listener(&[anywhere, &tls]),
        listener(&[anywhere, websocket]),
        listener(&[anywhere, websocket, &tls]),
        listener(&[&format!("unix = \"{}\"", socket.display())]),
    ];
    let kinds = ["mqtt over tls", "websocket", "websocket over tls", "mqtt"];
    let gate = Gate::start(folder.path(), &listeners.concat(), &kinds);
    let ports: Vec<String> = (0..3).map(|index| gate.socket_address(index).port().to_string()).collect();
    let [ca, socket] = [&ca, &socket].map(|path| path.to_str().expect("text"));
    let ways: [(&str, &[&str]); 4] = [
        ("TLS", &["-h", "localhost", "-p", &ports[0], "--cafile", ca]),
        ("WebSocket", &["-h", "localhost", "-p", &ports[1], "--ws"]),
        ("WebSocket over TLS", &["-h", "localhost", "-p", &ports[2], "--ws", "--cafile", ca]),
        ("Unix socket", &["--unix", socket]),
    ];
    for (transport, way) in ways {
        for load in [
            &["pairs", "--messages", "300", "--clients", "5", "-q", "1", "-V", "mqttv311"][..],
            // More than one record of TLS each, and more than one buffer of the kernel together.
            &["fan-in", "--messages", "300", "--clients", "3", "-q", "2", "--payload", "40000"],
        ] {
            let output = bench(way, load);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{load:?} over {transport}: {said}");
            let object: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
            let told = ["transport", "sent", "delivered", "lost", "duplicated", "reordered", "misdelivered"];
            let expected = [transport.into(), 300.into(), 300.into(), 0.into(), 0.into(), 0.into(), Value::from(0)];
            assert_eq!(told.map(|name| object[name].clone()), expected, "{load:?} over {transport}");
        }
    }
    let stranger = Authority::new("another authority").file(folder.path(), "another.pem");
    let way = ["-h", "localhost", "-p", &ports[0], "--cafile", stranger.to_str().expect("text")];
    assert_eq!(bench(&way, &["pairs", "--messages", "1"]).status.code(), Some(4), "who vouches for it is not trusted");
}
