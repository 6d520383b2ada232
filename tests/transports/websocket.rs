//! WebSocket: the upgrade, messages and packets that do not lie side by side, what is refused.

use super::certificates::{Authority, TLS_VERSIONS};
use super::gate::{Gate, carries_everything, client_over};
use crate::support::daemon::data_dir;
use crate::support::websocket::{WebSocketStream, connect, head, request, tcp, upgrade, usual};
use crate::support::wire::{
    Connect, Message as Publication, PINGREQ, Properties, VERSIONS, Version, packet, subscribe,
};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use tungstenite::Message;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

const LISTENER: &str = "[[broker.listener]]\nbind = \"127.0.0.1:0\"\nprotocol = \"websocket\"\n";

fn start(folder: &Path) -> Gate {
    Gate::start(folder, LISTENER, &["websocket"])
}

/// A frame of a message that need not end with it.
fn part(opcode: Data, is_final: bool, payload: &[u8]) -> Message {
    let header =
        FrameHeader { is_final, opcode: OpCode::Data(opcode), mask: Some([1, 2, 3, 4]), ..FrameHeader::default() };
    Message::Frame(Frame::from_payload(header, payload.to_vec().into()))
}

fn connected(address: SocketAddr, client_id: &str) -> WebSocketStream<TcpStream> {
    let mut stream = connect(address);
    stream.send_binary(&Connect::clean(Version::V311, client_id).encode());
    let connack = stream.socket.read().expect("CONNACK");
    assert_eq!(connack, Message::Binary(vec![0x20, 2, 0, 0].into()));
    stream
}

fn is_alive(stream: &mut WebSocketStream<TcpStream>) {
    stream.send_binary(&PINGREQ);
    assert_eq!(stream.socket.read().expect("PINGRESP"), Message::Binary(vec![0xD0, 0].into()));
}

#[test]
fn websocket_carries_everything() {
    let folder = data_dir();
    let gate = start(folder.path());
    for version in VERSIONS {
        let mut client = client_over(connect(gate.socket_address(0)), version, "websocket");
        carries_everything(&mut client, &mut gate.plain(Version::V5, "plain"));
        client.disconnect();
    }
}

#[test]
fn websocket_over_tls_carries_everything() {
    let folder = data_dir();
    let authority = Authority::new("server authority");
    authority.write_server(folder.path());
    let place = folder.path().display();
    let tls = format!("tls = {{ certificate = \"{place}/server.pem\", key = \"{place}/server.key\" }}");
    let gate = Gate::start(folder.path(), &format!("{LISTENER}{tls}"), &["websocket over tls"]);
    let address = gate.socket_address(0);
    for version in TLS_VERSIONS {
        let config = authority.trusted(&[version], None);
        let stream = super::certificates::connect(address, &config).expect("a handshake");
        let stream = upgrade(stream, usual(address)).expect("an upgrade");
        let mut client = client_over(stream, Version::V5, "secure websocket");
        carries_everything(&mut client, &mut gate.plain(Version::V5, "plain"));
    }
}

#[test]
fn packets_lie_in_messages_as_they_like() {
    let folder = data_dir();
    let gate = start(folder.path());
    let mut reader = gate.plain(Version::V311, "reader");
    reader.subscribe("cut/#", 0);
    let publish = |text: &str| Publication::new("cut/x", text, 0).encode(Version::V311);
    // CONNECT byte by byte, with empty messages and pings between.
    let mut stream = connect(gate.socket_address(0));
    for byte in Connect::clean(Version::V311, "cutter").encode() {
        stream.send_binary(&[byte]);
        stream.send_binary(&[]);
        stream.socket.send(Message::Ping(vec![byte].into())).expect("the broker reads");
        assert_eq!(stream.socket.read().expect("a pong"), Message::Pong(vec![byte].into()));
    }
    assert_eq!(stream.socket.read().expect("CONNACK"), Message::Binary(vec![0x20, 2, 0, 0].into()));
    // Two packets and the beginning of a third in one message, its end in the next.
    let three = [publish("1"), publish("2"), publish("3")].concat();
    let (front, back) = three.split_at(three.len() - 3);
    stream.send_binary(front);
    stream.send_binary(back);
    // One packet in three frames of one message, with a ping between them.
    let four = publish("4");
    for (index, piece) in four.chunks(four.len().div_ceil(3)).enumerate() {
        let opcode = if index == 0 { Data::Binary } else { Data::Continue };
        stream.socket.send(part(opcode, index == 2, piece)).expect("the broker reads");
        stream.socket.send(Message::Ping(vec![].into())).expect("the broker reads");
    }
    for expected in ["1", "2", "3", "4"] {
        assert_eq!(reader.message().text(), expected);
    }
}

#[test]
fn what_is_no_mqtt_over_websocket_is_closed_with_the_reason() {
    let folder = data_dir();
    let gate = start(folder.path());
    let address = gate.socket_address(0);
    let unmasked = FrameHeader { opcode: OpCode::Data(Data::Binary), ..FrameHeader::default() };
    let mut raw_unmasked = Vec::new();
    unmasked.format(2, &mut raw_unmasked).expect("a vector takes everything");
    raw_unmasked.extend(PINGREQ);
    let cases: [(&str, Vec<Message>, CloseCode); 4] = [
        ("a text message", vec![Message::Text("hello".into())], CloseCode::Unsupported),
        (
            "text in parts",
            vec![part(Data::Text, false, b"he"), part(Data::Continue, true, b"y")],
            CloseCode::Unsupported,
        ),
        ("a continuation of nothing", vec![part(Data::Continue, true, b"x")], CloseCode::Protocol),
        ("a reserved kind of frame", vec![part(Data::Reserved(3), true, b"x")], CloseCode::Protocol),
    ];
    for (what, messages, code) in cases {
        let mut stream = connected(address, "client");
        for message in messages {
            stream.socket.send(message).expect("the broker reads");
        }
        assert_eq!(stream.close_code(), Some(code), "{what}");
    }
    let mut stream = connected(address, "client");
    stream.socket.get_mut().write_all(&raw_unmasked).expect("the broker reads");
    assert_eq!(stream.close_code(), Some(CloseCode::Protocol), "a frame without mask");
    let mut stream = connected(address, "client");
    stream.socket.get_mut().write_all(&[0x89, 0xFE, 0, 126, 0, 0, 0, 0]).expect("the broker reads");
    stream.socket.get_mut().write_all(&[0; 126]).expect("the broker reads");
    assert_eq!(stream.close_code(), Some(CloseCode::Protocol), "a ping that is too long");
    is_alive(&mut connected(address, "fresh"));
}

/// Closing a socket that still receives resets it, and the reset overtakes what was said last.
#[test]
fn the_reason_reaches_a_client_that_goes_on_sending() {
    let folder = data_dir();
    let gate = start(folder.path());
    for _ in 0..10 {
        let mut stream = connected(gate.socket_address(0), "client");
        stream.socket.send(Message::Text("hello".into())).expect("the broker reads");
        stream.socket.get_mut().write_all(&vec![0; 1 << 20]).expect("the broker reads");
        assert_eq!(stream.close_code(), Some(CloseCode::Unsupported));
    }
}

#[test]
fn messages_have_a_limit_that_is_lower_for_strangers() {
    let folder = data_dir();
    let gate = start(folder.path());
    let address = gate.socket_address(0);
    let announce = |stream: &mut WebSocketStream<TcpStream>, bytes: u64| {
        let mut header = vec![0x82, 0xFF];
        header.extend(bytes.to_be_bytes());
        header.extend([0; 4]);
        stream.socket.get_mut().write_all(&header).expect("the broker reads");
    };
    let mut stranger = connect(address);
    announce(&mut stranger, (8 << 10) + 1);
    assert_eq!(stranger.close_code(), Some(CloseCode::Size));
    let mut client = connected(address, "client");
    announce(&mut client, (1 << 20) + 1);
    assert_eq!(client.close_code(), Some(CloseCode::Size));
    let mut client = connected(address, "client");
    announce(&mut client, u64::MAX >> 1);
    assert_eq!(client.close_code(), Some(CloseCode::Size));
    // Parts that are small each, and too large together.
    let mut client = connected(address, "client");
    let piece = vec![0; 600 << 10];
    client.socket.send(part(Data::Binary, false, &piece)).expect("the broker reads");
    client.socket.send(part(Data::Continue, true, &piece)).expect("the broker reads");
    assert_eq!(client.close_code(), Some(CloseCode::Size));
    is_alive(&mut connected(address, "fresh"));
}

#[test]
fn large_packets_come_in_messages_that_browsers_like() {
    let folder = data_dir();
    let gate = start(folder.path());
    let mut stream = connected(gate.socket_address(0), "reader");
    stream.send_binary(&subscribe(Version::V311, 1, &Properties::default(), &[("large", 0)]));
    assert_eq!(stream.socket.read().expect("SUBACK"), Message::Binary(vec![0x90, 3, 0, 1, 0].into()));
    let publication = Publication::new("large", vec![7; 500_000], 0);
    gate.plain(Version::V5, "writer").publish(&publication);
    let expected = publication.encode(Version::V311);
    let mut received = Vec::new();
    while received.len() < expected.len() {
        let Message::Binary(payload) = stream.socket.read().expect("a part") else { panic!("binary messages only") };
        assert!(payload.len() <= 64 << 10, "{} bytes in one message", payload.len());
        received.extend_from_slice(&payload);
    }
    assert!(received == expected);
}

/// A publish that follows CONNECT before CONNACK has come is no stranger's.
#[test]
fn a_client_that_does_not_wait_for_connack_may_send_large_packets() {
    let folder = data_dir();
    let gate = start(folder.path());
    let mut reader = gate.plain(Version::V311, "reader");
    reader.subscribe("early", 0);
    let mut stream = connect(gate.socket_address(0));
    let publish = Publication::new("early", vec![7; 500_000], 0).encode(Version::V311);
    for bytes in [Connect::clean(Version::V311, "hasty").encode(), publish] {
        stream.socket.write(Message::Binary(bytes.into())).expect("the broker reads");
    }
    stream.socket.flush().expect("the broker reads");
    assert_eq!(reader.message().payload.len(), 500_000);
}

#[test]
fn the_upgrade_is_refused_with_the_right_status() {
    let folder = data_dir();
    let listed = format!("{LISTENER}origins = [\"https://house.example\"]\n");
    let gate = Gate::start(folder.path(), &format!("{LISTENER}{listed}"), &["websocket", "websocket"]);
    let protocol = ("sec-websocket-protocol", "mqtt");
    let ask = |index, path, more: &[(&'static str, &str)]| {
        let address = gate.socket_address(index);
        upgrade(tcp(address), request(address, path, more)).err()
    };
    assert_eq!(ask(0, "/mqtt", &[protocol]), None);
    assert_eq!(ask(0, "/a/house/mqtt", &[("sec-websocket-protocol", "mqttv3.1")]), None);
    assert_eq!(ask(0, "/metrics", &[protocol]), Some(404));
    assert_eq!(ask(0, "/mqtt", &[("sec-websocket-protocol", "chat")]), Some(400));
    assert_eq!(ask(0, "/mqtt", &[protocol, ("origin", "http://127.0.0.1:8080")]), None);
    assert_eq!(ask(0, "/mqtt", &[protocol, ("origin", "http://evil.example")]), Some(403));
    assert_eq!(ask(1, "/mqtt", &[protocol, ("origin", "https://house.example")]), None);
    assert_eq!(ask(1, "/mqtt", &[protocol, ("origin", "http://127.0.0.1:8080")]), Some(403));
    for text in [
        "POST /mqtt HTTP/1.1\r\n\r\n",
        "GET /mqtt HTTP/1.0\r\n\r\n",
        "GET /mqtt HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\r\n",
    ] {
        let mut socket = tcp(gate.socket_address(0));
        socket.write_all(text.as_bytes()).expect("the broker reads");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer and an end");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{text:?}: {answer:?}");
    }
}

#[test]
fn frames_that_come_with_the_request_are_not_lost() {
    let folder = data_dir();
    let gate = start(folder.path());
    let mut socket = tcp(gate.socket_address(0));
    let mut bytes = head(gate.socket_address(0)).into_bytes();
    let connect = Connect::clean(Version::V311, "hasty").encode();
    bytes.extend([0x82, 0x80 | connect.len() as u8, 0, 0, 0, 0]);
    bytes.extend(connect);
    socket.write_all(&bytes).expect("the broker reads");
    let mut answer = Vec::new();
    let connack = [0x82, 4, 0x20, 2, 0, 0];
    while !answer.ends_with(&connack) {
        let mut chunk = [0; 512];
        let count = socket.read(&mut chunk).expect("an answer");
        assert!(count > 0, "closed after {answer:?}");
        answer.extend(&chunk[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn closing_is_answered_and_sends_the_will() {
    let folder = data_dir();
    let gate = start(folder.path());
    let mut reader = gate.plain(Version::V311, "reader");
    reader.subscribe("will", 0);
    let mut stream = connect(gate.socket_address(0));
    let introduction = Connect::clean(Version::V311, "mortal").will(Publication::new("will", "gone", 0));
    stream.send_binary(&introduction.encode());
    stream.socket.read().expect("CONNACK");
    stream.socket.close(None).expect("the broker reads");
    assert_eq!(stream.socket.read().expect("an answer"), Message::Close(None));
    assert_eq!(reader.message().text(), "gone");
    // And the other way: the broker closes after DISCONNECT, in order.
    let mut stream = connected(gate.socket_address(0), "leaves");
    stream.send_binary(&packet(0xE0, &[]));
    assert_eq!(stream.close_code(), Some(CloseCode::Normal));
}

/// Answers to pings that nobody reads must neither pile up nor keep others waiting.
#[test]
fn a_flood_of_pings_that_nobody_reads_is_survived() {
    let folder = data_dir();
    let gate = start(folder.path());
    let mut flood = connected(gate.socket_address(0), "flood");
    flood.socket.get_mut().set_nonblocking(true).expect("a socket option");
    let ping = [&[0x89, 0xFD, 0, 0, 0, 0][..], &[0; 125]].concat();
    let many = ping.repeat(100);
    let before = gate.resident_bytes();
    let mut sent = 0;
    for round in 0..2_000 {
        match flood.socket.get_mut().write(&many[sent % ping.len()..]) {
            Ok(count) => sent += count,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "the connection lives"),
        }
        if round % 500 == 0 {
            client_over(connect(gate.socket_address(0)), Version::V5, "other").assert_quiet();
        }
    }
    assert!(sent > 1 << 20, "only {sent} bytes were taken");
    let grown = gate.resident_bytes().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more for {sent} bytes of pings");
}
