//! `gatehouse bench` counts exactly: through a relay that loses, doubles and exchanges messages on purpose, it must tell
//! of as many as the relay did that to, and of none without it.

use crate::support::daemon::{Daemon, binary};
use crate::support::eventually;
use gatehouse::mqtt::frame;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

/// What the relay does to the messages of each connection, by their number.
#[derive(Clone, Copy)]
enum Evil {
    Nothing,
    /// Of ten it loses the fourth, doubles the sixth and exchanges the eighth and ninth.
    Everything,
}

/// A relay before a broker; it ends with the test's process.
fn relay(broker: SocketAddr, evil: Evil) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = listener.local_addr().expect("it listens").port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a client comes");
            let broker = TcpStream::connect(broker).expect("the broker listens");
            let (from, to) = (client.try_clone().expect("a descriptor"), broker.try_clone().expect("a descriptor"));
            thread::spawn(move || pass(from, to, Evil::Nothing));
            thread::spawn(move || pass(broker, client, evil));
        }
    });
    port
}

/// Passes packets on, one by one; that one end has closed ends it.
fn pass(mut from: TcpStream, mut to: TcpStream, evil: Evil) {
    let (mut bytes, mut part) = (vec![], [0; 4096]);
    let (mut number, mut held) = (0, None);
    while let Ok(count @ 1..) = from.read(&mut part) {
        bytes.extend_from_slice(&part[..count]);
        let mut out = vec![];
        while let Some(frame) = frame(&bytes, usize::MAX).expect("both ends speak MQTT") {
            let packet: Vec<u8> = bytes.drain(..frame.end).collect();
            let is_message = matches!(evil, Evil::Everything) && packet[0] & 0xF0 == 0x30;
            match number % 10 {
                _ if !is_message => out.extend(packet),
                3 => {}
                5 => out.extend([&packet[..], &packet].concat()),
                7 => held = Some(packet),
                _ => {
                    out.extend(packet);
                    out.extend(held.take().unwrap_or_default());
                }
            }
            number += u64::from(is_message);
        }
        if to.write_all(&out).is_err() {
            return;
        }
    }
    // The other end may have closed already.
    _ = to.shutdown(Shutdown::Write);
}

fn bench(port: u16, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.args(["bench", "--json", "-h", "127.0.0.1", "-p", &port.to_string()]).args(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("gatehouse starts");
    eventually("the end of a bench", || child.try_wait().expect("the process is ours"));
    child.wait_with_output().expect("its output")
}

/// Exit code and the counts `sent, delivered, lost, duplicated, reordered, misdelivered`.
fn counts(output: &Output) -> (Option<i32>, [u64; 6]) {
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    let object: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {said}"));
    let count = |name| object[name].as_u64().unwrap_or_else(|| panic!("no {name} in {text}"));
    let names = ["sent", "delivered", "lost", "duplicated", "reordered", "misdelivered"];
    (output.status.code(), names.map(count))
}

#[test]
fn a_broker_that_does_everything_right_is_told_so() {
    let daemon = Daemon::start();
    let port = relay(daemon.address(), Evil::Nothing);
    for arguments in [
        &["pairs", "--messages", "500", "--clients", "5", "-q", "1"][..],
        &["pairs", "--messages", "500", "--clients", "5", "-V", "mqttv311", "-q", "2", "--payload", "20"],
        &["fan-in", "--messages", "500", "--clients", "5", "-V", "mqttv31", "--payload", "5000"],
        &["low-rate", "--messages", "500", "--clients", "5", "--rate", "2000"],
        &["retained", "--messages", "500", "-q", "1"],
        &["offline", "--messages", "500", "--clients", "5", "-q", "1"],
        &["offline", "--messages", "500", "--clients", "5", "-q", "2", "-V", "mqttv311"],
    ] {
        assert_eq!(counts(&bench(port, arguments)), (Some(0), [500, 500, 0, 0, 0, 0]), "{arguments:?}");
    }
    let fan_out = ["fan-out", "--messages", "100", "--clients", "7"];
    assert_eq!(counts(&bench(port, &fan_out)), (Some(0), [100, 700, 0, 0, 0, 0]));
    let connect = ["connect", "--clients", "60", "--seconds", "1"];
    assert_eq!(counts(&bench(port, &connect)), (Some(0), [60, 60, 0, 0, 0, 0]));
}

#[test]
fn what_a_relay_loses_doubles_and_exchanges_is_counted_exactly() {
    let daemon = Daemon::start();
    let port = relay(daemon.address(), Evil::Everything);
    let pairs = ["pairs", "--messages", "1000", "--clients", "1"];
    assert_eq!(counts(&bench(port, &pairs)), (Some(7), [1000, 900, 100, 100, 100, 0]));
    let fan_in = ["fan-in", "--messages", "200", "--clients", "1", "-V", "mqttv311"];
    assert_eq!(counts(&bench(port, &fan_in)), (Some(7), [200, 180, 20, 20, 20, 0]));
    let fan_out = ["fan-out", "--messages", "100", "--clients", "3"];
    assert_eq!(counts(&bench(port, &fan_out)), (Some(7), [100, 270, 30, 30, 30, 0]));
    // The order of retained messages tells nothing.
    let retained = ["retained", "--messages", "100"];
    assert_eq!(counts(&bench(port, &retained)), (Some(7), [100, 90, 10, 10, 0, 0]));
}

#[test]
fn a_broker_that_is_not_there_and_a_load_that_makes_no_sense_have_exit_codes() {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).expect("a port");
    assert_eq!(bench(port.port(), &["pairs"]).status.code(), Some(4));
    assert_eq!(bench(port.port(), &["offline"]).status.code(), Some(2));
    assert_eq!(bench(port.port(), &["pairs", "--payload", "19"]).status.code(), Some(2));
}
