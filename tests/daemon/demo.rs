//! The demo house as a person meets it: the real binary on the shipped file, moved by the commands it tells to try.

use crate::support::client::Client;
use crate::support::daemon::{Daemon, binary, data_dir};
use crate::support::wire::{Message, Version};
use nix::sys::signal::Signal;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/demo/gatehouse.toml");

struct House {
    daemon: Daemon,
    watcher: Client,
    /// Topic and payload of everything seen.
    seen: Vec<String>,
}

impl House {
    fn start(data: &Path) -> Self {
        let starting = Daemon::spawn_with(data, &[OsStr::new("--config"), OsStr::new(DEMO)]);
        let daemon = starting.listening().unwrap_or_else(|what| panic!("{what}"));
        let mut watcher = Client::fresh(daemon.address(), Version::V5, "watcher");
        watcher.subscribe("home/#", 1);
        Self { daemon, watcher, seen: Vec::new() }
    }

    /// Waits for a message with this topic below `home` whose payload contains a text.
    fn see(&mut self, topic: &str, part: &str) -> Message {
        let topic = format!("home/{topic}");
        loop {
            let message = self.watcher.message();
            self.seen.push(format!("{} {}", message.topic, message.text()));
            if message.topic == topic && message.text().contains(part) {
                return message;
            }
        }
    }

    fn publish(&self, topic: &str, payload: &str) {
        let port = self.daemon.address().port().to_string();
        let output = gatehouse(&["pub", "-p", &port, "-t", topic, "-m", payload]);
        assert!(output.status.success(), "{output:?}");
    }
}

fn gatehouse(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("the binary starts")
}

#[test]
fn every_device_of_the_demo_house_lives() {
    let data = data_dir();
    let mut house = House::start(data.path());
    house.see("greenhouse/pump", "false");
    house.publish("home/blind/up/set", r#"{"value":true,"pulse":"200ms","id":"a7"}"#);
    house.see("blind/up", "true");
    let done = house.see("blind/up/$result", r#""status":"done""#).text();
    assert!(done.contains(r#""id":"a7""#) && done.contains(r#""pulse_ms":200"#), "{done}");
    house.publish("home/$gw/simulate/GPIO6/set", "press");
    assert!(!house.see("hall-button/press", "single").retain);
    house.publish("home/$gw/simulate/GPIO5/set", "0");
    house.see("front-door/contact", "false");
    house.publish("home/$gw/simulate/28-0316a2795cff/set", "50");
    house.see("$gw/simulate/28-0316a2795cff/$result", "done");
    house.publish("home/boiler-flow/temperature/get", "");
    house.see("boiler-flow/temperature", "50");
    house.publish("home/greenhouse/pump/set", "toggle");
    house.see("greenhouse/pump", "true");
}

#[test]
fn interrupted_it_leaves_the_house_safe_and_ends_well() {
    let data = data_dir();
    let mut house = House::start(data.path());
    house.see("blind/$availability", "online");
    house.publish("home/blind/down/set", "true");
    house.see("blind/down", "true");
    nix::sys::signal::kill(house.daemon.pid(), Signal::SIGINT).expect("the process is ours");
    house.see("blind/down", "false");
    house.see("blind/$availability", "offline");
    assert_eq!(house.daemon.stop(Signal::SIGINT).code(), Some(0));
}

#[test]
fn a_stranger_cannot_take_the_place_of_a_driver() {
    let data = data_dir();
    let mut house = House::start(data.path());
    house.see("blind/$availability", "online");
    house.seen.clear();
    let port = house.daemon.address().port().to_string();
    let output = gatehouse(&["pub", "-p", &port, "-i", "$device/blind", "-t", "home/blind/up/set", "-m", "true"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
    house.publish("home/blind/up/get", "");
    house.see("blind/up", "false");
    assert!(!house.seen.contains(&"home/blind/$availability offline".to_owned()), "{:?}", house.seen);
}

#[test]
fn sub_prints_what_is_there_and_ends_when_it_has_enough() {
    let data = data_dir();
    let mut house = House::start(data.path());
    house.see("boiler-flow/temperature", "48.5");
    let port = house.daemon.address().port().to_string();
    let output = gatehouse(&["sub", "-p", &port, "-C", "1", "-v", "-t", "home/boiler-flow/temperature"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "home/boiler-flow/temperature 48.5\n");
}

#[test]
fn pub_and_sub_fail_where_no_broker_is() {
    let closed: SocketAddr = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address")
    };
    let port = closed.port().to_string();
    for arguments in [vec!["pub", "-p", &port, "-t", "a", "-m", "b"], vec!["sub", "-p", &port, "-t", "a"]] {
        let output = gatehouse(&arguments);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&port), "{output:?}");
    }
}

#[test]
fn check_tells_every_problem_and_its_own_exit_code() {
    let good = gatehouse(&["check", DEMO]);
    assert_eq!(
        (good.status.code(), good.stdout.as_slice()),
        (Some(0), &b"ok: 5 devices, 1 bus, 2 rules, 2 tests passed\n"[..])
    );
    let bad = gatehouse(&["check", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/config/bad/five-mistakes.toml")]);
    assert_eq!(bad.status.code(), Some(3));
    let told = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(
        told.lines().filter(|line| line.contains("five-mistakes.toml:") && !line.contains("hint")).count(),
        5,
        "{told}"
    );
    assert_eq!(gatehouse(&["check"]).status.code(), Some(2));
}
